//! Workers that stand still while others may soon take over what they run.
//!
//! A worker that cannot renew its lease ends its jobs by itself, unless it was
//! stopped or hangs. Its processes run on then, and other machines cannot see
//! them. So somebody else on its own machine ends it, and them, in time.

use crate::marker;
use crate::processes::{self, Extent, Scope};
use queuectl_core::Timestamp;
use queuectl_store::{Inspect, Life, LockFile, Result, Work, Worker, machine};
use std::time::{Duration, Instant};

/// How often somebody looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// News older than that say nothing of a worker that works: it may have renewed
/// its lease since.
const NEWS_HOLD_FOR: Duration = Duration::from_secs(2);

/// What the store said at one moment about the workers of this machine that have
/// a lease and live.
pub(crate) struct Seen {
    workers: Vec<Worker>,
    lock_file: Option<LockFile>,
    now: Timestamp,
    at: Instant,
}

impl Seen {
    /// Asks the store.
    ///
    /// # Errors
    ///
    /// Whatever the store says.
    pub(crate) fn ask(store: &mut (impl Work + Inspect + ?Sized)) -> Result<Self> {
        let mut workers = store.workers()?;
        workers
            .retain(|worker| worker.is_here && worker.life == Life::Alive && worker.heartbeat_at.is_some());
        let lock_file = if workers.is_empty() { None } else { Some(store.lock_file()?) };
        Ok(Self { workers, lock_file, now: store.clock().now(), at: Instant::now() })
    }

    /// Tells whether there are leases at all.
    pub(crate) fn has_leases(&self) -> bool {
        !self.workers.is_empty()
    }

    /// Ends those that have lapsed by now. Asks no store, so that it can be done
    /// again while there is none to be asked.
    pub(crate) fn end_the_lapsed(&mut self) {
        let Some(lock_file) = &self.lock_file else { return };
        let age = self.at.elapsed();
        let now = self.now.after(age);
        for worker in &mut self.workers {
            worker.is_stalled = machine::is_stopped(worker);
        }
        let has_lapsed =
            |worker: &Worker| worker.has_lapsed(now) && (worker.is_stalled || age < NEWS_HOLD_FOR);
        self.workers.retain(|worker| !has_lapsed(worker) || !end(worker, lock_file, now));
    }
}

