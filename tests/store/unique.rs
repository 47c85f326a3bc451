//! Unique keys: when they are taken, and when they are free again.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, ended, id, ids, new_job};
use super::sqlite::{self, Folder};
use super::transfer::all_records;
use queuectl_core::{
    Blocker, CommandLine, Filter, NewJob, OnDuplicate, Outcome, Stage, State, Timestamp, Unique, UniqueKey,
    Wish, WorkerId,
};
use queuectl_store::{
    DuplicateJob, Enqueued, Exchange, Granted, HolderIs, Limits, Move, MoveId, OnTaken, Position, StoreError,
};
use std::time::Duration;

fn key(text: &str) -> UniqueKey {
    UniqueKey::new(text).unwrap()
}

pub fn keyed(name: &str, text: &str) -> NewJob {
    let unique = Unique { key: key(text), window: None, on_duplicate: OnDuplicate::Keep };
    NewJob { unique: Some(unique), max_retries: 0, ..new_job(name) }
}

pub fn on_duplicate(what: OnDuplicate, job: NewJob) -> NewJob {
    let unique = job.unique.clone().map(|unique| Unique { on_duplicate: what, ..unique });
    NewJob { unique, ..job }
}

fn within(window: Duration, job: NewJob) -> NewJob {
    let unique = job.unique.clone().map(|unique| Unique { window: Some(window), ..unique });
    NewJob { unique, ..job }
}

pub fn enqueue(queue: &mut Queue, jobs: &[NewJob], now: Timestamp) -> Enqueued {
    queue.store.enqueue(jobs, OnTaken::Refuse, now).unwrap()
}

/// Who keeps a job of this key from being added; adds none.
fn holder(queue: &mut Queue, text: &str, now: Timestamp) -> Option<String> {
    let probe = on_duplicate(OnDuplicate::Fail, keyed("probe", text));
    let taken = queue.store.taken_keys(&[&key(text)], now).unwrap();
    let taken = taken.first().map(|(_, holder)| holder.to_string());
    match queue.store.enqueue(&[probe], OnTaken::Refuse, now) {
        Err(StoreError::DuplicateKey { holder, .. }) => {
            assert_eq!(taken, Some(holder.to_string()));
        }
        added => {
            assert_eq!((added.unwrap().added, taken.as_deref()), (1, None));
            queue.store.cancel(&id("probe"), now).unwrap();
            queue.store.delete(&id("probe"), &[State::Cancelled]).unwrap();
        }
    }
    taken
}

/// Revives all dead jobs that can have their keys again.
fn retry_all(queue: &mut Queue, now: Timestamp) -> Granted {
    let dead = Filter::of_states(&[State::Dead]);
    let seqs = queue.store.seqs(&dead).unwrap();
    queue.store.grant_some(Wish::Retry, &dead, &seqs, now).unwrap()
}

fn kept(index: usize, holder: &str) -> DuplicateJob {
    DuplicateJob { index, holder: id(holder), until: None, holder_is: HolderIs::Kept }
}

