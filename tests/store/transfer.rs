//! How a queue leaves a place and comes to another: what every store does.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, id, new_job, new_worker};
use super::sqlite::{Folder, queue};
use queuectl_core::{Filter, Lease, Outcome, Seq, State, Wish};
use queuectl_store::{
    Exchange, Limits, Move, MoveId, Numbers, OnTaken, Position, Record, Stage, Store, StoreError,
};
use std::time::Duration;

/// A move, as this end is told of it.
fn a_move() -> Move {
    Move { id: MoveId::random(), place: "the other place".into() }
}

fn stage(queue: &mut Queue) -> Stage {
    queue.store.whereabouts().unwrap().unwrap().stage
}

/// Everything there is, in its order.
pub fn all_records(store: &mut dyn Store, limits: Limits) -> Vec<Record> {
    let (mut records, mut after) = (Vec::new(), Position::BEGINNING);
    loop {
        let batch = store.export(after, limits).unwrap();
        let Some(last) = batch.last() else { return records };
        after = last.position();
        records.extend(batch);
    }
}

/// Another queue, with a completed and a dead job, with output, and one that waits.
fn records() -> (Vec<Record>, Numbers) {
    let (_folder, path) = Folder::with_a_job();
    let mut old = queue(&path);
    old.enqueue(&["b", "c"]);
    let worker = old.register().id;
    old.run(worker, Outcome::Exit(0), T0);
    let lease = old.claim_one(worker, T0).last_lease();
    let output = [super::output::part(lease, 0, b"words")];
    old.exchange(worker, &Exchange { output: &output, ..NOTHING }, T0);
    old.end(worker, lease, Outcome::Exit(1), at(1));
    old.store.retire(worker, &POLICY, at(2)).unwrap();
    let numbers = old.store.numbers().unwrap();
    (all_records(old.store.as_mut(), Limits::BATCH), numbers)
}

pub fn a_queue_that_leaves_refuses_jobs_and_workers_and_can_be_read(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["dead", "waits"]);
    let worker = queue.register().id;
    let mut dies = new_job("dies");
    dies.max_retries = 0;
    dies.priority = 1;
    queue.accept(&[dies], T0);
    queue.run(worker, Outcome::Exit(1), T0);
    queue.store.retire(worker, &POLICY, T0).unwrap();
    let moved = a_move();
    queue.store.leave(&moved).unwrap();
    assert_eq!(stage(&mut queue), Stage::Leaving(moved.clone()));

    // One that was connected before, and one that comes later.
    for mut queue in [queue, Queue::open(place)] {
        let refused = |result: Result<(), StoreError>| match result.unwrap_err() {
            StoreError::Moved { to, .. } => assert_eq!(to, "the other place"),
            error => panic!("{error}"),
        };
        let store = &mut queue.store;
        refused(store.enqueue(&[new_job("new")], OnTaken::Skip, T0).map(drop));
        refused(store.register(&new_worker(), T0).map(drop));
        refused(store.cancel(&id("waits"), T0).map(drop));
        refused(store.retry_dead(&id("dies"), T0));
        refused(store.grant_some(Wish::Retry, &Filter::default(), &[Seq(1)], T0).map(drop));
        refused(store.hold(&id("waits"), T0));
        refused(store.prune(&Filter::of_states(&[State::Dead])).map(drop));
        refused(store.insist_open());
        refused(store.leave(&a_move()));
        refused(store.receive(&a_move()));
        assert_eq!(queue.all().len(), 3);
        assert_eq!((queue.state("dies"), queue.state("waits")), (State::Dead, State::Pending));
        let seq = queue.job("dies").seq;
        assert_eq!(queue.store.attempts(seq).unwrap().len(), 1);
        assert_eq!(queue.store.counts().unwrap().total(), 3);
        assert_eq!(queue.store.check().unwrap(), [""; 0]);
        // The same command again.
        queue.store.leave(&moved).unwrap();
    }
}

