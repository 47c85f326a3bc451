//! A manager's dealings with the queue, in a thread of their own.
//!
//! A store may keep its caller waiting, and a server may be away for longer than
//! that. A manager must hear of signals and of deaths meanwhile, and must not
//! forget which workers it was about to look after.

use crate::messages::{Reply, Request};
use crate::rescue::{RescueError, rescue};
use queuectl_core::{RetryPolicy, WorkerId};
use queuectl_store::{Life, Reader, StoreError, Worker, WorkerRecord};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A queue that is out of order for now is tried again after a time between
/// these, in milliseconds.
const TRY_AGAIN_AFTER: std::ops::RangeInclusive<u64> = 200..=1000;

/// The manager's side: what it wants done, and when it wants no more.
pub(crate) struct Supervisor {
    tasks: Sender<Request>,
    is_ending: Arc<AtomicBool>,
    /// Nothing is ever sent: its end is the supervisor's.
    gone: Receiver<()>,
}

impl Supervisor {
    /// Starts the thread; `tell` is how it speaks to the manager.
    ///
    /// # Errors
    ///
    /// If there can be no more threads.
    pub(crate) fn start<S: Worker + Reader + Send + ?Sized + 'static>(
        store: Box<S>,
        policy: RetryPolicy,
        stops: i64,
        tell: impl Fn(Reply) + Send + 'static,
    ) -> io::Result<Self> {
        let (tasks, to_do) = channel();
        let (here, gone) = channel();
        let is_ending = Arc::new(AtomicBool::new(false));
        let mut supervising = SupervisorThread {
            store,
            policy,
            stops,
            tell,
            waiting: VecDeque::new(),
            is_failing: false,
            is_ending: Arc::clone(&is_ending),
        };
        thread::Builder::new().name("supervisor".into()).spawn(move || {
            supervising.work(&to_do);
            drop((supervising, here));
        })?;
        Ok(Self { tasks, is_ending, gone })
    }

    /// Has something done.
    pub(crate) fn give(&self, task: Request) {
        self.tasks.send(task).expect("it goes only after the last sender");
    }

    /// From now on nothing is tried twice.
    pub(crate) fn hurry(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Lets the supervisor go, and waits a little until it has closed the queue.
    pub(crate) fn dismiss(self, at_most: Duration) {
        drop(self.tasks);
        let _gone_or_waiting = self.gone.recv_timeout(at_most);
    }
}

/// The supervisor's own side, which owns the store.
struct SupervisorThread<S: ?Sized, T> {
    store: Box<S>,
    policy: RetryPolicy,
    /// Requests to stop that were there when the manager began.
    stops: i64,
    tell: T,
    waiting: VecDeque<Request>,
    is_failing: bool,
    is_ending: Arc<AtomicBool>,
}

