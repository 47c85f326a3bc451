//! What becomes of the jobs of a worker that died.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, id, ids, new_job};
use queuectl_core::{Lease, NewJob, Outcome, State, Stream};
use queuectl_store::{Exchange, OutputPart, Suspects};

/// Lets a worker die with the first job that is ready, `times` times.
fn crash(queue: &mut Queue, times: u32) {
    for _ in 0..times {
        let worker = queue.register();
        let lease = queue.claim_one(worker.id, T0).last_lease();
        queue.store.rescue(worker.id, &[lease], &POLICY, T0).unwrap();
    }
}

pub fn rescue_gives_back_what_a_dead_worker_held(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b", "c"]);
    let (dead, other) = (queue.register(), queue.register());
    let held: Vec<Lease> = queue.claim(dead.id, 2, T0).iter().map(queuectl_core::Job::last_lease).collect();
    queue.claim(other.id, 1, T0);
    assert_eq!(queue.store.claims(dead.id).unwrap(), held);
    let rescued = queue.store.rescue(dead.id, &held[..1], &POLICY, at(1)).unwrap();
    let effects: Vec<(Lease, State)> =
        rescued.jobs.iter().map(|&(lease, effect)| (lease, effect.state)).collect();
    assert_eq!(effects, [(held[0], State::Pending), (held[1], State::Pending)]);
    assert_eq!(queue.store.claims(dead.id).unwrap(), []);
    assert_eq!(queue.state("c"), State::Processing, "what another worker holds is not touched");
    assert_eq!(queue.store.rescue(dead.id, &held, &POLICY, at(2)).unwrap().jobs, []);
}

pub fn rescue_counts_a_crash_only_for_what_was_started(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    let worker = queue.register();
    let started = queue.claim(worker.id, 2, T0)[0].last_lease();
    queue.store.rescue(worker.id, &[started], &POLICY, at(1)).unwrap();
    assert_eq!((queue.job("a").crashes, queue.job("b").crashes), (1, 0));
    let records = ["a", "b"].map(|name| {
        let seq = queue.job(name).seq;
        queue.store.attempts(seq).unwrap().len()
    });
    assert_eq!(records, [1, 0]);
}

pub fn a_lost_attempt_begins_after_the_one_before_it(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    // The second claim looked at the clock, and then had to wait for another transaction.
    for (claimed, rescued) in [(0, 5), (3, 9)] {
        let worker = queue.register();
        let lease = queue.claim_one(worker.id, at(claimed)).last_lease();
        queue.store.rescue(worker.id, &[lease], &POLICY, at(rescued)).unwrap();
    }
    let seq = queue.job("a").seq;
    let spans = queue.store.attempts(seq).unwrap();
    let spans: Vec<_> = spans.iter().map(|attempt| (attempt.started_at, attempt.ended_at)).collect();
    assert_eq!(spans, [(at(0), Some(at(5))), (at(5), Some(at(9)))]);
}

pub fn rescue_is_free_of_charge(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[NewJob { max_retries: 0, ..new_job("a") }], T0);
    crash(&mut queue, 3);
    let job = queue.job("a");
    assert_eq!((job.state, job.attempts, job.crashes, job.run_at), (State::Pending, 0, 3, None));
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(0), at(1));
    assert_eq!(queue.state("a"), State::Completed);
}

pub fn a_rescued_job_returns_to_its_old_position(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    crash(&mut queue, 1);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 9, at(1)), ["a", "b"]);
}

pub fn a_job_that_crashes_too_often_is_dead(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    crash(&mut queue, 5);
    assert_eq!((queue.state("a"), queue.job("a").crashes), (State::Pending, 5));
    crash(&mut queue, 1);
    let job = queue.job("a");
    assert_eq!((job.state, job.crashes), (State::Dead, 6));
    assert_eq!((job.last_error.as_deref(), job.finished_at), (Some("its worker died"), Some(T0)));
    assert_eq!(queue.store.attempts(job.seq).unwrap().len(), 6);
}

pub fn a_job_to_be_cancelled_is_cancelled_when_its_worker_dies(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    let worker = queue.register();
    let started = queue.claim(worker.id, 2, T0)[0].last_lease();
    for name in ["a", "b"] {
        queue.store.cancel(&id(name), at(1)).unwrap();
    }
    queue.store.rescue(worker.id, &[started], &POLICY, at(2)).unwrap();
    assert_eq!((queue.state("a"), queue.state("b")), (State::Cancelled, State::Cancelled));
}

