//! The real programs.

mod backup;
mod bad_queue;
mod cancel;
mod config;
mod config_mistakes;
mod demo;
mod dispatch;
mod dlq;
mod doctor;
mod doctor_postgres;
mod doctor_postgres_contents;
mod doctor_workers;
mod documented;
mod enqueue;
mod enqueue_fields;
mod enqueue_file;
mod enqueue_folder;
mod enqueue_words;
mod habits;
mod list;
mod logs;
mod mistakes;
mod r#move;
mod move_abort;
mod move_back;
mod nested;
mod passwords;
mod postgres;
mod prune;
mod show;
mod status;
mod worker_hostile;
mod worker_hostile_files;
mod worker_jobs;
mod worker_machines;
mod worker_rescue;
mod worker_start;
mod worker_stop;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [
        documented::trials(),
        enqueue::trials(),
        enqueue_fields::trials(),
        enqueue_file::trials(),
        enqueue_folder::trials(),
        enqueue_words::trials(),
        habits::trials(),
        list::trials(),
        status::trials(),
        show::trials(),
        logs::trials(),
        dlq::trials(),
        prune::trials(),
        backup::trials(),
        doctor::trials(),
        doctor_postgres::trials(),
        doctor_postgres_contents::trials(),
        doctor_workers::trials(),
        config::trials(),
        config_mistakes::trials(),
        demo::trials(),
        dispatch::trials(),
        cancel::trials(),
        bad_queue::trials(),
        worker_start::trials(),
        worker_jobs::trials(),
        worker_rescue::trials(),
        mistakes::trials(),
        r#move::trials(),
        nested::trials(),
        move_abort::trials(),
        move_back::trials(),
        passwords::trials(),
        postgres::trials(),
        worker_stop::trials(),
        worker_hostile::trials(),
        worker_hostile_files::trials(),
        worker_machines::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
