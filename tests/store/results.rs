//! What becomes of a job when an attempt ends.

use super::conformance::{NOTHING, Place, Queue, T0, at, ended, new_job};
use queuectl_core::{Event, Lease, NewJob, Outcome, Seq, State};
use queuectl_store::Exchange;
use std::time::Duration;

pub fn a_job_that_exits_with_0_is_completed(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, at(1)).last_lease();
    let exchanged = queue.end(worker.id, lease, Outcome::Exit(0), at(5));
    let (finished, effect) = exchanged.finished[0];
    assert_eq!((finished, effect.event, effect.state), (lease, Event::Succeeded, State::Completed));
    assert_eq!(exchanged.counts[State::Completed], 1);
    let job = queue.job("a");
    assert_eq!((job.state, job.attempts, job.worker), (State::Completed, 1, None));
    assert_eq!((job.exit_code, job.signal, job.last_error), (Some(0), None, None));
    assert_eq!((job.started_at, job.finished_at), (Some(at(4)), Some(at(5))));
}

pub fn a_failed_run_waits_as_long_as_the_policy_says(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let mut now = T0;
    for (attempts, wait) in [(1, 2), (2, 4), (3, 8)] {
        let lease = queue.claim_one(worker.id, now).last_lease();
        let exchanged = queue.end(worker.id, lease, Outcome::Exit(1), now);
        assert_eq!(exchanged.finished[0].1.delay(), Some(Duration::from_secs(wait)));
        let job = queue.job("a");
        now = now.after(Duration::from_secs(wait));
        assert_eq!((job.state, job.attempts, job.run_at), (State::Failed, attempts, Some(now)));
        assert_eq!(job.finished_at, None, "a job that runs again has not come to rest");
    }
}

pub fn every_kind_of_failure_is_retried(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register();
    let kinds = [
        (Outcome::Exit(127), Some(127), None),
        (Outcome::Exit(255), Some(255), None),
        (Outcome::Signal(9), None, Some(9)),
        (Outcome::Timeout, None, None),
        (Outcome::SpawnFailed, None, None),
        (Outcome::NoFolder, None, None),
    ];
    for (index, (outcome, exit_code, signal)) in kinds.into_iter().enumerate() {
        let name = format!("job-{index}");
        queue.enqueue(&[&name]);
        queue.run(worker.id, outcome, T0);
        let job = queue.job(&name);
        assert_eq!((job.state, job.exit_code, job.signal), (State::Failed, exit_code, signal), "{outcome}");
        assert_eq!(job.last_error, Some(format!("it ended with {outcome}")));
    }
}

pub fn a_job_is_dead_when_its_retries_are_used_up(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[NewJob { max_retries: 2, ..new_job("a") }], T0);
    let worker = queue.register();
    let states: Vec<State> = (0..3)
        .map(|run| {
            queue.run(worker.id, Outcome::Exit(1), at(run * 1000));
            queue.state("a")
        })
        .collect();
    assert_eq!(states, [State::Failed, State::Failed, State::Dead]);
    let job = queue.job("a");
    assert_eq!((job.attempts, job.run_at, job.finished_at), (3, None, Some(at(2000))));
    assert_eq!(queue.claim_ids(worker.id, 9, at(1_000_000)), [""; 0]);
}

pub fn a_job_without_retries_runs_once(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[NewJob { max_retries: 0, ..new_job("a") }], T0);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(1), T0);
    assert_eq!((queue.state("a"), queue.job("a").attempts), (State::Dead, 1));
}

pub fn an_interrupted_attempt_is_recorded_and_given_back(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    queue.end(worker.id, lease, Outcome::Interrupted, at(1));
    let job = queue.job("a");
    assert_eq!((job.state, job.attempts, job.crashes), (State::Pending, 0, 0));
    let attempts = queue.store.attempts(job.seq).unwrap();
    assert_eq!(
        attempts.iter().map(|attempt| attempt.outcome).collect::<Vec<_>>(),
        [Some(Outcome::Interrupted)]
    );
    assert_eq!(queue.claim_ids(worker.id, 9, at(1)), ["a", "b"], "it has its old position");
}

/// A job whose first lease has been superseded by another worker's, and that lease.
fn superseded(queue: &mut Queue) -> (queuectl_store::Registration, queuectl_store::Registration, Lease) {
    queue.enqueue(&["a"]);
    let (slow, quick) = (queue.register(), queue.register());
    let late = queue.claim_one(slow.id, T0).last_lease();
    queue.store.rescue(slow.id, &[late], &super::conformance::POLICY, at(1)).unwrap();
    queue.claim_one(quick.id, at(2));
    (slow, quick, late)
}

pub fn the_late_result_of_a_superseded_lease_is_discarded(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (slow, quick, late) = superseded(&mut queue);
    let before = queue.job("a");
    for outcome in [Outcome::Exit(0), Outcome::Exit(1), Outcome::Cancelled, Outcome::Interrupted] {
        let exchanged = queue.end(slow.id, late, outcome, at(3));
        assert_eq!((exchanged.superseded, exchanged.finished), (vec![late], Vec::new()));
        assert_eq!(queue.job("a"), before, "{outcome}");
    }
    // The one who holds it now is not disturbed, and its result counts.
    let exchanged = queue.end(quick.id, before.last_lease(), Outcome::Exit(7), at(4));
    assert_eq!((exchanged.superseded.len(), exchanged.finished.len()), (0, 1));
    assert_eq!(queue.job("a").exit_code, Some(7));
    // And when nobody holds it any more the late one still does not.
    assert_eq!(queue.end(slow.id, late, Outcome::Exit(0), at(5)).superseded, [late]);
    assert_eq!(queue.state("a"), State::Failed);
    let outcomes: Vec<_> = queue.store.attempts(before.seq).unwrap().iter().map(|a| a.outcome).collect();
    assert_eq!(outcomes, [Some(Outcome::WorkerLost), Some(Outcome::Exit(7))]);
}

