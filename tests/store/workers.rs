//! Workers: how they show that they live, and how they are told to stop.

use super::conformance::{NOTHING, POLICY, Place, Queue, T0, at, new_worker};
use queuectl_core::{Lease, QueueSet, Seq, State, WorkerId};
use queuectl_store::{LeaseTimes, Life, NewWorker, Note, Stop};
use std::time::Duration;

pub fn a_worker_lives_until_its_lock_is_dropped(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let mut other = Queue::open(place);
    let worker = queue.register();
    let life = |queue: &mut Queue, id| queue.store.worker(id).unwrap().unwrap().life;
    assert_eq!(life(&mut other, worker.id), Life::Alive);
    assert!(other.store.lock_file().unwrap().is_held(worker.id).unwrap());
    let id = worker.id;
    drop(worker);
    assert_eq!(life(&mut other, id), Life::Dead);
    assert!(!other.store.lock_file().unwrap().is_held(id).unwrap());
    // Its row stays until another process has rescued it.
    let listed: Vec<(WorkerId, Life)> =
        other.store.workers().unwrap().iter().map(|worker| (worker.id, worker.life)).collect();
    assert_eq!(listed, [(id, Life::Dead)]);
}

pub fn numbers_of_workers_are_never_reused(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let first = queue.register().id;
    queue.store.retire(first, &POLICY, T0).unwrap();
    let second = queue.register().id;
    assert!(second > first);
}

pub fn a_worker_is_on_the_roster_until_it_retires(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (first, second) = (queue.register(), queue.register());
    assert_eq!(queue.exchange(first.id, &NOTHING, T0).roster, [first.id, second.id]);
    queue.store.retire(second.id, &POLICY, at(5)).unwrap();
    assert_eq!(queue.exchange(first.id, &NOTHING, T0).roster, [first.id]);
    assert_eq!(queue.store.workers().unwrap().len(), 1);
    let ended = queue.store.worker(second.id).unwrap().unwrap();
    assert_eq!(
        (ended.ended_at, ended.life),
        (Some(at(5)), Life::Dead),
        "its lock is still held, but it has ended"
    );
    assert_eq!(queue.store.worker(WorkerId(999)).unwrap(), None);
}

pub fn a_worker_that_retires_hands_back_what_it_holds(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    let worker = queue.register();
    queue.claim(worker.id, 2, T0);
    queue.store.retire(worker.id, &POLICY, at(1)).unwrap();
    assert_eq!((queue.state("a"), queue.state("b")), (State::Pending, State::Pending));
    assert_eq!((queue.job("a").attempts, queue.job("a").crashes), (0, 0));
    assert_eq!(queue.store.claims(worker.id).unwrap(), []);
}

pub fn everything_about_a_worker_round_trips(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let given = NewWorker {
        host: "máquina-1".into(),
        pid: u32::MAX,
        manager_pid: 77,
        boot_id: "some boot".into(),
        pid_namespace: u64::MAX,
        concurrency: 1024,
        path: "/a:/b c".into(),
        queues: QueueSet::of(["b", "a-*"]).unwrap(),
        lease: LeaseTimes::of(Duration::from_secs(77)),
    };
    let registration = queue.store.register(&given, at(3)).unwrap();
    let worker = queue.store.worker(registration.id).unwrap().unwrap();
    assert_eq!((worker.host, worker.pid, worker.manager_pid), (given.host, given.pid, given.manager_pid));
    assert_eq!((worker.boot_id, worker.pid_namespace), (given.boot_id, given.pid_namespace));
    assert_eq!((worker.concurrency, worker.path), (given.concurrency, given.path));
    assert_eq!(worker.queues, given.queues);
    assert_eq!((worker.started_at, worker.ended_at, worker.stop), (at(3), None, None));
    assert_eq!((worker.jobs_done, worker.jobs_now), (0, 0));
    // Where no server is told who lives, there is none.
    assert_eq!(worker.lease, worker.heartbeat_at.map(|_| given.lease));
    assert_eq!(worker.run, registration.run);
    assert!(!registration.run.is_empty());
    assert_eq!(queue.register().run, registration.run, "the mark is the queue's, not the worker's");
}

pub fn a_request_to_stop_reaches_only_whom_it_names(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (first, second) = (queue.register(), queue.register());
    queue.store.request_stop(&[first.id], Stop::Graceful, T0).unwrap();
    assert_eq!(queue.exchange(first.id, &NOTHING, T0).stop, Some(Stop::Graceful));
    assert_eq!(queue.exchange(second.id, &NOTHING, T0).stop, None);
    // A worker that starts now was not meant.
    let third = queue.register();
    assert_eq!(queue.exchange(third.id, &NOTHING, T0).stop, None);
}

pub fn a_request_to_stop_only_gets_stronger(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register();
    for (asked, kept) in
        [(Stop::Graceful, Stop::Graceful), (Stop::Forced, Stop::Forced), (Stop::Graceful, Stop::Forced)]
    {
        queue.store.request_stop(&[worker.id], asked, T0).unwrap();
        assert_eq!(queue.exchange(worker.id, &NOTHING, T0).stop, Some(kept));
        assert_eq!(queue.store.worker(worker.id).unwrap().unwrap().stop, Some(kept));
    }
}

pub fn a_request_to_stop_ends_with_its_worker(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register();
    queue.store.retire(worker.id, &POLICY, T0).unwrap();
    queue.store.request_stop(&[worker.id, WorkerId(999)], Stop::Forced, T0).unwrap();
    let next = queue.register();
    assert_eq!(queue.exchange(next.id, &NOTHING, T0).stop, None);
}

