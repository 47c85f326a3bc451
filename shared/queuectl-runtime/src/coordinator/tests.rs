//! The coordinator and its slots, with a store that fails or does not answer.

use super::Coordinator;
use crate::fixture::{Mood, Moody, Queue, Remote, wait_until};
use crate::runner::run_jobs;
use crate::shared::Shared;
use crate::worker_error::WorkerError;
use queuectl_core::{Outcome, State, WorkerId};
use queuectl_store::{NewWorker, Reader as _, Registration, Stop, StoreError, Worker as _};
use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

const HELD: &str = "touch running; until [ -e go ]; do sleep 0.02; done; touch finished";

/// A worker at work, in threads of the test.
struct WorkerInThreads {
    queue: Queue,
    remote: Remote,
    shared: Arc<Shared>,
    worker: WorkerId,
    coordinator: JoinHandle<Result<(), WorkerError>>,
    slots: Vec<JoinHandle<()>>,
}

impl WorkerInThreads {
    fn open(queue: Queue) -> Self {
        let remote = Remote::new();
        let mut store = Moody { store: queue.store(), remote: remote.clone() };
        let clock = store.clock();
        let Registration { id, run, presence, .. } =
            store.register(&NewWorker::of_this_process(1), clock.now()).unwrap();
        let environment: HashMap<_, _> = std::env::vars_os().collect();
        let shared =
            Shared::new(id, run, presence, clock, environment, Arc::default(), queue.options()).unwrap();
        let shared = Arc::new(shared);
        let slots = (0..shared.slots().len()).map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || run_jobs(&shared, &shared.slots()[number]))
        });
        let slots = slots.collect();
        let coordinator = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || Coordinator::new(Box::new(store), &shared).serve())
        };
        Self { queue, remote, shared, worker: id, coordinator, slots }
    }

    fn wait_for_file(&self, name: &str) {
        wait_until(&format!("the file {name} is there"), || self.queue.path(name).exists());
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.queue.path(name), "").unwrap();
    }

    fn wait_for(&self, id: &str, state: State) {
        wait_until(&format!("job {id} is {state}"), || self.queue.job(id).state == state);
    }

    /// Waits until nothing runs any more.
    fn wait_until_idle(&self) {
        wait_until("nothing runs", || self.shared.is_idle());
    }

    fn lapse(&self) {
        let error = StoreError::LeaseLapsed { worker: self.worker, silent_s: 29 };
        self.shared.cannot_go_on(error.into());
    }

    /// Waits for the end.
    fn close(self) -> (Queue, Result<(), WorkerError>) {
        let served = self.coordinator.join().unwrap();
        self.shared.prefetched().close();
        self.slots.into_iter().for_each(|slot| slot.join().unwrap());
        (self.queue, served)
    }
}

fn outcomes(queue: &Queue, id: &str) -> Vec<Outcome> {
    let attempts = queue.store().attempts(queue.job(id).seq).unwrap();
    attempts.into_iter().filter_map(|attempt| attempt.outcome).collect()
}

/// A worker that runs `held`, with `next` ready behind it.
fn worker_that_runs() -> WorkerInThreads {
    let queue = Queue::new();
    queue.enqueue("held", HELD);
    queue.enqueue("next", "touch next-ran");
    let worker = WorkerInThreads::open(queue);
    worker.wait_for_file("running");
    worker
}

#[test]
fn while_no_answer_comes_jobs_run_on_and_results_are_kept() {
    let worker = worker_that_runs();
    worker.remote.set(Mood::Away);
    worker.touch("go");
    worker.wait_until_idle();
    let asked = worker.remote.felt();
    wait_until("it has asked again", || worker.remote.felt() >= asked + 3);
    assert!(worker.queue.path("finished").exists());
    assert_eq!(worker.queue.job("held").state, State::Processing, "the store could not be told");
    assert!(!worker.queue.path("next-ran").exists(), "and nothing is claimed");
    worker.remote.set(Mood::Well);
    worker.wait_for("held", State::Completed);
    worker.wait_for("next", State::Completed);
    worker.shared.stop(Stop::Graceful);
    let (queue, served) = worker.close();
    served.unwrap();
    assert_eq!(outcomes(&queue, "held"), [Outcome::Exit(0)], "the only result was kept");
}