pub fn the_result_of_a_lease_another_worker_holds_is_discarded(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let (holder, stranger) = (queue.register(), queue.register());
    let lease = queue.claim_one(holder.id, T0).last_lease();
    for lease in [lease, Lease { number: lease.number + 1, ..lease }, Lease { seq: Seq(999), number: 1 }] {
        assert_eq!(queue.end(stranger.id, lease, Outcome::Exit(0), T0).superseded, [lease]);
    }
    assert_eq!(queue.state("a"), State::Processing);
}

pub fn a_result_that_is_handed_in_twice_is_recorded_once(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.run(worker.id, Outcome::Exit(0), at(1));
    let before = queue.job("a");
    let exchanged = queue.end(worker.id, lease, Outcome::Exit(1), at(2));
    assert_eq!(exchanged.superseded, [lease]);
    assert_eq!(queue.job("a"), before);
    assert_eq!(queue.store.attempts(lease.seq).unwrap().len(), 1);
    assert_eq!(queue.store.worker(worker.id).unwrap().unwrap().jobs_done, 1);
}

pub fn a_late_hand_back_is_discarded(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (slow, _quick, late) = superseded(&mut queue);
    let before = queue.job("a");
    assert_eq!(queue.hand_back(slow.id, late, at(3)).superseded, [late]);
    assert_eq!(queue.job("a"), before);
}

pub fn there_is_one_record_of_each_attempt(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let outcomes = [Outcome::Exit(3), Outcome::Signal(15), Outcome::Exit(0)];
    for (run, outcome) in outcomes.into_iter().enumerate() {
        let lease = queue.claim_one(worker.id, at(run as u64 * 100)).last_lease();
        let end = queuectl_store::Ended {
            output_bytes: 10,
            dropped_bytes: 4,
            ..ended(lease, outcome, at(run as u64 * 100 + 5))
        };
        queue.exchange(worker.id, &Exchange { ended: &[end], ..NOTHING }, at(run as u64 * 100 + 6));
    }
    let seq = queue.job("a").seq;
    let attempts = queue.store.attempts(seq).unwrap();
    assert_eq!(attempts.len(), 3);
    for (run, attempt) in attempts.iter().enumerate() {
        assert_eq!(attempt.lease, Lease { seq, number: run as i64 + 1 });
        assert_eq!(attempt.outcome, Some(outcomes[run]));
        assert_eq!((attempt.worker, attempt.host.as_str()), (worker.id, "here"));
        let (started, ended) = (at(run as u64 * 100 + 4), at(run as u64 * 100 + 5));
        assert_eq!((attempt.started_at, attempt.ended_at), (started, Some(ended)));
        assert_eq!((attempt.output_bytes, attempt.dropped_bytes), (10, 4));
        assert_eq!(attempt.error.is_some(), run < 2);
    }
}

pub fn a_claim_that_never_started_leaves_no_record(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    queue.hand_back(worker.id, lease, T0);
    assert_eq!(queue.store.attempts(lease.seq).unwrap(), []);
    assert_eq!(queue.store.worker(worker.id).unwrap().unwrap().jobs_done, 0);
}

pub fn results_and_claims_share_an_exchange(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b", "c", "d"]);
    let worker = queue.register();
    let held: Vec<Lease> = queue.claim(worker.id, 3, T0).iter().map(queuectl_core::Job::last_lease).collect();
    let exchange = Exchange {
        ended: &[ended(held[0], Outcome::Exit(0), at(1)), ended(held[1], Outcome::Exit(1), at(1))],
        unstarted: &held[2..],
        want: 2,
        ..NOTHING
    };
    let exchanged = queue.exchange(worker.id, &exchange, at(1));
    assert_eq!(
        exchanged.finished.iter().map(|(_, v)| v.state).collect::<Vec<_>>(),
        [State::Completed, State::Failed]
    );
    // What was handed back in it can be claimed in it.
    assert_eq!(super::conformance::ids(&exchanged.claimed), ["c", "d"]);
    let counts = queue.store.counts().unwrap();
    assert_eq!(exchanged.counts, counts);
    let expected = [(State::Processing, 2), (State::Completed, 1), (State::Failed, 1), (State::Pending, 0)];
    assert!(expected.iter().all(|&(state, count)| counts[state] == count), "{counts:?}");
}

pub fn one_bad_lease_does_not_spoil_the_others(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 2, T0);
    let unknown = Lease { seq: Seq(99), number: 1 };
    let exchange = Exchange {
        ended: &[ended(unknown, Outcome::Exit(0), T0), ended(claimed[0].last_lease(), Outcome::Exit(0), T0)],
        unstarted: &[unknown, claimed[1].last_lease()],
        ..NOTHING
    };
    let exchanged = queue.exchange(worker.id, &exchange, T0);
    assert_eq!((exchanged.superseded, exchanged.finished.len()), (vec![unknown], 1));
    assert_eq!((queue.state("a"), queue.state("b")), (State::Completed, State::Pending));
}
