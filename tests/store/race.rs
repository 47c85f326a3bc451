//! Several connections at once.

use super::conformance::{NOTHING, Place, Queue, T0, at, ended, id, new_job};
use queuectl_core::{NewJob, Outcome, State};
use queuectl_store::{Exchange, OnTaken};
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
