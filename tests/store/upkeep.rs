//! What people do to jobs.

use super::conformance::{NOTHING, Place, Queue, T0, at, id, ids, new_job};
use queuectl_core::{Job, NewJob, Outcome, State, Stream};
use queuectl_store::{Cancelled, Exchange, OutputPart, StoreError};
use std::time::Duration;

/// Brings jobs of these names to death at `T0`.
fn bury(queue: &mut Queue, names: &[&str]) {
    let jobs: Vec<NewJob> = names.iter().map(|name| NewJob { max_retries: 0, ..new_job(name) }).collect();
    queue.accept(&jobs, T0);
    let worker = queue.register();
    for job in queue.claim(worker.id, names.len() as u32, T0) {
        queue.end(worker.id, job.last_lease(), Outcome::Exit(1), T0);
    }
    for name in names {
        assert_eq!(queue.state(name), State::Dead);
    }
}

pub fn a_job_that_is_not_claimed_is_cancelled_at_once(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let later = NewJob { delay: Duration::from_secs(9), ..new_job("delayed") };
    queue.accept(&[new_job("failed"), new_job("ready"), later], T0);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(1), T0);
    for name in ["failed", "ready", "delayed"] {
        assert_eq!(queue.store.cancel(&id(name), at(3)).unwrap(), Cancelled::Done, "{name}");
        let job = queue.job(name);
        assert_eq!((job.state, job.finished_at, job.run_at), (State::Cancelled, Some(at(3)), None));
    }
    assert_eq!(queue.claim_ids(worker.id, 9, at(100_000)), [""; 0]);
    assert_eq!(queue.store.counts().unwrap()[State::Cancelled], 3);
}

/// A job that runs and is to be cancelled.
fn asked_to_end(queue: &mut Queue) -> (queuectl_store::Registration, Job) {
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let job = queue.claim_one(worker.id, T0);
    let lease = job.last_lease();
    for _ in 0..2 {
        let cancelled = queue.store.cancel(&id("a"), at(1)).unwrap();
        assert_eq!(cancelled, Cancelled::Requested { lease, worker: worker.id });
    }
    (worker, job)
}

pub fn a_running_job_is_asked_to_end(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (worker, job) = asked_to_end(&mut queue);
    assert!(queue.job("a").cancel_requested);
    assert_eq!(queue.state("a"), State::Processing);
    let other = queue.register();
    assert_eq!(queue.exchange(worker.id, &NOTHING, at(2)).cancel, [job.last_lease()]);
    assert_eq!(queue.exchange(other.id, &NOTHING, at(2)).cancel, []);
    queue.end(worker.id, job.last_lease(), Outcome::Cancelled, at(3));
    let ended = queue.job("a");
    assert_eq!(
        (ended.state, ended.cancel_requested, ended.finished_at),
        (State::Cancelled, false, Some(at(3)))
    );
    assert_eq!(queue.exchange(worker.id, &NOTHING, at(4)).cancel, []);
    assert_eq!(queue.store.attempts(job.seq).unwrap()[0].outcome, Some(Outcome::Cancelled));
}

pub fn a_job_to_be_cancelled_that_fails_is_cancelled(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (worker, job) = asked_to_end(&mut queue);
    queue.end(worker.id, job.last_lease(), Outcome::Exit(1), at(2));
    assert_eq!((queue.state("a"), queue.job("a").run_at), (State::Cancelled, None));
}

pub fn a_job_to_be_cancelled_that_succeeds_is_completed(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (worker, job) = asked_to_end(&mut queue);
    queue.end(worker.id, job.last_lease(), Outcome::Exit(0), at(2));
    assert_eq!((queue.state("a"), queue.job("a").cancel_requested), (State::Completed, false));
}

pub fn a_job_to_be_cancelled_that_is_handed_back_is_cancelled(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (worker, job) = asked_to_end(&mut queue);
    queue.hand_back(worker.id, job.last_lease(), at(2));
    assert_eq!((queue.state("a"), queue.job("a").finished_at), (State::Cancelled, Some(at(2))));
}