pub fn a_stop_that_is_noted_is_seen_and_asks_nobody(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let (worker, other) = (queue.register(), queue.register());
    assert!(queue.store.has_workers("default").unwrap());
    let stops = queue.store.stops().unwrap();
    queue.store.note_stop(worker.id, Stop::Graceful).unwrap();
    assert_eq!(queue.store.worker(worker.id).unwrap().unwrap().stop, Some(Stop::Graceful));
    assert_eq!(queue.store.worker(other.id).unwrap().unwrap().stop, None);
    assert_eq!(queue.store.stops().unwrap(), stops);
    assert!(queue.store.has_workers("default").unwrap());
    queue.store.note_stop(other.id, Stop::Forced).unwrap();
    assert!(!queue.store.has_workers("default").unwrap());
}

pub fn ring_wakes_every_worker(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let mut workers = [queue.register(), queue.register()];
    let patience = Duration::from_mins(1);
    queue.store.ring().unwrap();
    assert!(workers.iter_mut().all(|worker| worker.doorbell.wait(patience)));
    assert!(workers.iter_mut().all(|worker| !worker.doorbell.wait(Duration::ZERO)), "a ring is heard once");
    let named = workers[1].id;
    queue.store.request_stop(&[named], Stop::Graceful, T0).unwrap();
    assert!(workers[1].doorbell.wait(patience));
    assert!(!workers[0].doorbell.wait(Duration::ZERO));
}

pub fn a_dead_workers_lock_has_one_taker(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let mut other = Queue::open(place);
    let worker = queue.register();
    let region = queue.store.worker(worker.id).unwrap().unwrap().note_region;
    let (mine, theirs) = (queue.store.lock_file().unwrap(), other.store.lock_file().unwrap());
    assert!(mine.take(worker.id, region).unwrap().is_none(), "it lives");
    let id = worker.id;
    drop(worker);
    let taken = mine.take(id, region).unwrap();
    assert!(taken.is_some());
    assert!(theirs.take(id, region).unwrap().is_none(), "another process rescues it");
    assert!(mine.take(id, region).unwrap().is_none(), "also in the same process");
    drop(taken);
    assert!(theirs.take(id, region).unwrap().is_some());
}

pub fn a_dead_workers_notes_can_be_read(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let worker = queue.register();
    let region = queue.store.worker(worker.id).unwrap().unwrap().note_region;
    let note = |seq, number, pid| Note { lease: Lease { seq: Seq(seq), number }, pid };
    worker.presence.note(0, note(1, 1, 0)).unwrap();
    worker.presence.note(0, note(1, 1, 4711)).unwrap();
    worker.presence.note(31, note(i64::MAX, 3, u32::MAX)).unwrap();
    worker.presence.verify().unwrap();
    let id = worker.id;
    drop(worker);
    let taken = queue.store.lock_file().unwrap().take(id, region).unwrap().unwrap();
    assert_eq!(taken.notes().unwrap(), [note(1, 1, 4711), note(i64::MAX, 3, u32::MAX)]);
}

pub fn a_new_worker_finds_no_old_notes(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let first = queue.register();
    let region = |queue: &mut Queue, id| queue.store.worker(id).unwrap().unwrap().note_region;
    let of_first = region(&mut queue, first.id);
    first.presence.note(5, Note { lease: Lease { seq: Seq(1), number: 1 }, pid: 9 }).unwrap();
    first.presence.retire().unwrap();
    queue.store.retire(first.id, &POLICY, T0).unwrap();
    let second = queue.register();
    assert_eq!(region(&mut queue, second.id), of_first, "the room of a worker that has ended is used again");
    let id = second.id;
    drop(second);
    let taken = queue.store.lock_file().unwrap().take(id, of_first).unwrap().unwrap();
    assert_eq!(taken.notes().unwrap(), []);
}

/// The processes that are left here must still find what that worker had started.
pub fn the_room_of_a_worker_that_was_only_called_dead_is_nobodys(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let first = queue.register();
    let lock_file = queue.store.lock_file().unwrap();
    let is_closed = |worker| {
        let entries = lock_file.entries().unwrap();
        entries.iter().find(|found| found.entry.worker == worker).unwrap().is_closed()
    };
    queue.store.rescue(first.id, &[], &POLICY, T0).unwrap();
    assert!(!is_closed(first.id));
    let second = queue.register();
    let lease = queue.store.worker(second.id).unwrap().unwrap().lease;
    assert!(!is_closed(second.id) && (lease.is_none() || !is_closed(first.id)));
    first.presence.retire().unwrap();
    assert!(!is_closed(second.id) && (lease.is_none() || is_closed(first.id)));
}

pub fn two_workers_have_separate_notes(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let workers = [queue.register(), queue.register(), queue.register()];
    let mut known = Vec::new();
    for (index, worker) in workers.into_iter().enumerate() {
        let region = queue.store.worker(worker.id).unwrap().unwrap().note_region;
        let note = Note { lease: Lease { seq: Seq(index as i64 + 1), number: 1 }, pid: 1 };
        worker.presence.note(1023, note).unwrap();
        known.push((worker.id, region, note));
    }
    let lock_file = queue.store.lock_file().unwrap();
    for (id, region, note) in known {
        assert_eq!(lock_file.take(id, region).unwrap().unwrap().notes().unwrap(), [note]);
    }
    // What has no worker has no notes either.
    let unused = new_worker();
    assert_eq!(queue.store.register(&unused, T0).unwrap().id, WorkerId(4));
}
