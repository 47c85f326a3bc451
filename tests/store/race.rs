//! Several connections at once.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, ended, id, new_job, new_worker};
use crate::support::{DEADLINE, wait_until};
use queuectl_core::{NewJob, Outcome, State};
use queuectl_store::{Exchange, Move, MoveId, OnTaken, StoreError};
use std::thread;

pub fn each_of_500_jobs_is_claimed_once_by_four_threads(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs: Vec<NewJob> = (0..500).map(|number| new_job(&format!("job-{number}"))).collect();
    queue.accept(&jobs, T0);
    let mut claimed: Vec<(i64, i64)> = thread::scope(|scope| {
        let threads: Vec<_> =
            (1..=4).map(|want| scope.spawn(move || work_until_empty(place, want))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    claimed.sort_unstable();
    let expected: Vec<(i64, i64)> = queue.all().iter().map(|job| (job.seq.0, 1)).collect();
    assert_eq!(claimed, expected, "each job once, under its first lease");
    assert_eq!(queue.store.counts().unwrap()[State::Completed], 500);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

/// Works until nothing is left to claim; gives what it claimed.
fn work_until_empty(place: &dyn Place, want: u32) -> Vec<(i64, i64)> {
    let mut queue = Queue::open(place);
    let worker = queue.register();
    let (mut claimed, mut ends) = (Vec::new(), Vec::new());
    loop {
        let exchange = Exchange { ended: &ends, want, ..NOTHING };
        let exchanged = queue.exchange(worker.id, &exchange, at(1));
        assert_eq!(exchanged.superseded, []);
        if exchanged.claimed.is_empty() {
            return claimed;
        }
        claimed.extend(exchanged.claimed.iter().map(|job| (job.seq.0, job.lease)));
        ends = exchanged.claimed.iter().map(|job| ended(job.last_lease(), Outcome::Exit(0), at(1))).collect();
    }
}

pub fn threads_that_enqueue_the_same_ids_add_each_once(place: &dyn Place) {
    let added: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let mut queue = Queue::open(place);
                    let add = |number| {
                        let job = [new_job(&format!("job-{number}"))];
                        queue.store.enqueue(&job, OnTaken::Skip, T0).unwrap().added
                    };
                    (0..50).map(add).sum::<u64>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(added, 50);
    let mut queue = Queue::open(place);
    assert_eq!(queue.store.counts().unwrap()[State::Pending], 50);
    assert!(queue.store.job(&id("job-49")).unwrap().is_some());
}

pub fn nothing_is_accepted_or_claimed_after_the_mark_of_a_move(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let moved = Move { id: MoveId::random(), place: "the other place".into() };
    let (jobs, claims) = thread::scope(|scope| {
        for name in ["a", "b"] {
            scope.spawn(move || enqueue_until_refused(place, name));
            scope.spawn(move || work_until_stopped(place));
        }
        wait_until(DEADLINE, "they are at it", || queue.store.counts().unwrap()[State::Completed] > 10);
        queue.store.leave(&moved).unwrap();
        accepted_and_claimed(&mut queue)
    });
    assert_eq!(accepted_and_claimed(&mut queue), (jobs, claims));
    assert_eq!(queue.store.counts().unwrap()[State::Processing], 0, "what ran was handed in");
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

/// How many jobs there are, and how often one was claimed.
fn accepted_and_claimed(queue: &mut Queue) -> (usize, i64) {
    let jobs = queue.all();
    (jobs.len(), jobs.iter().map(|job| job.lease).sum())
}

fn enqueue_until_refused(place: &dyn Place, name: &str) {
    let mut queue = Queue::open(place);
    for number in 0.. {
        match queue.store.enqueue(&[new_job(&format!("{name}-{number}"))], OnTaken::Refuse, T0) {
            Ok(_) => {}
            Err(StoreError::Moved { .. }) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn work_until_stopped(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = match queue.store.register(&new_worker(), T0) {
        Err(StoreError::Moved { .. }) => return,
        registered => registered.unwrap(),
    };
    let mut ends = Vec::new();
    loop {
        let exchange = Exchange { ended: &ends, want: 2, ..NOTHING };
        let exchanged = queue.exchange(worker.id, &exchange, at(1));
        if exchanged.stop.is_some() {
            assert!(exchanged.claimed.is_empty(), "a claim comes with the request to stop");
            queue.store.retire(worker.id, &POLICY, at(1)).unwrap();
            return;
        }
        ends = exchanged.claimed.iter().map(|job| ended(job.last_lease(), Outcome::Exit(0), at(1))).collect();
    }
}
