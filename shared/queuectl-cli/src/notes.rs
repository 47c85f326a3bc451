//! What is said of a queue of which nothing is started.

use crate::context::Context;
use crate::times::Times;
use queuectl_core::DEFAULT_QUEUE;
use queuectl_service::queues::pause_of;
use queuectl_service::typed_option;
use queuectl_service::why::{pause_in_words, queue_in_words, resume};
use queuectl_store::{Store, WorkerRecord};

impl Context {
    /// Says so, once, if nothing of a queue is started: it is paused, or no worker is there. It
    /// is not worth an error.
    pub fn note_if_nothing_starts(&self, store: &mut dyn Store, queue: &str) {
        if !self.output().is_read_by_a_person() {
            return;
        }
        let why = match pause_of(store, queue) {
            Ok(Some((name, pause))) => {
                let (words, resume) = (pause_in_words(&pause, &Times::of(self)), resume(&name));
                let paused = format!("{} is paused{words}; resume with `{resume}`", queue_in_words(&name));
                paused.replacen("the", "The", 1).replacen("every", "Every", 1)
            }
            _ if matches!(store.has_workers(queue), Ok(false)) => without_workers(store, queue),
            _ => return,
        };
        if self.tells_first(queue) {
            self.output().note(why);
        }
    }
}

fn without_workers(store: &mut dyn Store, queue: &str) -> String {
    let serves_others = store.workers().is_ok_and(|workers| workers.iter().any(WorkerRecord::takes_jobs));
    if queue == DEFAULT_QUEUE && !serves_others {
        return "No worker is running; start one with `queuectl worker start`".to_owned();
    }
    let option = typed_option("--queue", queue);
    format!("No worker serves the queue {queue}; start one with `queuectl worker start {option}`")
}
