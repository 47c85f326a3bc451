//! Queues with a limit: never more of their jobs are held by workers, on whatever way they
//! would come to one.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, ended, ids, new_job};
use super::random::Dice;
use queuectl_core::{Filter, Limits, NewJob, Outcome, SUSPECT_AFTER_CRASHES, Stage, State};
use queuectl_store::{Exchange, NewWorker, Suspects};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn job_of(queue: &str, name: &str) -> NewJob {
    NewJob { queue: queue.into(), ..new_job(name) }
}

fn limit(queue: &mut Queue, name: &str, running: impl Into<Option<u32>>) {
    queue.store.set_limits(name, &Limits { running: running.into() }).unwrap();
}

pub fn no_more_jobs_are_claimed_than_the_limit_of_their_queue(place: &dyn Place) {
    let mut queue = Queue::open(place);
    limit(&mut queue, "a", 2);
    queue.accept(&["1", "2", "3", "4", "5"].map(|name| job_of("a", name)), T0);
    let (one, other) = (queue.register(), queue.register());
    assert_eq!(queue.claim_ids(one.id, 1, T0), ["1"]);
    assert_eq!(queue.claim_ids(other.id, 9, T0), ["2"]);
    assert_eq!(queue.claim_ids(one.id, 9, T0), [""; 0]);
    let held = queue.store.claims(one.id).unwrap()[0];
    let ended = [ended(held, Outcome::Exit(0), at(1))];
    let told = queue.exchange(one.id, &Exchange { ended: &ended, want: 9, ..NOTHING }, at(1));
    assert_eq!(ids(&told.claimed), ["3"], "its end makes room in the same exchange");
    assert_eq!(told.limited, ["a"]);
    limit(&mut queue, "a", 1);
    let second = queue.job("2").last_lease();
    queue.end(other.id, second, Outcome::Exit(0), at(2));
    assert_eq!(
        queue.claim_ids(other.id, 9, at(2)),
        [""; 0],
        "one is still held, and that is all there may be"
    );
    limit(&mut queue, "a", None);
    assert_eq!(queue.claim_ids(other.id, 9, at(2)), ["4", "5"]);
}

pub fn a_full_queue_keeps_no_other_waiting(place: &dyn Place) {
    let mut queue = Queue::open(place);
    limit(&mut queue, "a", 1);
    let high = |name| NewJob { priority: 9, ..job_of("a", name) };
    queue.accept(&[high("1"), high("2"), job_of("b", "3"), job_of("b", "4"), high("5")], T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 3, T0), ["1", "3", "4"]);
}

pub fn jobs_of_a_queue_with_a_limit_keep_their_rank_among_others(place: &dyn Place) {
    let mut queue = Queue::open(place);
    limit(&mut queue, "b", 2);
    let ranked = |queue, name, priority| NewJob { priority, ..job_of(queue, name) };
    queue.accept(
        &[
            ranked("a", "1", 0),
            ranked("b", "2", 5),
            ranked("b", "3", -1),
            ranked("a", "4", 7),
            ranked("b", "5", 0),
        ],
        T0,
    );
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 2, T0), ["4", "2"]);
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["1", "5"]);
}

pub fn nothing_is_claimed_in_advance_of_a_queue_with_a_limit(place: &dyn Place) {
    let mut queue = Queue::open(place);
    limit(&mut queue, "a", 5);
    queue.accept(&["1", "2", "3"].map(|name| job_of("a", name)), T0);
    queue.accept(&["4", "5"].map(|name| job_of("b", name)), T0);
    let worker = queue.register();
    let claimed = queue.exchange(worker.id, &Exchange { want: 4, ahead: 3, ..NOTHING }, T0).claimed;
    assert_eq!(ids(&claimed), ["1", "4", "5"]);
    let claimed = queue.exchange(worker.id, &Exchange { want: 4, ahead: 4, ..NOTHING }, T0).claimed;
    assert_eq!(ids(&claimed), [""; 0]);
}

pub fn whatever_becomes_of_a_job_its_slot_is_free_exactly_once(place: &dyn Place) {
    let mut queue = Queue::open(place);
    limit(&mut queue, "a", 1);
    queue.accept(&["1", "2"].map(|name| job_of("a", name)), T0);
    let worker = queue.register();
    let first = queue.claim_one(worker.id, T0);
    queue.hand_back(worker.id, first.last_lease(), T0);
    queue.hand_back(worker.id, first.last_lease(), T0);
    let dying = queue.register();
    let again = queue.claim_one(dying.id, T0);
    assert_eq!((again.id.as_str(), queue.claim(worker.id, 9, T0).len()), ("1", 0));
    queue.store.rescue(dying.id, &[again.last_lease()], &POLICY, T0).unwrap();
    let other = queue.claim_one(worker.id, T0);
    assert_eq!(queue.claim(worker.id, 9, T0).len(), 0);
    // The late result of a lease that was taken over frees nothing.
    queue.end(dying.id, again.last_lease(), Outcome::Exit(0), at(1));
    assert_eq!(queue.claim(worker.id, 9, at(1)).len(), 0);
    queue.end(worker.id, other.last_lease(), Outcome::Exit(1), at(1));
    assert_eq!(queue.claim(worker.id, 9, at(1)).len(), 1, "a job that waits for its retry holds no slot");
    queue.store.retire(worker.id, &POLICY, at(2)).unwrap();
    let worker = queue.register();
    assert_eq!(queue.claim(worker.id, 9, at(9000)).len(), 1);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn a_suspect_is_one_of_those_there_is_room_for(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("a", "poison")], T0);
    for _ in 0..SUSPECT_AFTER_CRASHES {
        let worker = queue.register();
        let lease = queue.claim_one(worker.id, T0).last_lease();
        queue.store.rescue(worker.id, &[lease], &POLICY, T0).unwrap();
    }
    queue.accept(&["1", "2", "3"].map(|name| job_of("a", name)), T0);
    limit(&mut queue, "a", 2);
    let worker = queue.register();
    let none = Exchange { want: 1, suspects: Suspects::No, ..NOTHING };
    assert_eq!(ids(&queue.exchange(worker.id, &none, T0).claimed), ["1"]);
    let mut claimed = queue.claim_ids(worker.id, 9, T0);
    claimed.sort();
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    let held = Filter { stages: vec![Stage::Claimed], ..Filter::default() };
    assert_eq!(queue.store.count(&held, 9).unwrap(), 2);
}

