//! What is said of why a job does not run is what a claim does.

use super::conformance::{POLICY, Place, Queue, ids, new_job};
use super::random::Dice;
use queuectl_core::{
    EVERY_QUEUE, Facts, Filter, Job, NewJob, Outcome, Pause, QueueSet, Server, State, Timestamp, obstacles,
};
use queuectl_store::{Exchange, NewWorker};
use std::time::Duration;

/// Worlds that are looked at with one queue.
const WORLDS: u64 = 120;

/// More than there ever are.
const MANY: u32 = 1000;

const QUEUES: [&str; 4] = ["a", "b", "ab", "c"];

/// What workers serve.
const SETS: [&[&str]; 5] = [&[], &["a"], &["a*"], &["b", "c"], &["nothing"]];

pub fn nothing_is_in_the_way_of_exactly_those_jobs_that_are_claimed(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (mut dice, mut now, mut jobs) = (Dice::new(7), Timestamp::from_millis(1_700_000_000_000), 0);
    let mut claimed_in_all = 0;
    for world in 0..WORLDS {
        change(&mut queue, &mut dice, now, &mut jobs);
        now = now.after(Duration::from_secs(dice.below(20)));
        let queues = QueueSet::of(dice.of(&SETS)).unwrap();
        let worker = NewWorker { queues: queues.clone(), ..NewWorker::of_this_process(MANY) };
        let worker = queue.store.register(&worker, now).unwrap();
        let rules = queue.store.rules().unwrap();
        let servers = [Server { queues: &queues, slots: MANY.into(), jobs: 0, has_suspect: false }];
        let facts = Facts { now, rules: &rules, held: 0, is_moving: false, servers: &servers };
        let waiting = Filter { limit: MANY, ..Filter::of_states(&[State::Pending, State::Failed]) };
        let free: Vec<Job> = queue.store.jobs(&waiting).unwrap();
        let mut free: Vec<&Job> = free.iter().filter(|job| obstacles(job, &facts).is_empty()).collect();
        let claims = Exchange { want: MANY, queues: &queues, ..Exchange::nothing(&POLICY) };
        let mut claimed = queue.exchange(worker.id, &claims, now).claimed;
        claimed.sort_by_key(|job| job.seq);
        free.sort_by_key(|job| job.seq);
        let free: Vec<&str> = free.iter().map(|job| job.id.as_str()).collect();
        assert_eq!(ids(&claimed), free, "world {world}");
        claimed_in_all += claimed.len();
        for job in &claimed {
            assert_eq!(obstacles(job, &facts), [], "a job that is claimed has nothing in its way");
            if dice.below(4) == 0 {
                queue.hand_back(worker.id, job.last_lease(), now);
            } else {
                let outcome = dice.of(&[Outcome::Exit(0), Outcome::Exit(1), Outcome::Exit(1)]);
                queue.end(worker.id, job.last_lease(), outcome, now);
            }
        }
        queue.store.retire(worker.id, &POLICY, now).unwrap();
    }
    assert!(claimed_in_all > 100, "{claimed_in_all}");
}

/// Adds jobs, and pauses, resumes, releases and retries something.
fn change(queue: &mut Queue, dice: &mut Dice, now: Timestamp, jobs: &mut u32) {
    for _ in 0..dice.below(4) {
        *jobs += 1;
        let job = NewJob {
            queue: dice.of(&QUEUES).into(),
            hold: dice.below(4) == 0,
            delay: Duration::from_secs(dice.of(&[0, 0, 5, 60])),
            max_retries: dice.of(&[0, 2]),
            priority: dice.of(&[-1, 0, 7]),
            ..new_job(&format!("job-{jobs}"))
        };
        queue.accept(&[job], now);
    }
    let name = dice.of(&["a", "b", "c", EVERY_QUEUE]);
    match dice.below(5) {
        0 => {
            let until = dice.of(&[None, Some(now.after(Duration::from_secs(10)))]);
            let pause = Pause { since: now, until, by: "anna@here".into(), reason: None };
            queue.store.pause(name, &pause).unwrap();
        }
        1 | 2 => {
            queue.store.resume(name, now).unwrap();
            queue.store.resume(EVERY_QUEUE, now).unwrap();
        }
        3 => {
            let all = Filter { limit: MANY, ..Filter::default() };
            for job in queue.store.jobs(&all).unwrap().iter().filter(|_| dice.below(3) == 0) {
                // Most are not held, and refused.
                let _refused = queue.store.release(&job.id, now);
            }
        }
        _ => {
            let dead = Filter { limit: 2, ..Filter::of_states(&[State::Dead]) };
            for job in queue.store.jobs(&dead).unwrap() {
                queue.store.retry_dead(&job.id, now).unwrap();
            }
        }
    }
}