pub fn a_job_that_has_come_to_rest_cannot_be_cancelled(place: &dyn Place) {
    let mut queue = Queue::open(place);
    bury(&mut queue, &["dead"]);
    queue.enqueue(&["completed", "cancelled"]);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(0), T0);
    queue.store.cancel(&id("cancelled"), T0).unwrap();
    for name in ["dead", "completed", "cancelled"] {
        let before = queue.job(name);
        let error = queue.store.cancel(&id(name), at(5)).unwrap_err();
        assert!(
            matches!(&error, StoreError::Refused { id: named, .. } if named.as_str() == name),
            "{error:?}"
        );
        assert_eq!(queue.job(name), before);
    }
}

pub fn an_unknown_job_cannot_be_cancelled_or_retried(place: &dyn Place) {
    let mut queue = Queue::open(place);
    for error in [
        queue.store.cancel(&id("ghost"), T0).unwrap_err(),
        queue.store.retry_dead(&id("ghost"), T0).unwrap_err(),
        queue.store.hurry(&id("ghost"), T0).unwrap_err(),
        queue.store.delete(&id("ghost"), &[State::Dead]).unwrap_err(),
    ] {
        assert!(matches!(&error, StoreError::NoSuchJob { id: named } if *named == id("ghost")), "{error:?}");
    }
}

pub fn a_failed_job_can_be_hurried(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(1), T0);
    assert_eq!(queue.claim_ids(worker.id, 9, at(1)), [""; 0], "it waits for its retry");
    // Twice is as good as once.
    for _ in 0..2 {
        queue.store.hurry(&id("a"), at(1)).unwrap();
        let job = queue.job("a");
        assert_eq!((job.state, job.attempts, job.run_at), (State::Failed, 1, Some(at(1))));
        assert_eq!(job.updated_at, at(1));
    }
    assert_eq!(queue.claim_ids(worker.id, 9, at(1)), ["a"]);
    assert_eq!(queue.job("a").attempts, 2, "what came before stays charged");
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn one_job_is_deleted_only_in_the_states_that_are_meant(place: &dyn Place) {
    let mut queue = Queue::open(place);
    bury(&mut queue, &["dead"]);
    queue.enqueue(&["completed", "waits"]);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(0), T0);
    let error = queue.store.delete(&id("dead"), &[State::Completed]).unwrap_err();
    assert!(matches!(&error, StoreError::OtherState { state: State::Dead, .. }), "{error:?}");
    let finished = [State::Completed, State::Dead, State::Cancelled];
    let error = queue.store.delete(&id("waits"), &finished).unwrap_err();
    assert!(matches!(&error, StoreError::OtherState { state: State::Pending, .. }), "{error:?}");
    let error = queue.store.delete(&id("waits"), &[State::Pending]).unwrap_err();
    assert!(matches!(&error, StoreError::NotFinished { state: State::Pending }), "{error:?}");
    assert_eq!(queue.all().len(), 3);
    let seq = queue.job("completed").seq;
    for name in ["dead", "completed"] {
        queue.store.delete(&id(name), &finished).unwrap();
        assert_eq!(queue.store.job(&id(name)).unwrap(), None);
        // Its name is free again.
        queue.enqueue(&[name]);
    }
    assert_eq!(queue.store.attempts(seq).unwrap(), []);
    assert_eq!(queue.store.counts().unwrap()[State::Pending], 3);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn cancel_rings_the_worker(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let mut worker = queue.register();
    queue.claim_one(worker.id, T0);
    queue.store.cancel(&id("a"), at(1)).unwrap();
    assert!(worker.doorbell.wait(Duration::from_mins(1)));
}

pub fn a_retry_resets_attempts_and_keeps_max_retries(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[NewJob { max_retries: 1, ..new_job("a") }], T0);
    let worker = queue.register();
    for run in 0..2 {
        queue.run(worker.id, Outcome::Exit(1), at(run * 1000));
    }
    assert_eq!(queue.state("a"), State::Dead);
    queue.store.retry_dead(&id("a"), at(5000)).unwrap();
    let job = queue.job("a");
    assert_eq!((job.state, job.attempts, job.max_retries), (State::Pending, 0, 1));
    assert_eq!((job.finished_at, job.run_at), (None, None));
    // All of its budget is there again.
    queue.run(worker.id, Outcome::Exit(1), at(5000));
    assert_eq!(queue.state("a"), State::Failed);
    assert_eq!(queue.store.attempts(job.seq).unwrap().len(), 3, "the record of what happened stays");
}