pub fn a_worker_amid_a_move_hands_in_what_it_has_and_claims_nothing(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b", "c"]);
    let worker = queue.register().id;
    let held: Vec<Lease> = queue.claim(worker, 2, T0).iter().map(queuectl_core::Job::last_lease).collect();
    Queue::open(place).store.leave(&a_move()).unwrap();
    let looked = queue.exchange(worker, &Exchange { want: 5, ..NOTHING }, at(1));
    assert!(looked.claimed.is_empty() && looked.stop.is_some() && !looked.was_called_dead);
    let output = [super::output::part(held[0], 0, b"words")];
    let ended = [super::conformance::ended(held[0], Outcome::Exit(0), at(1))];
    let exchange = Exchange { output: &output, ended: &ended, want: 5, ..NOTHING };
    let exchanged = queue.exchange(worker, &exchange, at(1));
    assert_eq!((exchanged.finished.len(), exchanged.superseded.len()), (1, 0));
    assert!(exchanged.claimed.is_empty(), "nothing is claimed any more");
    queue.store.retire(worker, &POLICY, at(2)).unwrap();
    assert_eq!(
        (queue.state("a"), queue.state("b"), queue.state("c")),
        (State::Completed, State::Pending, State::Pending)
    );
    assert_eq!(queue.store.output(held[0], 0, 9).unwrap()[0].bytes, b"words");
    assert!(queue.store.workers().unwrap().is_empty());
}

pub fn a_queue_that_leaves_still_takes_back_what_a_dead_worker_held(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let registration = queue.register();
    let (worker, stops) = (registration.id, queue.store.stops().unwrap());
    queue.claim_one(worker, T0);
    drop(registration);
    queue.store.leave(&a_move()).unwrap();
    assert!(queue.store.stops().unwrap() > stops, "its manager replaces nobody");
    let mut other = Queue::open(place);
    let found = other.store.worker(worker).unwrap().unwrap();
    let taken = other.store.take(&found).unwrap();
    assert!(taken.is_some());
    assert_eq!(other.store.rescue(worker, &[], &POLICY, at(1)).unwrap().jobs.len(), 1);
    assert_eq!(queue.state("a"), State::Pending);
}

pub fn a_move_that_is_given_up_opens_the_queue_again(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let moved = a_move();
    queue.store.leave(&moved).unwrap();
    queue.store.switch(&moved.id).unwrap();
    let another = queue.store.turn_back(&MoveId::random());
    assert!(matches!(another, Err(StoreError::NotThisMove { .. })), "{another:?}");
    assert_eq!(queue.store.turn_back(&moved.id).unwrap(), Stage::Switching(moved.clone()));
    assert_eq!(queue.store.turn_back(&moved.id).unwrap(), Stage::Staying(moved.clone()));
    let late = queue.store.switch(&moved.id);
    assert!(matches!(late, Err(StoreError::NotThisMove { .. })), "{late:?}");
    let closed = queue.store.insist_open();
    assert!(matches!(closed, Err(StoreError::Staying { .. })), "{closed:?}");
    queue.store.stay(&moved.id).unwrap();
    assert_eq!(stage(&mut queue), Stage::Idle);
    queue.enqueue(&["a"]);
    let worker = queue.register().id;
    assert_eq!(queue.claim_ids(worker, 5, T0), ["a"]);
    // Another process that still copies cannot finish.
    let late = queue.store.close(&moved.id);
    assert!(matches!(late, Err(StoreError::NotThisMove { .. })), "{late:?}");
}

pub fn a_queue_in_use_receives_nothing(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let refused = queue.store.receive(&a_move());
    assert!(matches!(refused, Err(StoreError::NotEmpty { .. })), "{refused:?}");
    assert_eq!(stage(&mut queue), Stage::Idle);
    queue.enqueue(&["b"]);
}

pub fn a_queue_that_receives_is_closed_until_it_is_complete(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let moved = a_move();
    queue.store.receive(&moved).unwrap();
    queue.store.receive(&moved).unwrap();
    for store in [&mut queue.store, &mut Queue::open(place).store] {
        let refused = |result: Result<(), StoreError>| match result.unwrap_err() {
            StoreError::Arriving { from, .. } => assert_eq!(from, "the other place"),
            error => panic!("{error}"),
        };
        refused(store.enqueue(&[new_job("a")], OnTaken::Refuse, T0).map(drop));
        refused(store.register(&new_worker(), T0).map(drop));
        refused(store.insist_open());
        refused(store.leave(&a_move()));
        refused(store.receive(&a_move()));
        refused(store.backup(&Folder::new().path("copy.db")).map(drop));
    }
    queue.store.arrive(&moved.id, &Numbers::default()).unwrap();
    queue.store.arrive(&moved.id, &Numbers::default()).unwrap();
    assert_eq!(stage(&mut queue), Stage::Arrived(moved));
    queue.enqueue(&["a"]);
}

