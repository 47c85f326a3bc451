//! Queues that are paused: nothing of them starts, on whatever way it would.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, ended, id, ids, new_job};
use queuectl_core::{EVERY_QUEUE, Limits, NewJob, Outcome, Pause, QueueRules, QueueSet, State, Timestamp};
use queuectl_store::Exchange;
use std::time::Duration;

fn job_of(queue: &str, name: &str) -> NewJob {
    NewJob { queue: queue.into(), ..new_job(name) }
}

fn pause_until(until: Option<Timestamp>) -> Pause {
    Pause { since: T0, until, by: "anna@here".into(), reason: Some("the disk is “full”".into()) }
}

fn pause(queue: &mut Queue, name: &str) {
    queue.store.pause(name, &pause_until(None)).unwrap();
}

pub fn nothing_of_a_paused_queue_is_claimed(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("a", "1"), job_of("b", "2"), job_of("a", "3")], T0);
    let worker = queue.register();
    pause(&mut queue, "a");
    assert_eq!(queue.claim_from(worker.id, &["a"], 9, T0), [""; 0]);
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["2"]);
    queue.accept(&[job_of("a", "4")], T0);
    assert_eq!(queue.claim_ids(worker.id, 9, T0), [""; 0], "what comes in later waits too");
    assert!(queue.store.resume("a", T0).unwrap());
    assert!(!queue.store.resume("a", T0).unwrap(), "it goes on already");
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["1", "3", "4"]);
}

pub fn a_pause_of_all_queues_stops_also_those_to_come(place: &dyn Place) {
    let mut queue = Queue::open(place);
    pause(&mut queue, EVERY_QUEUE);
    queue.accept(&[job_of("a", "1"), job_of("b", "2")], T0);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 9, T0), [""; 0]);
    assert_eq!(queue.claim_from(worker.id, &["a", "b*"], 9, T0), [""; 0]);
    assert!(queue.store.resume(EVERY_QUEUE, T0).unwrap());
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["1", "2"]);
}

pub fn a_pause_ends_by_itself_exactly_at_its_time(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("a", "1")], T0);
    let worker = queue.register();
    queue.store.pause("a", &pause_until(Some(at(60)))).unwrap();
    let before = at(60).before(Duration::from_millis(1));
    let told = queue.exchange(worker.id, &Exchange { want: 1, ..NOTHING }, before);
    assert_eq!((told.claimed.len(), told.next_due), (0, Some(at(60))), "a worker knows when to look again");
    assert!(told.paused.stops("a") && !told.paused.stops("b"));
    assert_eq!(told.counts.unfinished(), 1, "who drains waits for it");
    assert_eq!(queue.claim_ids(worker.id, 9, at(60)), ["1"]);
    assert!(!queue.store.resume("a", at(60)).unwrap(), "it has ended by itself");
}

pub fn no_way_to_a_start_leads_around_a_pause(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs = ["retried", "dead", "handed-back", "lost", "delayed", "held"].map(|name| job_of("a", name));
    let [retried, dead, handed_back, lost, delayed, held] = jobs;
    queue.accept(&[retried], T0);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(1), T0);
    queue.accept(&[NewJob { max_retries: 0, ..dead }], T0);
    queue.run(worker.id, Outcome::Exit(1), T0);
    queue.accept(&[handed_back, lost], T0);
    let back = queue.claim_one(worker.id, T0);
    let dying = queue.register();
    let crashed = queue.claim_one(dying.id, T0);
    queue.accept(&[NewJob { delay: Duration::from_secs(5), ..delayed }, NewJob { hold: true, ..held }], T0);
    pause(&mut queue, "a");
    queue.hand_back(worker.id, back.last_lease(), at(1));
    queue.store.rescue(dying.id, &[crashed.last_lease()], &POLICY, at(1)).unwrap();
    queue.store.retry_dead(&id("dead"), at(1)).unwrap();
    queue.store.hurry(&id("retried"), at(1)).unwrap();
    queue.store.release(&id("held"), at(1)).unwrap();
    for seconds in [1, 16, 3600, 3616] {
        let told = queue.exchange(worker.id, &Exchange { want: 9, ..NOTHING }, at(seconds));
        assert_eq!(ids(&told.claimed), [""; 0], "after {seconds} s");
        assert_eq!(told.next_due, None, "nothing is waited for but a person");
        assert_eq!(told.counts.unfinished(), 0, "who drains does not wait for it");
    }
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
    assert!(queue.store.resume("a", at(3617)).unwrap());
    let mut claimed = queue.claim_ids(worker.id, 9, at(3617));
    claimed.extend(queue.claim_ids(worker.id, 9, at(7200)));
    claimed.sort();
    assert_eq!(claimed, ["dead", "delayed", "handed-back", "held", "lost", "retried"]);
}

