//! A manager's dealings with the queue, in a thread of their own.
//!
//! A store may keep its caller waiting, and a server may be away for longer than
//! that. A manager must hear of signals and of deaths meanwhile, and must not
//! forget whom it was about to look after.

use crate::rescue::{RescueError, rescue};
use queuectl_core::{RetryPolicy, WorkerId};
use queuectl_store::{Inspect, Life, StoreError, Work, Worker};
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

/// What a manager wants done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    /// A worker has begun: see whether it was meant by a request to stop that came
    /// before its row did.
    MeetWorker {
        /// Which of the manager's.
        index: usize,
    },
    /// Give the jobs of a dead worker back.
    TakeBack {
        /// Which of the manager's.
        index: usize,
        /// Its number, if it has told it.
        id: Option<WorkerId>,
        pid: u32,
    },
    /// Find out whether a dead worker may be replaced.
    Replace {
        /// Which of the manager's.
        index: usize,
    },
}

/// What the caretaker says to its manager.
pub(crate) enum News {
    /// A dead worker was looked after, as far as that could be done.
    TakenBack {
        /// Which of the manager's.
        index: usize,
        jobs_done: u64,
        was_asked_to_stop: bool,
        /// Why its jobs may not have been given back; none if they surely were.
        owed: Option<String>,
    },
    /// Whether a dead worker may be replaced.
    MayReplace { index: usize, may: bool },
    /// A worker that has just begun was meant by a request to stop.
    IsMeant { index: usize },
}

/// The manager's side: what it wants done, and when it wants no more.
pub(crate) struct Caretaker {
    tasks: Sender<Task>,
    is_ending: Arc<AtomicBool>,
    /// Nothing is ever sent: its end is the caretaker's.
    gone: Receiver<()>,
}

impl Caretaker {
    /// Starts the thread; `tell` is how it speaks to the manager.
    ///
    /// # Errors
    ///
    /// If there can be no more threads.
    pub(crate) fn start<S: Work + Inspect + Send + ?Sized + 'static>(
        store: Box<S>,
        policy: RetryPolicy,
        stops: i64,
        tell: impl Fn(News) + Send + 'static,
    ) -> io::Result<Self> {
        let (tasks, to_do) = channel();
        let (here, gone) = channel();
        let is_ending = Arc::new(AtomicBool::new(false));
        let mut hand = Hand {
            store,
            policy,
            stops,
            tell,
            waiting: VecDeque::new(),
            is_failing: false,
            is_ending: Arc::clone(&is_ending),
        };
        thread::Builder::new().name("caretaker".into()).spawn(move || {
            hand.work(&to_do);
            drop((hand, here));
        })?;
        Ok(Self { tasks, is_ending, gone })
    }

    /// Has something done.
    pub(crate) fn give(&self, task: Task) {
        self.tasks.send(task).expect("it goes only after the last sender");
    }

    /// From now on nothing is tried twice.
    pub(crate) fn hurry(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Lets the caretaker go, and waits a little until it has closed the queue.
    pub(crate) fn dismiss(self, at_most: Duration) {
        drop(self.tasks);
        let _gone_or_waiting = self.gone.recv_timeout(at_most);
    }
}

/// The caretaker's own side.
struct Hand<S: ?Sized, T> {
    store: Box<S>,
    policy: RetryPolicy,
    /// Requests to stop that were there when the manager began.
    stops: i64,
    tell: T,
    waiting: VecDeque<Task>,
    is_failing: bool,
    is_ending: Arc<AtomicBool>,
}

