//! Jobs that a person holds, and releases.

use super::conformance::{NOTHING, Place, Queue, T0, at, id, new_job};
use queuectl_core::{Blocker, NewJob, State};
use queuectl_store::{Cancelled, StoreError};
use std::time::Duration;

fn held(name: &str) -> NewJob {
    NewJob { hold: true, ..new_job(name) }
}

pub fn a_held_job_is_pending_and_never_claimed(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[held("a"), NewJob { priority: 9, ..held("b") }, new_job("c")], T0);
    let worker = queue.register();
    for now in [T0, at(8), at(1_000_000)] {
        assert_eq!(queue.claim_ids(worker.id, 9, now), if now == T0 { vec!["c"] } else { vec![] });
    }
    let job = queue.job("a");
    assert_eq!((job.state, job.blocked_by, job.run_at), (State::Pending, Some(Blocker::Hold), None));
    let counts = queue.store.counts().unwrap();
    assert_eq!((counts[State::Pending], counts.blocked), (2, 2));
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn a_released_job_joins_the_end(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[held("a"), new_job("b")], T0);
    queue.store.release(&id("a"), at(1)).unwrap();
    let job = queue.job("a");
    assert_eq!((job.state, job.blocked_by, job.updated_at), (State::Pending, None, at(1)));
    assert_eq!(queue.store.counts().unwrap().blocked, 0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 9, at(1)), ["b", "a"]);
}

pub fn a_released_job_that_has_a_time_waits_for_it(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[NewJob { delay: Duration::from_mins(1), ..held("a") }], T0);
    assert_eq!((queue.job("a").run_at, queue.job("a").blocked_by), (Some(at(60)), Some(Blocker::Hold)));
    assert_eq!(queue.scheduled(9), 0, "it waits for no time alone");
    queue.store.release(&id("a"), at(10)).unwrap();
    assert_eq!((queue.job("a").run_at, queue.job("a").blocked_by), (Some(at(60)), None));
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 9, at(59)), [""; 0]);
    assert_eq!(queue.claim_ids(worker.id, 9, at(60)), ["a"]);
}

pub fn a_released_job_whose_time_has_passed_can_be_claimed_at_once(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[NewJob { delay: Duration::from_mins(1), ..held("a") }], T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 9, at(90)), [""; 0]);
    queue.store.release(&id("a"), at(90)).unwrap();
    assert_eq!(queue.claim_ids(worker.id, 9, at(90)), ["a"]);
    assert_eq!(queue.job("a").run_at, None);
}

pub fn what_is_not_held_cannot_be_released(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let unknown = queue.store.release(&id("a"), T0);
    assert!(matches!(unknown, Err(StoreError::NoSuchJob { .. })), "{unknown:?}");
    queue.accept(&[new_job("a"), held("b")], T0);
    queue.store.release(&id("b"), T0).unwrap();
    let worker = queue.register();
    for _ in 0..2 {
        for name in ["a", "b"] {
            let before = queue.job(name);
            let refused = queue.store.release(&id(name), at(1));
            assert!(matches!(refused, Err(StoreError::NotHeld { .. })), "{refused:?}");
            assert_eq!(queue.job(name), before);
        }
        queue.claim(worker.id, 9, at(2));
    }
}

pub fn a_held_job_can_be_cancelled(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[held("a"), NewJob { delay: Duration::from_mins(1), ..held("b") }], T0);
    for name in ["a", "b"] {
        assert_eq!(queue.store.cancel(&id(name), at(1)).unwrap(), Cancelled::Done);
        let job = queue.job(name);
        assert_eq!((job.state, job.blocked_by, job.run_at), (State::Cancelled, None, None));
    }
    let counts = queue.store.counts().unwrap();
    assert_eq!((counts[State::Cancelled], counts[State::Pending], counts.blocked), (2, 0, 0));
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn a_release_rings_every_worker(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[held("a")], T0);
    let mut worker = queue.register();
    worker.doorbell.wait(Duration::ZERO);
    queue.store.release(&id("a"), T0).unwrap();
    assert!(worker.doorbell.wait(Duration::from_mins(1)), "it rings");
}

pub fn held_jobs_keep_no_worker_from_draining(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[held("a"), new_job("b")], T0);
    let worker = queue.register();
    assert_eq!(queue.exchange(worker.id, &NOTHING, T0).counts.unfinished(), 1);
    queue.run(worker.id, queuectl_core::Outcome::Exit(0), T0);
    assert_eq!(queue.exchange(worker.id, &NOTHING, T0).counts.unfinished(), 0);
}