pub fn workers_that_claim_at_once_never_exceed_a_limit(place: &dyn Place) {
    const JOBS: u32 = 120;
    let mut queue = Queue::open(place);
    for (name, running) in [("a", 1), ("b", 2), ("c", 3)] {
        limit(&mut queue, name, running);
        let jobs: Vec<NewJob> =
            (0..JOBS / 3).map(|number| job_of(name, &format!("{name}{number}"))).collect();
        queue.accept(&jobs, T0);
    }
    let (running, done) = ([0, 0, 0].map(AtomicU32::new), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for seed in 1..=4 {
            let (running, done) = (&running, &done);
            scope.spawn(move || {
                let (mut store, mut dice) = (place.connect(), Dice::new(seed));
                let now = || store_now();
                let worker = store.register(&NewWorker::of_this_process(4), now()).unwrap();
                while done.load(Ordering::SeqCst) < JOBS {
                    let want = 1 + dice.below(4) as u32;
                    let wants = Exchange { want, ..NOTHING };
                    let claimed = store.exchange(worker.id, &wants, now()).unwrap().claimed;
                    for job in &claimed {
                        let index = usize::from(job.queue.as_bytes()[0] - b'a');
                        let before = running[index].fetch_add(1, Ordering::SeqCst);
                        assert!(before <= index as u32, "{} of {} run", before + 1, job.queue);
                    }
                    for job in &claimed {
                        let index = usize::from(job.queue.as_bytes()[0] - b'a');
                        // Before it is committed, since another may claim right after.
                        running[index].fetch_sub(1, Ordering::SeqCst);
                        let lease = job.last_lease();
                        if dice.below(4) == 0 {
                            let back = Exchange { unstarted: &[lease], ..NOTHING };
                            store.exchange(worker.id, &back, now()).unwrap();
                        } else {
                            let end = [ended(lease, Outcome::Exit(0), now())];
                            store.exchange(worker.id, &Exchange { ended: &end, ..NOTHING }, now()).unwrap();
                            done.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
                store.retire(worker.id, &POLICY, now()).unwrap();
            });
        }
    });
    let counts = place.connect().counts().unwrap();
    assert_eq!(counts[State::Completed], i64::from(JOBS));
    assert_eq!(place.connect().check().unwrap(), [""; 0]);
}

fn store_now() -> queuectl_core::Timestamp {
    queuectl_store::Clock::of_this_machine().now()
}

pub fn a_limit_and_a_pause_are_two_things(place: &dyn Place) {
    let mut queue = Queue::open(place);
    limit(&mut queue, "a", 1);
    let pause = queuectl_core::Pause { since: T0, until: None, by: "anna@here".into(), reason: None };
    queue.store.pause("a", &pause).unwrap();
    queue.accept(&["1", "2"].map(|name| job_of("a", name)), T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 9, T0), [""; 0]);
    queue.store.resume("a", T0).unwrap();
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["1"], "its limit outlives its pause");
    queue.store.pause("a", &pause).unwrap();
    limit(&mut queue, "a", None);
    assert!(queue.store.rules().unwrap()[0].pause.is_some(), "and its pause its limit");
    queue.store.resume("a", T0).unwrap();
    assert_eq!(queue.store.rules().unwrap(), [], "what says nothing is forgotten");
}

pub fn delayed_jobs_of_a_full_queue_keep_no_other_from_becoming_ready(place: &dyn Place) {
    let mut queue = Queue::open(place);
    limit(&mut queue, "a", 1);
    let delayed = |queue, name| NewJob { delay: Duration::from_secs(5), ..job_of(queue, name) };
    let many: Vec<NewJob> = (0..40).map(|number| job_of("a", &format!("a{number}"))).collect();
    queue.accept(&many, T0);
    queue.accept(&[delayed("b", "b")], T0);
    let worker = queue.register();
    queue.claim(worker.id, 4, at(6));
    queue.claim(worker.id, 4, at(6));
    assert_eq!(queue.state("b"), State::Processing);
}

pub fn a_job_of_a_queue_with_a_limit_is_claimed_when_it_falls_due(place: &dyn Place) {
    let mut queue = Queue::open(place);
    limit(&mut queue, "a", 1);
    let delayed = |name, seconds| NewJob { delay: Duration::from_secs(seconds), ..job_of("a", name) };
    queue.accept(&[delayed("1", 5), delayed("2", 6), delayed("3", 7)], T0);
    let worker = queue.register();
    let mut now = T0;
    let told = queue.exchange(worker.id, &Exchange { want: 1, ..NOTHING }, now);
    assert_eq!((told.claimed.len(), told.next_due), (0, Some(at(5))));
    for name in ["1", "2", "3"] {
        now = now.after(Duration::from_secs(9));
        assert_eq!(queue.claim_ids(worker.id, 1, now), [name], "in the exchange in which it is due");
        let lease = queue.job(name).last_lease();
        queue.end(worker.id, lease, Outcome::Exit(1), now);
    }
    // Retries, of which the first is due first.
    assert_eq!(queue.claim_ids(worker.id, 1, at(9000)), ["1"]);
}
