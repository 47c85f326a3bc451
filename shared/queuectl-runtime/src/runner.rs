//! What the thread of a slot does all its life: it runs one job after the other.

use crate::attempt;
use crate::shared::Shared;
use crate::slot::Slot;
use crate::worker_error::WorkerError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Runs jobs until nothing more is to be started.
pub(crate) fn run_jobs(shared: &Shared, slot: &Slot) {
    let mut read_buffer = attempt::read_buffer();
    // The slot counts as busy from the moment it has a job.
    let occupy = |job: &_| slot.occupy(job, shared.output_limit());
    while let Some(job) = shared.prefetched().next(occupy) {
        let began = Instant::now();
        let run = || attempt::run(shared, slot, &job, &mut read_buffer);
        let ended = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            let reason = format!("a slot has panicked with job {}; this is a bug", job.id);
            shared.cannot_go_on(WorkerError::Broken { reason });
            None
        });
        let mut outbox = shared.outbox().contents();
        let contents = &mut *outbox;
        slot.finish(&mut contents.output, &mut contents.trims);
        match ended {
            Some(ended) => contents.ended.push((ended, began.elapsed())),
            None => contents.unstarted.push(job.last_lease()),
        }
        let is_first = contents.since.is_none();
        contents.since.get_or_insert_with(Instant::now);
        drop(outbox);
        // The coordinator lets results gather while there are jobs left to start; waking
        // it for each would only cost a switch of threads.
        if is_first || shared.prefetched().is_low() {
            shared.outbox().wake();
        }
    }
}