impl<S: Work + Inspect + ?Sized, T: Fn(News)> Hand<S, T> {
    fn work(&mut self, to_do: &Receiver<Task>) {
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
                        tracing::warn!("{error}; who dies is looked after and replaced when it works again");
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

    fn try_to_do(&mut self, task: Task) -> Result<(), StoreError> {
        match task {
            Task::MeetWorker { index } => {
                if self.store.stops()? != self.stops {
                    (self.tell)(News::IsMeant { index });
                }
            }
            Task::TakeBack { index, id, pid } => {
                let TakenBack { jobs_done, was_asked_to_stop, owed } = self.take_back(id, pid)?;
                (self.tell)(News::TakenBack { index, jobs_done, was_asked_to_stop, owed });
            }
            Task::Replace { index } => {
                // Whoever asked for a stop meant this one too.
                let may = self.store.stops()? == self.stops;
                (self.tell)(News::MayReplace { index, may });
            }
        }
        Ok(())
    }

    /// What cannot be found out stands in nobody's way: the worker itself will say.
    fn say_unknown(&self, task: Task, error: &StoreError) {
        match task {
            Task::MeetWorker { .. } => {}
            Task::TakeBack { index, .. } => {
                let owed = Some(error.to_string());
                (self.tell)(News::TakenBack { index, jobs_done: 0, was_asked_to_stop: false, owed });
            }
            Task::Replace { index } => (self.tell)(News::MayReplace { index, may: true }),
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
            // The watch of any worker tries again.
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

fn is_mine_and_dead(worker: &Worker, pid: u32) -> bool {
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
        caretaker: Caretaker,
        news: Receiver<News>,
    }

    impl Manager {
        fn new() -> Self {
            let (queue, remote) = (Queue::new(), Remote::new());
            let store = Box::new(Moody { store: queue.store(), remote: remote.clone() });
            let (tell, news) = channel();
            let caretaker = Caretaker::start(store, POLICY, 0, move |said| _ = tell.send(said)).unwrap();
            Self { queue, remote, caretaker, news }
        }

        fn next(&self) -> News {
            self.news.recv_timeout(DEADLINE).unwrap()
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
        manager.caretaker.give(Task::TakeBack { index: 7, id: None, pid: std::process::id() });
        wait_until("it has tried again", || manager.remote.felt() >= 2);
        assert!(manager.news.try_recv().is_err());
        assert_eq!(manager.queue.job("job").worker, Some(id));
        manager.remote.set(Mood::Well);
        let said = manager.next();
        assert!(matches!(
            said,
            News::TakenBack { index: 7, jobs_done: 0, was_asked_to_stop: false, owed: None }
        ));
        assert_eq!(manager.queue.job("job").state, State::Pending);
    }

    #[test]
    fn at_the_end_nobody_waits_for_a_queue_that_is_away() {
        let manager = Manager::new();
        let id = manager.dead_worker();
        manager.remote.set(Mood::Away);
        manager.caretaker.give(Task::TakeBack { index: 0, id: Some(id), pid: 1 });
        manager.caretaker.hurry();
        let said = manager.next();
        assert!(
            matches!(said, News::TakenBack { jobs_done: 0, owed: Some(_), .. }),
            "they are not given back"
        );
    }

    #[test]
    fn nobody_is_replaced_after_a_request_to_stop() {
        let manager = Manager::new();
        manager.caretaker.give(Task::Replace { index: 1 });
        assert!(matches!(manager.next(), News::MayReplace { index: 1, may: true }));
        let mut store = manager.queue.store();
        let now = store.clock().now();
        store.request_stop(&[], Stop::Graceful, now).unwrap();
        manager.caretaker.give(Task::Replace { index: 1 });
        assert!(matches!(manager.next(), News::MayReplace { index: 1, may: false }));
    }

    #[test]
    fn a_request_to_stop_means_one_that_was_just_beginning() {
        let manager = Manager::new();
        let mut store = manager.queue.store();
        let now = store.clock().now();
        store.request_stop(&[], Stop::Graceful, now).unwrap();
        manager.caretaker.give(Task::MeetWorker { index: 3 });
        assert!(matches!(manager.next(), News::IsMeant { index: 3 }));
    }

    #[test]
    fn one_that_does_not_get_an_answer_holds_nobody_up() {
        let manager = Manager::new();
        manager.remote.set(Mood::Silent);
        manager.caretaker.give(Task::Replace { index: 0 });
        wait_until("it waits for an answer", || manager.remote.felt() > 0);
        let began = Instant::now();
        manager.caretaker.dismiss(Duration::from_millis(50));
        assert!(began.elapsed() < DEADLINE / 2);
        manager.remote.set(Mood::Well);
    }
}