impl<S: Worker + Reader + ?Sized, T: Fn(Reply)> SupervisorThread<S, T> {
    fn work(&mut self, to_do: &Receiver<Request>) {
        loop {
            let tried_again = Instant::now() + Duration::from_millis(fastrand::u64(TRY_AGAIN_AFTER));
            let wake_at = (!self.waiting.is_empty()).then_some(tried_again);
            let task = match wake_at {
                None => to_do.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => to_do.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match task {
                Ok(task) => self.waiting.push_back(task),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.waiting.extend(to_do.try_iter());
            self.do_what_waits();
        }
    }

    fn do_what_waits(&mut self) {
        while let Some(task) = self.waiting.pop_front() {
            match self.try_to_do(task) {
                Ok(()) => self.is_failing = false,
                Err(error) if error.is_passing_at_work() && !self.is_ending.load(Ordering::Relaxed) => {
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::warn!(
                            "{error}; workers that die are looked after and replaced when it works again"
                        );
                    }
                    self.waiting.push_front(task);
                    return;
                }
                Err(error) => {
                    tracing::error!("{error}");
                    self.say_unknown(task, &error);
                }
            }
        }
    }

    fn try_to_do(&mut self, task: Request) -> Result<(), StoreError> {
        match task {
            Request::MeetWorker { index } => {
                if self.store.stops()? != self.stops {
                    (self.tell)(Reply::IsMeant { index });
                }
            }
            Request::TakeBack { index, id, pid } => {
                let TakenBack { jobs_done, was_asked_to_stop, owed } = self.take_back(id, pid)?;
                (self.tell)(Reply::TakenBack { index, jobs_done, was_asked_to_stop, owed });
            }
            Request::Replace { index } => {
                // A request to stop that came meanwhile meant this one too.
                let may = self.store.stops()? == self.stops;
                (self.tell)(Reply::MayReplace { index, may });
            }
        }
        Ok(())
    }

    /// What cannot be found out stands in no worker's way: it will say so itself.
    fn say_unknown(&self, task: Request, error: &StoreError) {
        match task {
            Request::MeetWorker { .. } => {}
            Request::TakeBack { index, .. } => {
                let owed = Some(error.to_string());
                (self.tell)(Reply::TakenBack { index, jobs_done: 0, was_asked_to_stop: false, owed });
            }
            Request::Replace { index } => (self.tell)(Reply::MayReplace { index, may: true }),
        }
    }

    /// Gives a dead worker's jobs back; tells how many attempts it had ended, and
    /// whether it had been asked to stop.
    fn take_back(&mut self, id: Option<WorkerId>, pid: u32) -> Result<TakenBack, StoreError> {
        let found = match id {
            Some(id) => self.store.worker(id)?,
            // It may have died between its registration and its first word.
            None => self.store.workers()?.into_iter().find(|worker| is_mine_and_dead(worker, pid)),
        };
        let Some(worker) = found else { return Ok(TakenBack::default()) };
        let owed = match rescue(self.store.as_mut(), worker.id, &self.policy, false) {
            Ok(Some(_)) => None,
            Ok(None) if self.has_ended(worker.id)? => None,
            Ok(None) => Some("another worker is about to give them back".to_owned()),
            Err(RescueError::Store(error)) if error.is_passing_at_work() => return Err(error),
            // The monitor of any worker tries again.
            Err(RescueError::Store(error)) => {
                tracing::error!("{error}");
                Some(error.to_string())
            }
            Err(error) => {
                tracing::warn!("Worker {} cannot be rescued yet: {error}", worker.id);
                Some(error.to_string())
            }
        };
        Ok(TakenBack { jobs_done: worker.jobs_done, was_asked_to_stop: worker.stop.is_some(), owed })
    }

    /// Tells whether a worker is off the list, so that it holds nothing any more.
    fn has_ended(&mut self, worker: WorkerId) -> Result<bool, StoreError> {
        Ok(self.store.worker(worker)?.is_none_or(|worker| worker.ended_at.is_some()))
    }
}

/// What became of a dead worker.
#[derive(Default)]
struct TakenBack {
    jobs_done: u64,
    was_asked_to_stop: bool,
    owed: Option<String>,
}

fn is_mine_and_dead(worker: &WorkerRecord, pid: u32) -> bool {
    worker.is_here
        && worker.pid == pid
        && worker.manager_pid == std::process::id()
        && worker.life != Life::Alive
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{DEADLINE, Mood, Moody, Queue, Remote, wait_until};
    use queuectl_core::State;
    use queuectl_store::{Exchange, NewWorker, Registration, Stop};

    const POLICY: RetryPolicy = RetryPolicy { base: 0.0, max: Duration::ZERO, crash_limit: 5 };

    struct Manager {
        queue: Queue,
        remote: Remote,
        supervisor: Supervisor,
        reply: Receiver<Reply>,
    }

    impl Manager {
        fn new() -> Self {
            let (queue, remote) = (Queue::new(), Remote::new());
            let store = Box::new(Moody { store: queue.store(), remote: remote.clone() });
            let (tell, reply) = channel();
            let supervisor = Supervisor::start(store, POLICY, 0, move |said| _ = tell.send(said)).unwrap();
            Self { queue, remote, supervisor, reply }
        }

        fn next(&self) -> Reply {
            self.reply.recv_timeout(DEADLINE).unwrap()
        }

        /// A worker of this process that holds a job and dies.
        fn dead_worker(&self) -> WorkerId {
            self.queue.enqueue("job", "true");
            let mut store = self.queue.store();
            let now = store.clock().now();
            let Registration { id, .. } = store.register(&NewWorker::of_this_process(1), now).unwrap();
            let claim = Exchange { want: 1, ..Exchange::nothing(&POLICY) };
            assert_eq!(store.exchange(id, &claim, now).unwrap().claimed.len(), 1);
            id
        }
    }

    #[test]
    fn a_death_while_the_queue_is_away_is_not_forgotten() {
        let manager = Manager::new();
        let id = manager.dead_worker();
        manager.remote.set(Mood::Away);
        manager.supervisor.give(Request::TakeBack { index: 7, id: None, pid: std::process::id() });
        wait_until("it has tried again", || manager.remote.felt() >= 2);
        assert!(manager.reply.try_recv().is_err());
        assert_eq!(manager.queue.job("job").worker, Some(id));
        manager.remote.set(Mood::Well);
        let said = manager.next();
        assert!(matches!(
            said,
            Reply::TakenBack { index: 7, jobs_done: 0, was_asked_to_stop: false, owed: None }
        ));
        assert_eq!(manager.queue.job("job").state, State::Pending);
    }

    #[test]
    fn at_the_end_a_queue_that_is_away_is_not_waited_for() {
        let manager = Manager::new();
        let id = manager.dead_worker();
        manager.remote.set(Mood::Away);
        manager.supervisor.give(Request::TakeBack { index: 0, id: Some(id), pid: 1 });
        manager.supervisor.hurry();
        let said = manager.next();
        assert!(
            matches!(said, Reply::TakenBack { jobs_done: 0, owed: Some(_), .. }),
            "they are not given back"
        );
    }

    #[test]
    fn no_worker_is_replaced_after_a_request_to_stop() {
        let manager = Manager::new();
        manager.supervisor.give(Request::Replace { index: 1 });
        assert!(matches!(manager.next(), Reply::MayReplace { index: 1, may: true }));
        let mut store = manager.queue.store();
        let now = store.clock().now();
        store.request_stop(&[], Stop::Graceful, now).unwrap();
        manager.supervisor.give(Request::Replace { index: 1 });
        assert!(matches!(manager.next(), Reply::MayReplace { index: 1, may: false }));
    }

    #[test]
    fn a_request_to_stop_means_one_that_was_just_beginning() {
        let manager = Manager::new();
        let mut store = manager.queue.store();
        let now = store.clock().now();
        store.request_stop(&[], Stop::Graceful, now).unwrap();
        manager.supervisor.give(Request::MeetWorker { index: 3 });
        assert!(matches!(manager.next(), Reply::IsMeant { index: 3 }));
    }

    #[test]
    fn one_that_does_not_get_an_answer_holds_up_no_other() {
        let manager = Manager::new();
        manager.remote.set(Mood::Silent);
        manager.supervisor.give(Request::Replace { index: 0 });
        wait_until("it waits for an answer", || manager.remote.felt() > 0);
        let began = Instant::now();
        manager.supervisor.dismiss(Duration::from_millis(50));
        assert!(began.elapsed() < DEADLINE / 2);
        manager.remote.set(Mood::Well);
    }
}
