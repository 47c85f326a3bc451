//! The real programs.

mod administration;
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
mod draining;
mod enqueue;
mod enqueue_fields;
mod enqueue_file;
mod enqueue_folder;
mod enqueue_wait;
mod enqueue_words;
mod file_types;
mod guardian;
mod habits;
mod help;
mod hold;
mod json_words;
mod limits;
mod list;
mod locations;
mod logs;
mod many;
mod memory;
mod mistakes;
mod r#move;
mod move_abort;
mod move_back;
mod move_refused;
mod nested;
mod outside;
mod owners;
mod passwords;
mod postgres;
mod postgres_alike;
mod postgres_faults;
mod postgres_settings;
mod postgres_silence;
mod postgres_unknown;
mod prune;
mod queues_limited;
mod queues_paused;
mod references;
mod show;
mod status;
mod surroundings;
mod terminal;
mod terminals;
mod unique;
mod unreadable;
mod unreadable_rows;
mod unwritable;
mod voice;
mod wait;
mod waiting;
mod worker_hostile;
mod worker_hostile_files;
mod worker_inherits;
mod worker_jobs;
mod worker_log;
mod worker_machines;
mod worker_outside;
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
        help::trials(),
        hold::trials(),
        json_words::trials(),
        enqueue_folder::trials(),
        enqueue_wait::trials(),
        enqueue_words::trials(),
        habits::trials(),
        list::trials(),
        status::trials(),
        unique::trials(),
        unreadable::trials(),
        unreadable_rows::trials(),
        surroundings::trials(),
        terminals::trials(),
        voice::trials(),
        wait::trials(),
        waiting::trials(),
        worker_log::trials(),
        draining::trials(),
        queues_limited::trials(),
        queues_paused::trials(),
        show::trials(),
        logs::trials(),
        dlq::trials(),
        prune::trials(),
        many::trials(),
        administration::trials(),
        references::trials(),
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
        memory::trials(),
        mistakes::trials(),
        r#move::trials(),
        move_refused::trials(),
        nested::trials(),
        move_abort::trials(),
        outside::trials(),
        move_back::trials(),
        passwords::trials(),
        locations::trials(),
        limits::trials(),
        file_types::trials(),
        owners::trials(),
        postgres::trials(),
        postgres_alike::trials(),
        worker_inherits::trials(),
        postgres_faults::trials(),
        postgres_silence::trials(),
        postgres_settings::trials(),
        worker_outside::trials(),
        postgres_unknown::trials(),
        worker_stop::trials(),
        terminal::trials(),
        unwritable::trials(),
        worker_hostile::trials(),
        worker_hostile_files::trials(),
        worker_machines::trials(),
        guardian::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
