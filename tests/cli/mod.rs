//! The real programs.

mod bad_queue;
mod cancel;
mod config;
mod dispatch;
mod dlq;
mod documented;
mod enqueue;
mod list;
mod logs;
mod prune;
mod show;
mod status;
mod worker_start;
mod worker_stop;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [
        documented::trials(),
        enqueue::trials(),
        list::trials(),
        status::trials(),
        show::trials(),
        logs::trials(),
        dlq::trials(),
        prune::trials(),
        config::trials(),
        dispatch::trials(),
        cancel::trials(),
        bad_queue::trials(),
        worker_start::trials(),
        worker_stop::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