#[test]
fn a_worker_whose_lease_has_run_out_ends_its_jobs_uncharged_and_says_so() {
    let worker = worker_that_runs();
    worker.lapse();
    let (queue, served) = worker.close();
    assert!(matches!(served, Err(WorkerError::Store(StoreError::LeaseLapsed { .. }))), "{served:?}");
    let job = queue.job("held");
    assert_eq!((job.state, job.attempts, job.crashes), (State::Pending, 0, 0));
    assert_eq!(outcomes(&queue, "held"), [Outcome::Interrupted]);
    assert!(!queue.path("next-ran").exists());
    assert_eq!(queue.store().workers().unwrap(), [], "it has ended well");
}

#[test]
fn what_ended_before_the_lease_ran_out_counts_if_the_queue_answers_in_time() {
    let worker = worker_that_runs();
    worker.remote.set(Mood::Away);
    worker.touch("go");
    worker.wait_until_idle();
    worker.lapse();
    let asked = worker.remote.felt();
    wait_until("it has tried to hand in", || worker.remote.felt() > asked + 1);
    worker.remote.set(Mood::Well);
    let (queue, served) = worker.close();
    assert!(matches!(served, Err(WorkerError::Store(StoreError::LeaseLapsed { .. }))), "{served:?}");
    assert_eq!(queue.job("held").state, State::Completed);
    assert_eq!(outcomes(&queue, "held"), [Outcome::Exit(0)]);
}

#[test]
fn a_worker_whose_queue_stays_away_gives_up_soon_when_it_is_to_stop() {
    let worker = worker_that_runs();
    worker.remote.set(Mood::Away);
    worker.lapse();
    worker.shared.stop(Stop::Graceful);
    let (queue, served) = worker.close();
    assert!(matches!(served, Err(WorkerError::Store(StoreError::LeaseLapsed { .. }))), "{served:?}");
    assert_eq!(queue.job("held").state, State::Processing, "others find it so");
    assert!(!queue.path("finished").exists() && !queue.path("next-ran").exists());
}

/// Has the coordinator wait for an answer, then something happen, and what runs end;
/// only then the answer comes.
fn while_the_desk_waits(what: impl FnOnce(&WorkerInThreads)) -> (Queue, Result<(), WorkerError>) {
    let worker = worker_that_runs();
    worker.remote.set(Mood::Silent);
    wait_until("the coordinator waits", || worker.remote.felt() > 0);
    what(&worker);
    worker.wait_until_idle();
    assert!(!worker.queue.path("finished").exists());
    assert!(!worker.coordinator.is_finished());
    worker.remote.set(Mood::Well);
    worker.close()
}

#[test]
fn a_lease_that_runs_out_ends_jobs_while_the_desk_waits_for_an_answer() {
    let (queue, served) = while_the_desk_waits(WorkerInThreads::lapse);
    assert!(matches!(served, Err(WorkerError::Store(StoreError::LeaseLapsed { .. }))), "{served:?}");
    assert_eq!(outcomes(&queue, "held"), [Outcome::Interrupted]);
}

#[test]
fn a_forced_stop_ends_jobs_while_the_desk_waits_for_an_answer() {
    let (queue, served) = while_the_desk_waits(|worker| worker.shared.stop(Stop::Forced));
    served.unwrap();
    assert_eq!(outcomes(&queue, "held"), [Outcome::Interrupted]);
    assert_eq!(queue.job("held").state, State::Pending);
}

#[test]
fn what_was_claimed_too_late_is_handed_back_unstarted() {
    for stop in [Stop::Graceful, Stop::Forced] {
        let worker = WorkerInThreads::open(Queue::new());
        worker.remote.set(Mood::SilentAboutJobs);
        worker.queue.enqueue("late", "touch late-ran");
        wait_until("it was claimed, and the coordinator does not know", || worker.remote.felt() > 0);
        worker.shared.stop(stop);
        worker.remote.set(Mood::Well);
        let (queue, served) = worker.close();
        served.unwrap();
        let job = queue.job("late");
        assert_eq!((job.state, job.attempts), (State::Pending, 0), "{stop:?}");
        assert!(!queue.path("late-ran").exists() && outcomes(&queue, "late").is_empty());
    }
}