pub fn only_dead_jobs_can_be_retried(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["completed", "processing", "pending"]);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(0), T0);
    queue.claim_one(worker.id, T0);
    for name in ["completed", "processing", "pending"] {
        let before = queue.job(name);
        let error = queue.store.retry_dead(&id(name), at(5)).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
        assert_eq!(queue.job(name), before);
    }
}

pub fn a_retried_job_becomes_ready_behind_all_others(place: &dyn Place) {
    let mut queue = Queue::open(place);
    bury(&mut queue, &["a"]);
    queue.enqueue(&["b"]);
    queue.store.retry_dead(&id("a"), at(1)).unwrap();
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 9, at(1)), ["b", "a"]);
}

pub fn prune_respects_state_age_and_limit(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b", "c", "d"]);
    let worker = queue.register();
    for minute in 0..4 {
        queue.run(worker.id, Outcome::Exit(0), at(minute * 60));
    }
    queue.enqueue(&["cancelled", "pending"]);
    queue.store.cancel(&id("cancelled"), at(0)).unwrap();
    let before_c = at(2 * 60);
    assert_eq!(queue.prune(&[State::Dead], at(1_000_000), 100).unwrap(), 0);
    assert_eq!(queue.prune(&[State::Completed], before_c, 0).unwrap(), 0);
    assert_eq!(queue.prune(&[State::Completed], before_c, 1).unwrap(), 1);
    assert_eq!(ids(&queue.all()), ["b", "c", "d", "cancelled", "pending"], "the oldest goes first");
    assert_eq!(queue.prune(&[State::Completed], before_c, 100).unwrap(), 1);
    assert_eq!(ids(&queue.all()), ["c", "d", "cancelled", "pending"], "what ended at that time stays");
    let finished = [State::Completed, State::Dead, State::Cancelled];
    assert_eq!(queue.prune(&finished, at(1_000_000), 2).unwrap(), 2, "the limit is for all states together");
    assert_eq!(queue.prune(&finished, at(1_000_000), 100).unwrap(), 1);
    assert_eq!(ids(&queue.all()), ["pending"]);
    assert_eq!(queue.store.counts().unwrap().total(), 1);
}

pub fn prune_deletes_attempts_and_output(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    let worker = queue.register();
    let mut leases = Vec::new();
    for code in [0, 1] {
        let lease = queue.claim_one(worker.id, T0).last_lease();
        let bytes = b"words".to_vec();
        let part = OutputPart { lease, started_at: T0, n: 0, stream: Stream::Stdout, at: T0, bytes };
        queue.exchange(worker.id, &Exchange { output: &[part], ..NOTHING }, T0);
        queue.end(worker.id, lease, Outcome::Exit(code), T0);
        leases.push(lease);
    }
    assert_eq!(queue.prune(&[State::Completed], at(1), 9).unwrap(), 1);
    let left = leases.iter().map(|&lease| {
        (queue.store.attempts(lease.seq).unwrap().len(), queue.store.output(lease, 0, 9).unwrap().len())
    });
    assert_eq!(left.collect::<Vec<_>>(), [(0, 0), (1, 1)]);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn prune_refuses_jobs_that_have_not_come_to_rest(place: &dyn Place) {
    let mut queue = Queue::open(place);
    bury(&mut queue, &["dead"]);
    queue.enqueue(&["a"]);
    for state in [State::Pending, State::Processing, State::Failed] {
        let error = queue.prune(&[State::Dead, state], at(1_000_000), 100).unwrap_err();
        assert!(matches!(error, StoreError::NotFinished { state: named } if named == state), "{error:?}");
    }
    assert_eq!(ids(&queue.all()), ["dead", "a"], "a refusal deletes nothing of the other states either");
}

pub fn check_finds_nothing_in_a_sound_queue(place: &dyn Place) {
    let mut queue = Queue::open(place);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
    bury(&mut queue, &["a", "b"]);
    queue.enqueue(&["c"]);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn check_finds_counts_that_are_wrong(place: &dyn Place) {
    let mut queue = Queue::open(place);
    bury(&mut queue, &["a", "b"]);
    place.falsify_the_counts();
    let problems = queue.store.check().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let found = &problems[0];
    assert_eq!(found, "2 dead jobs are there in the queue default and 3 are counted");
}