pub fn what_runs_in_a_paused_queue_ends_as_ever(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("a", "1"), job_of("a", "2")], T0);
    let worker = queue.register();
    let job = queue.claim_one(worker.id, T0);
    pause(&mut queue, "a");
    let ended = [ended(job.last_lease(), Outcome::Exit(0), at(1))];
    let told = queue.exchange(worker.id, &Exchange { ended: &ended, want: 3, ..NOTHING }, at(1));
    assert_eq!((told.finished.len(), told.claimed.len()), (1, 0));
    assert!(told.paused.stops_for_good("a"));
    assert_eq!((queue.state("1"), queue.state("2")), (State::Completed, State::Pending));
}

pub fn the_rules_of_queues_are_told_as_they_were_made(place: &dyn Place) {
    let mut queue = Queue::open(place);
    assert_eq!(queue.store.rules().unwrap(), []);
    let bare = Pause { reason: None, ..pause_until(Some(at(9))) };
    queue.store.pause("b", &pause_until(None)).unwrap();
    queue.store.pause("été'%_", &bare).unwrap();
    queue.store.pause("b", &bare).unwrap();
    queue.store.pause(EVERY_QUEUE, &pause_until(None)).unwrap();
    let rules = |queue: &str, pause: Pause| QueueRules {
        queue: queue.into(),
        pause: Some(pause),
        limits: Limits::default(),
        unreadable: None,
    };
    let expected = [rules(EVERY_QUEUE, pause_until(None)), rules("b", bare.clone()), rules("été'%_", bare)];
    assert_eq!(queue.store.rules().unwrap(), expected);
    assert!(queue.store.resume("b", T0).unwrap());
    assert_eq!(queue.store.rules().unwrap().len(), 2);
}

pub fn many_queues_are_paused_at_once_by_several_people(place: &dyn Place) {
    Queue::open(place);
    std::thread::scope(|scope| {
        for person in 0..4 {
            scope.spawn(move || {
                let mut store = place.connect();
                for number in 0..10 {
                    store.pause(&format!("q{number}"), &pause_until(None)).unwrap();
                    store.pause(&format!("q{person}-{number}"), &pause_until(None)).unwrap();
                }
            });
        }
    });
    assert_eq!(place.connect().rules().unwrap().len(), 50);
}

pub fn a_worker_that_serves_other_queues_is_told_of_its_own(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[job_of("a", "1"), job_of("b", "2")], T0);
    pause(&mut queue, "a");
    let worker = queue.register();
    let mut left = |patterns: &[&str]| {
        let queues = QueueSet::of(patterns).unwrap();
        queue.exchange(worker.id, &Exchange { queues: &queues, ..NOTHING }, T0).counts
    };
    assert_eq!((left(&["a"]).unfinished(), left(&["a"]).blocked), (0, 1));
    assert_eq!((left(&["b"]).unfinished(), left(&[]).unfinished()), (1, 1));
    assert_eq!(queue.store.counts().unwrap().blocked, 0, "the jobs themselves are not blocked");
}