pub fn a_batch_that_comes_twice_is_added_once(place: &dyn Place) {
    let (records, _) = records();
    let mut queue = Queue::open(place);
    let moved = a_move();
    queue.store.receive(&moved).unwrap();
    let (first, second) = records.split_at(records.len() / 2);
    let after = queue.store.import(&moved.id, Position::BEGINNING, first).unwrap();
    assert_eq!(after, first.last().unwrap().position());
    // A second program of the same move, or the same one after a kill.
    assert_eq!(Queue::open(place).store.import(&moved.id, Position::BEGINNING, first).unwrap(), after);
    assert_eq!(queue.store.last_imported().unwrap(), after);
    queue.store.import(&moved.id, after, second).unwrap();
    assert_eq!(queue.store.import(&moved.id, after, second).unwrap(), records.last().unwrap().position());
    let another = queue.store.import(&MoveId::random(), after, second);
    assert!(matches!(another, Err(StoreError::NotThisMove { .. })), "{another:?}");
    assert_eq!(all_records(queue.store.as_mut(), Limits::BATCH), records);
    assert_eq!(all_records(queue.store.as_mut(), Limits { records: 1, bytes: 1 }), records);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
    assert_eq!(queue.store.counts().unwrap(), queue.store.inventory().unwrap().jobs);
}

pub fn what_is_withdrawn_leaves_nothing_behind(place: &dyn Place) {
    let (records, _) = records();
    let mut queue = Queue::open(place);
    let moved = a_move();
    queue.store.receive(&moved).unwrap();
    queue.store.import(&moved.id, Position::BEGINNING, &records).unwrap();
    queue.store.withdraw(&moved.id).unwrap();
    assert_eq!(queue.store.inventory().unwrap().records(), 0);
    assert_eq!(queue.store.counts().unwrap().total(), 0);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
    let late = queue.store.import(&moved.id, Position::BEGINNING, &records);
    assert!(matches!(late, Err(StoreError::NotThisMove { .. })), "{late:?}");
    queue.enqueue(&["a"]);
}

pub fn what_was_given_out_at_the_old_location_is_not_given_out_at_the_new(place: &dyn Place) {
    let (records, numbers) = records();
    let mut queue = Queue::open(place);
    let moved = a_move();
    queue.store.receive(&moved).unwrap();
    queue.store.import(&moved.id, Position::BEGINNING, &records).unwrap();
    // As if the last ones had been pruned.
    let given_out = Numbers {
        last_job: numbers.last_job + 40,
        last_worker: numbers.last_worker + 40,
        next_position: numbers.next_position + 40,
    };
    queue.store.arrive(&moved.id, &given_out).unwrap();
    assert_eq!(queue.store.numbers().unwrap(), given_out);
    queue.enqueue(&["new"]);
    assert_eq!(queue.job("new").seq.0, given_out.last_job + 1);
    let worker = queue.register().id;
    assert_eq!(worker.0, given_out.last_worker + 1);
    assert_eq!(queue.claim_ids(worker, 9, at(1)), ["c", "new"], "it stands at the end of the line");
    assert_eq!(queue.claim_ids(worker, 9, at(3)), ["b"], "what has failed falls due when it would have");
}

pub fn a_queue_that_was_moved_can_be_moved_on(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (here, on) = (a_move(), a_move());
    queue.store.receive(&here).unwrap();
    queue.store.arrive(&here.id, &Numbers::default()).unwrap();
    queue.enqueue(&["a"]);
    queue.store.leave(&on).unwrap();
    assert_eq!(stage(&mut queue), Stage::Leaving(on.clone()));
    assert!(queue.store.arrive(&here.id, &Numbers::default()).is_err());
    queue.store.switch(&on.id).unwrap();
    queue.store.close(&on.id).unwrap();
    let late = queue.store.turn_back(&on.id);
    assert!(matches!(late, Err(StoreError::NotThisMove { .. })), "{late:?}");
    let refused = queue.store.enqueue(&[new_job("b")], OnTaken::Refuse, T0.after(Duration::from_secs(1)));
    assert!(matches!(refused, Err(StoreError::Moved { .. })), "{refused:?}");
}
