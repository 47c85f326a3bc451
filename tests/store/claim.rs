//! Who may be claimed, and in which order.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, ended, id, new_job};
use queuectl_core::{NewJob, Outcome, State, Timestamp};
use queuectl_store::Exchange;
use std::time::Duration;

fn delayed(name: &str, seconds: u64) -> NewJob {
    NewJob { delay: Duration::from_secs(seconds), ..new_job(name) }
}

fn just_before(time: Timestamp) -> Timestamp {
    time.before(Duration::from_millis(1))
}

pub fn claim_takes_higher_priorities_first_and_then_the_order_of_acceptance(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs = [("a", 0), ("b", 5), ("c", -1), ("d", 5), ("e", 0), ("f", i32::MAX), ("g", i32::MIN)]
        .map(|(name, priority)| NewJob { priority, ..new_job(name) });
    queue.accept(&jobs, T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 3, T0), ["f", "b", "d"]);
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["a", "e", "c", "g"]);
}

pub fn claim_takes_no_more_than_is_wanted(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b", "c"]);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 0, T0), [""; 0]);
    assert_eq!(queue.claim_ids(worker.id, 2, T0), ["a", "b"]);
    assert_eq!(queue.claim_ids(worker.id, 2, T0), ["c"]);
    assert_eq!(queue.claim_ids(worker.id, 2, T0), [""; 0]);
}

pub fn claim_skips_jobs_that_are_not_due(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[delayed("later", 60), new_job("now")], T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 9, at(1)), ["now"]);
    assert_eq!(queue.state("later"), State::Pending);
    // A high priority does not make a job due.
    queue.accept(&[NewJob { priority: 9, ..delayed("urgent", 60) }], at(1));
    assert_eq!(queue.claim_ids(worker.id, 9, at(2)), [""; 0]);
}

pub fn a_delayed_job_becomes_due_exactly_at_its_time(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[delayed("a", 60)], T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 1, just_before(at(60))), [""; 0]);
    assert_eq!(queue.claim_ids(worker.id, 1, at(60)), ["a"]);
    assert_eq!(queue.job("a").run_at, None);
}

pub fn a_failed_job_becomes_due_exactly_at_its_time(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(1), at(10));
    assert_eq!(queue.job("a").run_at, Some(at(12)));
    assert_eq!(queue.claim_ids(worker.id, 1, just_before(at(12))), [""; 0]);
    assert_eq!(queue.claim_ids(worker.id, 1, at(12)), ["a"]);
}

pub fn a_failed_job_stays_failed_until_it_is_claimed(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    let worker = queue.register();
    let leases = queue.claim(worker.id, 2, T0);
    for job in leases {
        queue.end(worker.id, job.last_lease(), Outcome::Exit(1), T0);
    }
    // Both become ready, one is claimed.
    assert_eq!(queue.claim(worker.id, 1, at(100)).len(), 1);
    assert_eq!(queue.state("a"), State::Processing);
    assert_eq!(queue.state("b"), State::Failed);
}

pub fn a_schedule_made_while_a_claim_waited_to_begin_is_kept(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[delayed("delayed", 3600)], at(100));
    queue.enqueue(&["fails"]);
    let (one, other) = (queue.register(), queue.register());
    queue.run(one.id, Outcome::Exit(1), at(100));
    // Looked at the clock half a minute before it could begin.
    assert_eq!(queue.claim_ids(other.id, 2, at(70)), [""; 0]);
}

pub fn a_clock_set_back_hides_no_job(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let year = 365 * 24 * 3600;
    queue.accept(&[delayed("a", 60)], at(year));
    let worker = queue.register();
    // The clock was a year ahead when the job was accepted.
    assert_eq!(queue.claim_ids(worker.id, 1, T0), ["a"]);
}

pub fn a_clock_set_forward_and_back_hides_no_failed_job(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let year = 365 * 24 * 3600;
    queue.run(worker.id, Outcome::Exit(1), at(year));
    assert_eq!(queue.claim_ids(worker.id, 1, at(1)), ["a"]);
}

pub fn a_result_handed_in_after_the_clock_was_set_back_waits_from_then(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, at(3600)).last_lease();
    let late = ended(lease, Outcome::Exit(1), at(3600));
    queue.exchange(worker.id, &Exchange { ended: &[late], ..NOTHING }, at(10));
    assert_eq!(queue.job("a").run_at, Some(at(12)));
    assert_eq!(queue.claim_ids(worker.id, 1, at(11)), [""; 0]);
    assert_eq!(queue.claim_ids(worker.id, 1, at(12)), ["a"]);
}

pub fn promotion_takes_no_more_than_is_wanted(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs: Vec<NewJob> = (0..9).map(|number| delayed(&format!("due-{number}"), 1 + number)).collect();
    queue.accept(&jobs, T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 2, at(100)), ["due-0", "due-1"]);
    // Those that were not wanted are not ready yet, so a newcomer is before them.
    queue.accept(&[new_job("newcomer")], at(100));
    assert_eq!(queue.claim_ids(worker.id, 1, at(100)), ["newcomer"]);
}