/// Ends a worker and all it has started; tells whether there is no more to do.
fn end(worker: &Worker, lock_file: &LockFile, now: Timestamp) -> bool {
    let is_visible = worker.pid_namespace == machine::pid_namespace();
    let process = is_visible.then(|| processes::hold(worker.pid)).flatten();
    // It lives, so it did when its pid was looked up: that pid is its own.
    if !lock_file.is_held(worker.id).unwrap_or(false) {
        return true;
    }
    let marker = marker::of_worker(&worker.run, worker.id);
    let scope = Scope { marker, extent: Extent::Beginning, groups: Vec::new() };
    if !worker.is_stalled && !processes::are_there(&scope) {
        // It has ended its jobs, and waits for a server that answers.
        return false;
    }
    tracing::warn!(
        "Worker {} (PID {}) {} and has not renewed its lease for {} s; it is killed with all it runs, before others run that.",
        worker.id,
        worker.pid,
        if worker.is_stalled { "stands still" } else { "hangs" },
        worker.heartbeat_at.map_or(0, |at| now.since(at).as_secs()),
    );
    // First, so that it starts nothing more.
    let is_gone = process.is_none_or(|process| process.kill());
    let ended = processes::kill(&scope);
    if let Err(error) = &ended {
        tracing::error!("Worker {} is stuck: {error}", worker.id);
    }
    is_gone && ended.is_ok()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::fixture::{Queue, wait_until};
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use queuectl_store::{NewWorker, Presence, Registration};
    use std::process::{Child, Command};

    /// A process in the place of a worker, whose lock the test holds, and a process
    /// of one of its jobs.
    struct Stand {
        seen: Seen,
        process: Child,
        job: Child,
        presence: Option<Presence>,
        _queue: Queue,
    }

    impl Stand {
        /// Its last heartbeat was so long before what the store has said.
        fn silent_for(silence: Duration) -> Self {
            let queue = Queue::new();
            let mut store = queue.store();
            let now = store.clock().now();
            let process = Command::new("sleep").arg("1000").spawn().unwrap();
            let newcomer = NewWorker { pid: process.id(), ..NewWorker::of_this_process(1) };
            let Registration { id, run, presence, .. } = store.register(&newcomer, now).unwrap();
            let mut job = Command::new("sleep");
            job.arg("1000").env(marker::RUN, format!("{}9/9", marker::of_worker(&run, id)));
            let job = job.spawn().unwrap();
            let mut worker = store.worker(id).unwrap().unwrap();
            worker.heartbeat_at = Some(now.before(silence));
            let lock_file = Some(store.lock_file().unwrap());
            let seen = Seen { workers: vec![worker], lock_file, now, at: Instant::now() };
            Self { seen, process, job, presence: Some(presence), _queue: queue }
        }

        fn stop(&mut self) {
            kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGSTOP).unwrap();
            wait_until("it stands still", || machine::is_stopped(&self.seen.workers[0]));
        }

        /// Whether the worker and its job were ended by a look.
        fn are_ended(&mut self) -> bool {
            self.seen.end_the_lapsed();
            let ended = [&mut self.process, &mut self.job].map(|child| child.try_wait().unwrap().is_some());
            assert_eq!(ended[0], ended[1], "both or none");
            assert_eq!(ended[0], self.seen.workers.is_empty(), "once is enough");
            ended[0]
        }
    }

    impl Drop for Stand {
        fn drop(&mut self) {
            for child in [&mut self.process, &mut self.job] {
                let _gone = child.kill();
                let _gone = child.wait();
            }
        }
    }

    #[test]
    fn one_that_stands_still_is_ended_when_it_should_end_its_jobs() {
        let mut early = Stand::silent_for(Duration::from_secs(25));
        early.stop();
        assert!(!early.are_ended());
        let mut late = Stand::silent_for(Duration::from_secs(30));
        late.stop();
        assert!(late.are_ended());
    }

    #[test]
    fn one_that_may_be_ending_its_jobs_is_given_the_time_for_it() {
        assert!(!Stand::silent_for(Duration::from_secs(30)).are_ended());
        assert!(Stand::silent_for(Duration::from_secs(32)).are_ended());
    }

    #[test]
    fn one_that_has_ended_its_jobs_is_left_alone() {
        let mut stand = Stand::silent_for(Duration::from_mins(1));
        stand.job.kill().unwrap();
        stand.job.wait().unwrap();
        stand.seen.end_the_lapsed();
        assert!(stand.process.try_wait().unwrap().is_none());
        assert_eq!(stand.seen.workers.len(), 1, "it is looked at again");
    }

    #[test]
    fn old_news_end_only_those_that_visibly_stand_still() {
        let mut stand = Stand::silent_for(Duration::ZERO);
        stand.seen.at = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
        assert!(!stand.are_ended(), "it may have renewed its lease since");
        stand.stop();
        assert!(stand.are_ended());
    }

    #[test]
    fn nobody_is_ended_whose_lock_is_free() {
        let mut stand = Stand::silent_for(Duration::from_mins(1));
        stand.presence = None;
        stand.seen.end_the_lapsed();
        assert!(stand.process.try_wait().unwrap().is_none(), "that pid may be anybody's by now");
        assert!(stand.seen.workers.is_empty());
    }

    #[test]
    fn where_no_server_is_told_nobody_has_a_lease() {
        let queue = Queue::new();
        let mut store = queue.store();
        let now = store.clock().now();
        let _worker = store.register(&NewWorker::of_this_process(1), now).unwrap();
        assert!(!Seen::ask(store.as_mut()).unwrap().has_leases());
    }
}
