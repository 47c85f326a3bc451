//! Where tests begin: queues with jobs in them, and jobs in the middle of their run.

use super::home::Home;
use super::processes::{kill_all, marked};
use super::worker::Worker;

/// A job that runs until there is a file `go`; a file `running` tells that it does.
pub const HELD: &str = "touch running; until [ -e go ]; do sleep 0.05; done";

impl Home {
    /// A quick user's queue with a completed, a dead and a pending job.
    pub fn with_one_of_each() -> Self {
        let home = Self::quick();
        home.enqueue("good", "echo words");
        home.enqueue_once("bad", "false");
        home.drain();
        home.enqueue("waits", "true");
        home
    }

    /// Has a new worker run a job until a test makes the file `go`.
    pub fn hold(&self, id: &str) -> Worker {
        self.enqueue(id, HELD);
        self.worker_in_the_middle("running")
    }

    /// Starts a worker, and waits until its job has made this file.
    pub fn worker_in_the_middle(&self, file: &str) -> Worker {
        let worker = self.worker([""; 0]);
        self.wait_for_file(file);
        worker
    }

    /// Kills everything of this user as nearly at once as can be, as a power cut would.
    pub fn kill_everything(&self) {
        kill_all(|| marked(&[&self.marker()]));
    }
}