pub fn promotion_takes_no_more_than_200(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs: Vec<NewJob> = (0..450).map(|number| delayed(&format!("due-{number}"), 1)).collect();
    queue.accept(&jobs, T0);
    let worker = queue.register();
    let claims: Vec<usize> = (0..4).map(|_| queue.claim(worker.id, 1000, at(100)).len()).collect();
    assert_eq!(claims, [200, 200, 50, 0]);
}

pub fn a_flood_of_retries_becomes_ready_behind_all_others(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let flood: Vec<NewJob> = (0..50).map(|number| delayed(&format!("due-{number}"), 1)).collect();
    queue.accept(&flood, T0);
    queue.accept(&[new_job("ready-1"), new_job("ready-2")], T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 3, at(100)), ["ready-1", "ready-2", "due-0"]);
}

pub fn a_job_that_is_handed_back_returns_to_its_old_position(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b", "c"]);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 2, T0);
    queue.enqueue(&["d"]);
    for job in claimed {
        queue.hand_back(worker.id, job.last_lease(), T0);
    }
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["a", "b", "c", "d"]);
}

pub fn a_job_that_was_scheduled_is_handed_back_as_ready(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[delayed("a", 5)], T0);
    let worker = queue.register();
    let lease = queue.claim_one(worker.id, at(5)).last_lease();
    queue.accept(&[new_job("b")], at(6));
    queue.hand_back(worker.id, lease, at(6));
    assert_eq!((queue.state("a"), queue.job("a").run_at), (State::Pending, None));
    assert_eq!(queue.claim_ids(worker.id, 9, at(6)), ["a", "b"]);
}

pub fn a_claim_charges_an_attempt_and_handing_back_returns_it(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let worker = queue.register();
    let job = queue.claim_one(worker.id, at(3));
    assert_eq!((job.state, job.attempts, job.worker), (State::Processing, 1, Some(worker.id)));
    assert_eq!((job.started_at, job.updated_at), (Some(at(3)), at(3)));
    assert_eq!(queue.job("a"), job, "what a claim gives is what is stored");
    queue.hand_back(worker.id, job.last_lease(), at(4));
    let job = queue.job("a");
    assert_eq!((job.state, job.attempts, job.worker), (State::Pending, 0, None));
    assert_eq!((job.started_at, job.last_error), (None, None));
}

pub fn the_lease_grows_with_each_claim_and_never_goes_back(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[NewJob { max_retries: 1, ..new_job("a") }], T0);
    let worker = queue.register();
    let first = queue.claim_one(worker.id, T0);
    assert_eq!(first.lease, 1);
    queue.hand_back(worker.id, first.last_lease(), T0);
    assert_eq!(queue.job("a").lease, 1, "handing back does not lower it");
    for (lease, now) in [(2, at(10)), (3, at(1000))] {
        assert_eq!(queue.run(worker.id, Outcome::Exit(1), now).number, lease);
    }
    assert_eq!(queue.state("a"), State::Dead);
    queue.store.retry_dead(&id("a"), at(1001)).unwrap();
    assert_eq!(queue.claim_one(worker.id, at(1002)).lease, 4, "a retry does not start again at 1");
}

pub fn what_one_worker_holds_no_other_gets(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let mut other = Queue::open(place);
    queue.enqueue(&["a", "b", "c"]);
    let (first, second) = (queue.register(), other.register());
    assert_eq!(queue.claim_ids(first.id, 2, T0), ["a", "b"]);
    assert_eq!(other.claim_ids(second.id, 9, T0), ["c"]);
    assert_eq!(queue.claim_ids(first.id, 9, T0), [""; 0]);
}

pub fn an_exchange_without_wishes_changes_nothing(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[new_job("a"), delayed("b", 1)], T0);
    let worker = queue.register();
    let before = queue.all();
    let exchanged = queue.exchange(worker.id, &NOTHING, at(100));
    assert!(exchanged.claimed.is_empty() && exchanged.finished.is_empty() && exchanged.superseded.is_empty());
    assert!(exchanged.cancel.is_empty() && exchanged.stop.is_none());
    assert_eq!(exchanged.counts, queue.store.counts().unwrap());
    assert_eq!(exchanged.roster, [worker.id]);
    assert_eq!(queue.all(), before);
}

pub fn an_exchange_tells_when_the_next_job_falls_due(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register();
    assert_eq!(queue.exchange(worker.id, &NOTHING, T0).next_due, None);
    queue.accept(&[new_job("now"), delayed("b", 90), delayed("a", 60)], T0);
    let wants = Exchange { want: 1, policy: &POLICY, ..NOTHING };
    let exchanged = queue.exchange(worker.id, &wants, T0);
    assert_eq!((exchanged.claimed.len(), exchanged.next_due), (1, Some(at(60))));
    let exchanged = queue.exchange(worker.id, &wants, at(60));
    assert_eq!((exchanged.claimed.len(), exchanged.next_due), (1, Some(at(90))));
}