pub fn is_sound(queue: &mut Queue) {
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

/// How a job comes to rest.
type Way = fn(&mut Queue, WorkerId);

pub fn a_key_is_taken_until_its_job_has_come_to_rest(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register().id;
    let runs: [Way; 2] = [
        |queue, worker| {
            queue.run(worker, Outcome::Exit(0), at(1));
        },
        |queue, worker| {
            queue.run(worker, Outcome::Exit(1), at(1));
        },
    ];
    let ways: [(&str, Way, State); 6] = [
        ("completes", runs[0], State::Completed),
        ("dies", runs[1], State::Dead),
        ("is-cancelled", |queue, _| drop(queue.store.cancel(&id("is-cancelled"), at(1))), State::Cancelled),
        (
            "is-ended",
            |queue, worker| {
                let lease = queue.claim_one(worker, at(1)).last_lease();
                queue.store.cancel(&id("is-ended"), at(1)).unwrap();
                queue.end(worker, lease, Outcome::Cancelled, at(1));
            },
            State::Cancelled,
        ),
        (
            "is-handed-back",
            |queue, worker| {
                let lease = queue.claim_one(worker, at(1)).last_lease();
                queue.store.cancel(&id("is-handed-back"), at(1)).unwrap();
                queue.hand_back(worker, lease, at(1));
            },
            State::Cancelled,
        ),
        (
            "is-lost",
            |queue, _| {
                let dying = queue.register();
                let lease = queue.claim_one(dying.id, at(1)).last_lease();
                queue.store.cancel(&id("is-lost"), at(1)).unwrap();
                queue.store.rescue(dying.id, &[lease], &POLICY, at(1)).unwrap();
            },
            State::Cancelled,
        ),
    ];
    for (name, way, state) in ways {
        assert_eq!(enqueue(&mut queue, &[keyed(name, "k")], T0).added, 1, "{name}");
        assert_eq!(queue.job(name).unique_key, Some(key("k")));
        let enqueued = enqueue(&mut queue, &[keyed("other", "k"), new_job(&format!("without-{name}"))], T0);
        assert_eq!((enqueued.added, enqueued.duplicates), (1, vec![kept(0, name)]), "{name}");
        queue.store.cancel(&id(&format!("without-{name}")), T0).unwrap();
        is_sound(&mut queue);
        way(&mut queue, worker);
        assert_eq!(queue.state(name), state);
        assert_eq!(holder(&mut queue, "k", at(1)), None, "{name}");
        is_sound(&mut queue);
    }
}

pub fn no_way_of_a_job_that_goes_on_gives_its_key_back(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register().id;
    let job = NewJob { max_retries: 9, hold: true, ..keyed("a", "k") };
    enqueue(&mut queue, &[job], T0);
    let still_has_it = |queue: &mut Queue, when: &str, now| {
        assert_eq!(holder(queue, "k", now).as_deref(), Some("a"), "{when}");
        is_sound(queue);
    };
    still_has_it(&mut queue, "held", T0);
    queue.store.release(&id("a"), T0).unwrap();
    still_has_it(&mut queue, "released", T0);
    let lease = queue.claim_one(worker, T0).last_lease();
    still_has_it(&mut queue, "claimed", T0);
    queue.hand_back(worker, lease, T0);
    still_has_it(&mut queue, "handed back", T0);
    queue.run(worker, Outcome::Exit(1), T0);
    still_has_it(&mut queue, "failed", T0);
    queue.store.hurry(&id("a"), at(1)).unwrap();
    still_has_it(&mut queue, "hurried", at(1));
    queue.run(worker, Outcome::Interrupted, at(1));
    still_has_it(&mut queue, "interrupted", at(1));
    for started in [true, false] {
        let dying = queue.register();
        let lease = queue.claim_one(dying.id, at(2)).last_lease();
        let started = if started { vec![lease] } else { Vec::new() };
        queue.store.rescue(dying.id, &started, &POLICY, at(2)).unwrap();
        still_has_it(&mut queue, "rescued", at(2));
    }
    queue.claim_one(worker, at(3));
    queue.store.retire(worker, &POLICY, at(3)).unwrap();
    still_has_it(&mut queue, "given back by a worker that retires", at(3));
    let worker = queue.register().id;
    let lease = queue.claim_one(worker, at(4)).last_lease();
    let ends = [ended(lease, Outcome::Exit(0), at(4))];
    queue.exchange(worker, &Exchange { ended: &ends, want: 1, ..NOTHING }, at(4));
    assert_eq!(holder(&mut queue, "k", at(4)), None, "completed");
    let late = queue.end(worker, lease, Outcome::Exit(1), at(5));
    assert_eq!(late.superseded, [lease], "a late end gives nothing back a second time");
    is_sound(&mut queue);
}

pub fn a_window_outlives_its_job_and_also_its_row(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register().id;
    enqueue(&mut queue, &[within(Duration::from_mins(1), keyed("a", "k"))], T0);
    queue.run(worker, Outcome::Exit(0), at(1));
    let expected = DuplicateJob { until: Some(at(60)), ..kept(0, "a") };
    assert_eq!(enqueue(&mut queue, &[keyed("b", "k")], at(2)).duplicates, std::slice::from_ref(&expected));
    is_sound(&mut queue);
    assert_eq!(queue.prune(&[State::Completed], at(9), 9).unwrap(), 1);
    assert_eq!(enqueue(&mut queue, &[keyed("b", "k")], at(59)).duplicates, [expected]);
    is_sound(&mut queue);
    assert_eq!(enqueue(&mut queue, &[keyed("b", "k")], at(60)).added, 1);
    is_sound(&mut queue);
}

pub fn a_window_that_has_ended_keeps_no_key_of_a_job_that_goes_on(place: &dyn Place) {
    let mut queue = Queue::open(place);
    enqueue(&mut queue, &[within(Duration::from_secs(1), keyed("a", "k"))], T0);
    assert_eq!(holder(&mut queue, "k", at(99)).as_deref(), Some("a"), "it has not come to rest");
    queue.store.cancel(&id("a"), at(100)).unwrap();
    assert_eq!(holder(&mut queue, "k", at(100)), None);
}

pub fn the_first_of_a_key_in_a_batch_wins(place: &dyn Place) {
    let mut queue = Queue::open(place);
    enqueue(&mut queue, &[keyed("old", "z")], T0);
    let batch = [
        keyed("1", "b"),
        keyed("2", "a"),
        new_job("3"),
        keyed("4", "b"),
        on_duplicate(OnDuplicate::Replace, keyed("5", "a")),
        keyed("6", "z"),
        keyed("7", "z"),
        keyed("8", "c"),
    ];
    let enqueued = enqueue(&mut queue, &batch, T0);
    assert_eq!(enqueued.added, 4);
    assert_eq!(enqueued.duplicates, [kept(3, "1"), kept(4, "2"), kept(5, "old"), kept(6, "old")]);
    assert_eq!(ids(&queue.all()), ["old", "1", "2", "3", "8"], "in the order of the batch");
    is_sound(&mut queue);
}

pub fn a_duplicate_that_is_to_fail_leaves_nothing_behind(place: &dyn Place) {
    let mut queue = Queue::open(place);
    enqueue(&mut queue, &[keyed("a", "k")], T0);
    let fails = |name: &str, text: &str| on_duplicate(OnDuplicate::Fail, keyed(name, text));
    for (batch, which) in [
        ([keyed("b", "other"), new_job("c"), fails("d", "k")], "a"),
        ([new_job("c"), keyed("b", "other"), fails("d", "other")], "b"),
    ] {
        match queue.store.enqueue(&batch, OnTaken::Refuse, T0).unwrap_err() {
            StoreError::DuplicateKey { holder, index, .. } => assert_eq!((holder, index), (id(which), 2)),
            error => panic!("{error}"),
        }
        assert_eq!(ids(&queue.all()), ["a"]);
        assert_eq!(holder(&mut queue, "other", T0), None);
        is_sound(&mut queue);
    }
    // Added once more it is no other job.
    let again = queue.store.enqueue(&[fails("a", "k")], OnTaken::Skip, T0).unwrap();
    assert_eq!((again.added, again.duplicates), (0, vec![kept(0, "a")]));
}

pub fn a_duplicate_replaces_what_a_waiting_job_says(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register().id;
    let retried = NewJob { max_retries: 5, priority: 99, ..keyed("failed", "failed") };
    enqueue(&mut queue, &[retried], T0);
    queue.run(worker, Outcome::Exit(1), T0);
    let delayed = NewJob { delay: Duration::from_secs(9), ..keyed("delayed", "delayed") };
    let held = NewJob { hold: true, ..keyed("held", "held") };
    enqueue(&mut queue, &[keyed("ready", "ready"), delayed, held, new_job("last")], T0);
    let new = |text: &str, delay| {
        let job = NewJob {
            command: CommandLine::new("make new").unwrap(),
            cwd: "/new".into(),
            max_retries: 7,
            timeout: Some(Duration::from_secs(7)),
            delay: Duration::from_secs(delay),
            queue: "another".into(),
            ..keyed(&format!("new-{text}"), text)
        };
        on_duplicate(OnDuplicate::Replace, job)
    };
    for delay in [30, 0] {
        for name in ["ready", "failed", "delayed", "held"] {
            let attempts = queue.job(name).attempts;
            let replaced = enqueue(&mut queue, &[new(name, delay)], at(1));
            let expected = DuplicateJob { holder_is: HolderIs::Replaced, ..kept(0, name) };
            assert_eq!((replaced.added, replaced.duplicates), (0, vec![expected]));
            let job = queue.job(name);
            assert_eq!(
                (job.command.as_str(), job.cwd.as_str(), job.queue.as_str()),
                ("make new", "/new", "default")
            );
            assert_eq!((job.max_retries, job.timeout, job.priority), (7, Some(Duration::from_secs(7)), 0));
            let is_held = name == "held";
            let stage = match (is_held, delay) {
                (true, _) => Stage::Blocked,
                (false, 0) => Stage::Ready,
                (false, _) => Stage::Scheduled,
            };
            assert_eq!((job.stage, job.blocked_by), (stage, is_held.then_some(Blocker::Hold)), "{name}");
            assert_eq!((job.run_at, job.updated_at), ((delay > 0).then_some(at(31)), at(1)), "{name}");
            assert_eq!((job.attempts, job.created_at), (attempts, T0));
            is_sound(&mut queue);
        }
    }
    // What is ready keeps its position.
    enqueue(&mut queue, &[new("ready", 0)], at(2));
    let more = NewJob { priority: 3, ..new("delayed", 0) };
    enqueue(&mut queue, &[more], at(2));
    assert_eq!(queue.job("delayed").priority, 3);
    queue.store.release(&id("held"), at(2)).unwrap();
    let claimed = queue.claim_ids(worker, 9, at(2));
    assert_eq!(claimed, ["delayed", "last", "ready", "failed", "held"]);
    is_sound(&mut queue);
}

pub fn what_runs_or_has_ended_is_never_replaced(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register().id;
    enqueue(&mut queue, &[within(Duration::from_mins(1), keyed("a", "k"))], T0);
    let new = NewJob { command: CommandLine::new("make new").unwrap(), ..keyed("b", "k") };
    let new = on_duplicate(OnDuplicate::Replace, new);
    let lease = queue.claim_one(worker, T0).last_lease();
    for state in [State::Processing, State::Completed] {
        if state == State::Completed {
            queue.end(worker, lease, Outcome::Exit(0), at(1));
        }
        let enqueued = enqueue(&mut queue, std::slice::from_ref(&new), at(2));
        let expected = DuplicateJob { until: Some(at(60)), ..kept(0, "a") };
        assert_eq!((enqueued.added, enqueued.duplicates), (0, vec![expected]));
        assert_eq!((queue.state("a"), queue.job("a").command.as_str()), (state, "true"));
    }
    is_sound(&mut queue);
}

pub fn a_dead_job_takes_its_key_again_or_stays_dead(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register().id;
    for name in ["a", "b"] {
        enqueue(&mut queue, &[within(Duration::from_secs(20), keyed(name, name))], T0);
        queue.run(worker, Outcome::Exit(1), T0);
    }
    queue.store.retry_dead(&id("a"), at(1)).unwrap();
    assert_eq!(holder(&mut queue, "a", at(30)).as_deref(), Some("a"), "it has its key again");
    is_sound(&mut queue);
    queue.run(worker, Outcome::Exit(1), at(2));
    assert_eq!(holder(&mut queue, "a", at(19)).as_deref(), Some("a"), "its window is the first one");
    assert_eq!(holder(&mut queue, "a", at(20)), None);
    enqueue(&mut queue, &[keyed("new-a", "a")], at(30));
    match queue.store.retry_dead(&id("a"), at(31)).unwrap_err() {
        StoreError::KeyTaken { id: dead, key: taken, holder } => {
            assert_eq!((dead, taken, holder), (id("a"), key("a"), id("new-a")));
        }
        error => panic!("{error}"),
    }
    let retried = retry_all(&mut queue, at(31));
    assert_eq!((retried.done, retried.key_taken, retried.no_longer_fit()), (1, 1, 0));
    assert_eq!((queue.state("a"), queue.state("b")), (State::Dead, State::Pending));
    is_sound(&mut queue);
    queue.store.cancel(&id("new-a"), at(32)).unwrap();
    queue.store.retry_dead(&id("a"), at(33)).unwrap();
    is_sound(&mut queue);
}

pub fn of_several_dead_jobs_of_a_key_the_first_is_revived(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register().id;
    for name in ["a", "b", "c"] {
        enqueue(&mut queue, &[keyed(name, "k")], T0);
        queue.run(worker, Outcome::Exit(1), T0);
    }
    let retried = retry_all(&mut queue, at(1));
    assert_eq!((retried.done, retried.key_taken, retried.no_longer_fit()), (1, 2, 0));
    assert_eq!(["a", "b", "c"].map(|name| queue.state(name)), [State::Pending, State::Dead, State::Dead]);
    is_sound(&mut queue);
}

pub fn of_many_jobs_that_are_cancelled_each_gives_its_key_back(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register().id;
    enqueue(&mut queue, &[keyed("runs", "runs")], T0);
    let lease = queue.claim_one(worker, T0).last_lease();
    let delayed = NewJob { delay: Duration::from_secs(9), ..keyed("delayed", "delayed") };
    let held = NewJob { hold: true, ..keyed("held", "held") };
    let window = within(Duration::from_secs(20), keyed("window", "window"));
    enqueue(&mut queue, &[keyed("ready", "ready"), delayed, held, window, new_job("plain")], T0);
    let all = Wish::Cancel.narrowed(Filter::default()).unwrap();
    let seqs = queue.store.seqs(&all).unwrap();
    let granted = queue.store.grant_some(Wish::Cancel, &all, &seqs, at(1)).unwrap();
    assert_eq!((granted.done, granted.requested.len(), granted.key_taken), (5, 1, 0));
    is_sound(&mut queue);
    for free in ["ready", "delayed", "held"] {
        assert_eq!(holder(&mut queue, free, at(1)), None, "{free}");
    }
    assert_eq!(holder(&mut queue, "window", at(19)).as_deref(), Some("window"));
    assert_eq!(holder(&mut queue, "runs", at(19)).as_deref(), Some("runs"), "its worker has it still");
    queue.end(worker, lease, Outcome::Cancelled, at(20));
    assert_eq!(holder(&mut queue, "runs", at(20)), None);
    is_sound(&mut queue);
}

pub fn a_job_whose_id_is_taken_takes_no_key(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let batch = [keyed("a", "k"), keyed("b", "l")];
    let skipped = queue.store.enqueue(&batch, OnTaken::Skip, T0).unwrap();
    assert_eq!((skipped.added, skipped.skipped), (1, vec![0]));
    assert_eq!(holder(&mut queue, "k", T0), None);
    assert_eq!(holder(&mut queue, "l", T0).as_deref(), Some("b"));
    is_sound(&mut queue);
}

pub fn keys_are_told_by_those_who_have_them(place: &dyn Place) {
    let mut queue = Queue::open(place);
    enqueue(&mut queue, &[keyed("a", "été/%_"), keyed("b", "B")], T0);
    let asked = ["B", "b", "été/%_", "none"].map(key);
    let taken = queue.store.taken_keys(&asked.each_ref(), T0).unwrap();
    assert_eq!(taken, [(key("B"), id("b")), (key("été/%_"), id("a"))]);
}

pub fn keys_are_moved_and_copied_with_their_jobs(place: &dyn Place) {
    let mut old = Queue::open(place);
    let worker = old.register().id;
    enqueue(&mut old, &[within(Duration::from_mins(1), keyed("gone", "window"))], T0);
    old.run(worker, Outcome::Exit(0), T0);
    old.prune(&[State::Completed], at(9), 9).unwrap();
    enqueue(&mut old, &[keyed("waits", "held"), keyed("runs", "running"), keyed("done", "free")], T0);
    old.store.cancel(&id("done"), T0).unwrap();
    let folder = Folder::new();
    old.claim(worker, 1, T0);
    old.store.backup(&folder.path("copy.db")).unwrap();
    old.store.retire(worker, &POLICY, T0).unwrap();
    let numbers = old.store.numbers().unwrap();
    let records = all_records(old.store.as_mut(), Limits::BATCH);
    assert_eq!(old.store.inventory().unwrap().unique_keys, 3);

    let mut moved = sqlite::queue(&folder.path("moved.db"));
    let id = MoveId::random();
    moved.store.receive(&Move { id: id.clone(), place: "there".into() }).unwrap();
    moved.store.import(&id, Position::BEGINNING, &records).unwrap();
    assert_eq!(all_records(moved.store.as_mut(), Limits::BATCH), records);
    moved.store.arrive(&id, &numbers).unwrap();
    // And back to where keys are as this place has them.
    old.store.leave(&Move { id: id.clone(), place: "there".into() }).unwrap();
    old.store.switch(&id).unwrap();
    old.store.close(&id).unwrap();
    let back = MoveId::of_return();
    old.store.receive(&Move { id: back.clone(), place: "there".into() }).unwrap();
    old.store.import(&back, Position::BEGINNING, &records).unwrap();
    old.store.arrive(&back, &numbers).unwrap();

    for queue in [&mut old, &mut moved, &mut sqlite::queue(&folder.path("copy.db"))] {
        is_sound(queue);
        assert_eq!(queue.store.inventory().unwrap().unique_keys, 3);
        assert_eq!(holder(queue, "window", at(59)).as_deref(), Some("gone"));
        assert_eq!(holder(queue, "window", at(60)), None);
        assert_eq!(holder(queue, "held", at(60)).as_deref(), Some("waits"));
        assert_eq!(holder(queue, "running", at(60)).as_deref(), Some("runs"));
        assert_eq!(holder(queue, "free", at(60)), None);
        is_sound(queue);
    }
}

pub fn check_finds_keys_that_are_wrong(place: &dyn Place) {
    let mut queue = Queue::open(place);
    enqueue(&mut queue, &[keyed("a", "k"), keyed("b", "l"), new_job("c")], T0);
    is_sound(&mut queue);
    place.falsify_the_keys();
    let problems = queue.store.check().unwrap();
    assert_eq!(
        problems,
        [
            "2 unique keys are held by jobs that are at rest or gone",
            "2 jobs that are not at rest do not have their unique keys"
        ]
    );
}

pub fn keys_whose_windows_have_ended_do_not_pile_up(place: &dyn Place) {
    let mut queue = Queue::open(place);
    for number in 0..20 {
        let name = format!("job-{number}");
        let now = at(number);
        enqueue(&mut queue, &[within(Duration::from_secs(1), keyed(&name, &name))], now);
        queue.store.cancel(&id(&name), now).unwrap();
    }
    let left = queue.store.inventory().unwrap().unique_keys;
    assert!(left <= 2, "{left} keys are left");
}
