//! Queues of several names, and workers that serve some of them.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, ended, id, new_job};
use queuectl_core::{Job, NewJob, Outcome, QueueSet, State};
use queuectl_store::{Exchange, NewWorker, Suspects};
use std::time::Duration;

fn job_of(queue: &str, name: &str) -> NewJob {
    NewJob { queue: queue.into(), ..new_job(name) }
}

fn delayed(queue: &str, name: &str, seconds: u64) -> NewJob {
    NewJob { delay: Duration::from_secs(seconds), ..job_of(queue, name) }
}

pub fn a_worker_claims_from_the_queues_it_serves(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("mail", "m"), job_of("video", "v"), new_job("d")], T0);
    let worker = queue.register();
    assert_eq!(queue.claim_from(worker.id, &["nothing"], 9, T0), [""; 0]);
    assert_eq!(queue.claim_from(worker.id, &["video"], 9, T0), ["v"]);
    assert_eq!(queue.claim_from(worker.id, &["video"], 9, T0), [""; 0]);
    assert_eq!((queue.state("m"), queue.state("d")), (State::Pending, State::Pending));
    assert_eq!(queue.claim_from(worker.id, &["nothing", "mail"], 9, T0), ["m"]);
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["d"]);
}

pub fn a_claim_merges_its_queues_by_priority_and_then_by_the_order_of_acceptance(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs = [("c", "1", 0), ("a", "2", 0), ("b", "3", 5), ("a", "4", 5), ("c", "5", -1), ("b", "6", 0)]
        .map(|(queue, name, priority)| NewJob { priority, ..job_of(queue, name) });
    queue.accept(&jobs, T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 3, T0), ["3", "4", "1"]);
    assert_eq!(queue.claim_from(worker.id, &["b", "c"], 1, T0), ["6"]);
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["2", "5"]);
}

pub fn a_pattern_serves_what_begins_so(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs = ["mail", "mail-", "mail-in", "mail-out", "mai", "mailbox", "n"].map(|name| job_of(name, name));
    queue.accept(&jobs, T0);
    let worker = queue.register();
    assert_eq!(queue.claim_from(worker.id, &["mail-*"], 9, T0), ["mail-", "mail-in", "mail-out"]);
    assert_eq!(queue.claim_from(worker.id, &["n", "mailb*"], 9, T0), ["mailbox", "n"]);
    assert_eq!(queue.claim_from(worker.id, &["*"], 9, T0), ["mail", "mai"]);
}

pub fn at_most_one_suspect_is_claimed_from_several_queues(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("a", "poison-1"), job_of("b", "poison-2")], T0);
    for _ in 0..queuectl_core::SUSPECT_AFTER_CRASHES {
        for name in ["a", "b"] {
            let worker = queue.register();
            assert_eq!(queue.claim_from(worker.id, &[name], 1, T0).len(), 1);
            let claims = queue.store.claims(worker.id).unwrap();
            queue.store.rescue(worker.id, &claims, &POLICY, T0).unwrap();
        }
    }
    queue.accept(&[job_of("a", "good-1"), job_of("b", "good-2"), job_of("c", "good-3")], T0);
    let worker = queue.register();
    let none = Exchange { want: 2, suspects: Suspects::No, ..NOTHING };
    let claimed = queue.exchange(worker.id, &none, T0).claimed;
    assert_eq!(super::conformance::ids(&claimed), ["good-1", "good-2"]);
    let mut claimed = queue.claim_ids(worker.id, 9, T0);
    claimed.sort();
    assert_eq!(claimed, ["good-3", "poison-1"]);
}

pub fn a_handed_back_job_returns_to_its_old_place_among_several_queues(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("b", "1"), job_of("a", "2"), job_of("b", "3")], T0);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 2, T0);
    queue.accept(&[job_of("a", "4")], T0);
    for job in claimed {
        queue.hand_back(worker.id, job.last_lease(), T0);
    }
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["1", "2", "3", "4"]);
}

pub fn only_jobs_of_served_queues_become_ready(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[delayed("a", "1", 5), delayed("b", "2", 5)], T0);
    let worker = queue.register();
    assert_eq!(queue.claim_from(worker.id, &["b"], 9, at(5)), ["2"]);
    assert_eq!(queue.scheduled(9), 1, "the other waits for a worker of its queue");
    assert_eq!(queue.claim_from(worker.id, &["a"], 9, at(5)), ["1"]);
}

pub fn jobs_of_several_queues_become_ready_in_the_order_in_which_they_fell_due(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs = [("b", 4), ("a", 3), ("c", 1), ("b", 2), ("a", 5), ("c", 60)];
    queue.accept(&jobs.map(|(queue, due)| delayed(queue, &format!("due-{due}"), due)), T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 2, at(50)), ["due-1", "due-2"]);
    assert_eq!(queue.claim_ids(worker.id, 9, at(50)), ["due-3", "due-4", "due-5"]);
}

pub fn a_clock_set_back_hides_no_job_of_a_served_queue(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let year = 365 * 24 * 3600;
    queue.accept(&[delayed("a", "1", 60), delayed("b", "2", 60)], at(year));
    let worker = queue.register();
    assert_eq!(queue.claim_from(worker.id, &["b"], 9, T0), ["2"]);
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["1"]);
}