pub fn rescue_records_the_lost_attempt_and_keeps_its_output(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, T0).last_lease();
    let part = OutputPart {
        lease,
        started_at: at(1),
        n: 0,
        stream: Stream::Stdout,
        at: at(1),
        bytes: b"last words".to_vec(),
    };
    queue.exchange(worker.id, &Exchange { output: &[part], ..NOTHING }, at(1));
    queue.store.rescue(worker.id, &[lease], &POLICY, at(5)).unwrap();
    let attempts = queue.store.attempts(lease.seq).unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].outcome, attempts[0].worker), (Some(Outcome::WorkerLost), worker.id));
    assert_eq!((attempts[0].started_at, attempts[0].ended_at), (at(1), Some(at(5))));
    assert_eq!(attempts[0].output_bytes, 10);
    assert_eq!(queue.store.output(lease, 0, 9).unwrap()[0].bytes, b"last words");
}

pub fn rescue_takes_the_worker_off_the_roster(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (dead, other) = (queue.register(), queue.register());
    queue.store.rescue(dead.id, &[], &POLICY, at(7)).unwrap();
    assert_eq!(queue.exchange(other.id, &NOTHING, at(8)).roster, [other.id]);
    assert_eq!(queue.store.worker(dead.id).unwrap().unwrap().ended_at, Some(at(7)));
    // Once more does no harm.
    queue.store.rescue(dead.id, &[], &POLICY, at(9)).unwrap();
    assert_eq!(queue.store.worker(dead.id).unwrap().unwrap().ended_at, Some(at(7)));
}

pub fn rescue_ignores_notes_about_claims_that_are_over(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    let worker = queue.register();
    let over = queue.run(worker.id, Outcome::Exit(0), T0);
    let held = queue.claim_one(worker.id, T0).last_lease();
    let foreign = Lease { number: held.number + 1, ..held };
    let rescued = queue.store.rescue(worker.id, &[over, foreign], &POLICY, at(1)).unwrap();
    assert_eq!(rescued.jobs.iter().map(|&(lease, _)| lease).collect::<Vec<_>>(), [held]);
    assert_eq!((queue.state("a"), queue.job("b").crashes), (State::Completed, 0));
}

/// Three suspects and three others, in turn.
fn suspects_among_others(queue: &mut Queue) {
    for number in 0..3 {
        queue.enqueue(&[&format!("suspect-{number}")]);
    }
    let mut held = Vec::new();
    for _ in 0..2 {
        // All three die with one worker, as far as notes tell.
        let worker = queue.register();
        for _ in 0..3 {
            let exchange = Exchange { want: 3, ..NOTHING };
            held.extend(
                queue.exchange(worker.id, &exchange, T0).claimed.iter().map(queuectl_core::Job::last_lease),
            );
        }
        queue.store.rescue(worker.id, &held, &POLICY, T0).unwrap();
    }
    for number in 0..3 {
        assert_eq!(queue.job(&format!("suspect-{number}")).crashes, 2);
    }
    queue.enqueue(&["x", "y", "z"]);
}

pub fn at_most_one_suspect_is_claimed_at_a_time(place: &dyn Place) {
    let mut queue = Queue::open(place);
    suspects_among_others(&mut queue);
    let worker = queue.register();
    let mut claimed = queue.claim_ids(worker.id, 3, T0);
    claimed.sort();
    assert_eq!(claimed, ["suspect-0", "x", "y"], "as many as wanted, one suspect among them");
}

pub fn no_suspect_is_claimed_where_one_runs(place: &dyn Place) {
    let mut queue = Queue::open(place);
    suspects_among_others(&mut queue);
    let worker = queue.register();
    let exchange = Exchange { want: 9, suspects: Suspects::No, ..NOTHING };
    assert_eq!(ids(&queue.exchange(worker.id, &exchange, T0).claimed), ["x", "y", "z"]);
    assert_eq!(ids(&queue.exchange(worker.id, &exchange, T0).claimed), [""; 0]);
}

pub fn a_suspect_that_is_passed_over_keeps_its_position(place: &dyn Place) {
    let mut queue = Queue::open(place);
    suspects_among_others(&mut queue);
    let worker = queue.register();
    queue.exchange(worker.id, &Exchange { want: 1, suspects: Suspects::No, ..NOTHING }, T0);
    queue.enqueue(&["last"]);
    assert_eq!(queue.claim_ids(worker.id, 1, T0), ["suspect-0"]);
    assert_eq!(queue.claim_ids(worker.id, 1, T0), ["suspect-1"]);
}

pub fn a_retry_from_the_dead_letter_queue_clears_the_suspicion(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    crash(&mut queue, 6);
    queue.store.retry_dead(&id("a"), at(1)).unwrap();
    assert_eq!(queue.job("a").crashes, 0);
    let worker = queue.register();
    let exchange = Exchange { want: 1, suspects: Suspects::No, ..NOTHING };
    assert_eq!(ids(&queue.exchange(worker.id, &exchange, at(1)).claimed), ["a"]);
}