pub fn a_worker_is_told_of_its_queues_alone(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[new_job("1"), delayed("a", "2", 9), delayed("b", "3", 5), job_of("b", "4")], T0);
    let worker = queue.register();
    let mut told = |patterns: &[&str]| {
        let queues = QueueSet::of(patterns).unwrap();
        let exchanged = queue.exchange(worker.id, &Exchange { queues: &queues, ..NOTHING }, T0);
        (exchanged.counts.unfinished(), exchanged.next_due)
    };
    assert_eq!(told(&["a"]), (1, Some(at(9))));
    assert_eq!(told(&["b"]), (2, Some(at(5))));
    assert_eq!(told(&["default", "c*"]), (1, None));
    assert_eq!(told(&["none"]), (0, None));
    assert_eq!(told(&[]), (4, Some(at(5))));
}

pub fn jobs_are_counted_by_queue(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("b", "1"), NewJob { max_retries: 0, ..job_of("a", "2") }, job_of("b", "3")], T0);
    queue.accept(&[NewJob { hold: true, ..job_of("c", "4") }], T0);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(0), T0);
    queue.run(worker.id, Outcome::Exit(1), T0);
    queue.claim_one(worker.id, T0);
    let by_queue = queue.store.counts_by_queue().unwrap();
    let names: Vec<&str> = by_queue.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let [a, b, c] = [0, 1, 2].map(|index| by_queue[index].1);
    assert_eq!((a[State::Dead], a.total()), (1, 1));
    assert_eq!((b[State::Completed], b[State::Processing], b.total()), (1, 1, 2));
    assert_eq!((c[State::Pending], c.blocked, c.unfinished(), c.total()), (1, 1, 0, 1));
    queue.store.retry_dead(&id("2"), at(1)).unwrap();
    queue.prune(&[State::Completed], at(9), 9).unwrap();
    let by_queue = queue.store.counts_by_queue().unwrap();
    assert_eq!((by_queue[0].1[State::Pending], by_queue[0].1[State::Dead]), (1, 0));
    assert_eq!((by_queue[1].1[State::Completed], by_queue[1].1.total()), (0, 1));
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn many_queues_are_claimed_in_order(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs: Vec<NewJob> =
        (0..300).map(|number| job_of(&format!("q-{}", number * 7 % 40), &format!("{number}"))).collect();
    queue.accept(&jobs, T0);
    let worker = queue.register();
    let mut claimed = Vec::new();
    for want in [1, 32, 5, 100, 500] {
        claimed.extend(queue.claim_from(worker.id, &["q*"], want, T0));
    }
    let wanted: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    assert_eq!(claimed, wanted);
}

pub fn a_worker_that_does_not_serve_a_queue_does_not_take_its_jobs(place: &dyn Place) {
    let mut queue = Queue::open(place);
    assert!(!queue.store.has_workers("mail").unwrap());
    let mail = NewWorker { queues: QueueSet::of(["mail"]).unwrap(), ..super::conformance::new_worker() };
    let _mail = queue.store.register(&mail, T0).unwrap();
    assert!(queue.store.has_workers("mail").unwrap());
    assert!(!queue.store.has_workers("default").unwrap());
    let _all = queue.register();
    assert!(queue.store.has_workers("default").unwrap());
}

pub fn a_queue_that_was_empty_is_claimed_from_at_once(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("a", "1"), job_of("a", "2")], T0);
    let worker = queue.register();
    // It knows that only one queue has ready jobs.
    let first = queue.claim_one(worker.id, T0);
    Queue::open(place).accept(&[job_of("b", "3")], T0);
    let ends = [ended(first.last_lease(), Outcome::Exit(0), T0)];
    let exchange = Exchange { ended: &ends, want: 2, ..NOTHING };
    let claimed = queue.exchange(worker.id, &exchange, T0).claimed;
    assert_eq!(names(&claimed), ["2", "3"]);
}

pub fn a_retry_that_is_due_is_claimed_with_the_end_of_its_run(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("a", "1")], T0);
    let worker = queue.register();
    let first = queue.claim_one(worker.id, T0);
    // It knows that no queue has ready jobs.
    assert_eq!(queue.claim_ids(worker.id, 9, T0), [""; 0]);
    let ends = [ended(first.last_lease(), Outcome::Exit(1), T0)];
    let exchange = Exchange { ended: &ends, want: 1, ..NOTHING };
    let claimed = queue.exchange(worker.id, &exchange, at(3600)).claimed;
    assert_eq!(names(&claimed), ["1"]);
}

pub fn a_job_that_is_handed_back_can_be_claimed_at_once(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("a", "1"), job_of("a", "2")], T0);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 2, T0);
    assert_eq!(queue.claim_ids(worker.id, 9, T0), [""; 0]);
    let back = Exchange { unstarted: &[claimed[1].last_lease()], want: 9, ..NOTHING };
    assert_eq!(names(&queue.exchange(worker.id, &back, T0).claimed), ["2"]);
    let ends = [ended(claimed[0].last_lease(), Outcome::Interrupted, T0)];
    let interrupted = Exchange { ended: &ends, want: 9, ..NOTHING };
    assert_eq!(names(&queue.exchange(worker.id, &interrupted, T0).claimed), ["1"]);
}

fn names(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| job.id.to_string()).collect()
}
