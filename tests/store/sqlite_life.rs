//! What happens to a SQLite queue while it is in use: copied, moved, replaced,
//! locked, and the files beside it.

use super::conformance::{NOTHING, POLICY, T0, new_job, new_worker};
use super::sqlite::{Folder, OPTIONS, queue};
use crate::support::trials::trials;
use queuectl_core::{Outcome, State};
use queuectl_store::{Access, Life, Location, OnTaken, OpenOptions, StoreError};
use rusqlite::Connection;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

trials![
    a_copy_is_adopted_and_its_claims_are_handed_back,
    a_queue_that_was_moved_keeps_its_jobs,
    a_database_that_was_replaced_is_noticed,
    a_database_that_was_removed_is_noticed,
    nothing_is_accepted_into_a_database_that_was_removed,
    a_missing_lock_file_is_an_error_while_workers_are_listed,
    a_missing_lock_file_is_made_when_nobody_can_miss_it,
    a_lock_file_that_is_a_symbolic_link_is_refused,
    a_doorbell_is_taken_down_with_its_worker,
    a_locked_database_is_busy_after_the_time_that_was_given,
    a_password_in_a_url_is_not_repeated,
];

fn a_copy_is_adopted_and_its_claims_are_handed_back() {
    let folder = Folder::new();
    let (path, copy) = (folder.path("queue.db"), folder.path("copy.db"));
    let mut original = queue(&path);
    original.enqueue(&["a", "b"]);
    let worker = original.register();
    let lease = original.claim_one(worker.id, T0).last_lease();
    Connection::open(&path).unwrap().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let mut adopted = queue(&copy);
    assert_eq!(adopted.state("a"), State::Pending);
    assert_eq!((adopted.job("a").attempts, adopted.job("a").crashes), (0, 0));
    assert_eq!(adopted.store.workers().unwrap(), []);
    let newcomer = adopted.register();
    assert_ne!(newcomer.run, worker.run, "processes of the original must not be taken for the copy's");
    assert_eq!(adopted.claim_ids(newcomer.id, 9, T0), ["a", "b"]);
    assert_eq!(adopted.store.check().unwrap(), [""; 0]);
    // The original goes on as if nothing had happened.
    let exchanged = original.end(worker.id, lease, Outcome::Exit(0), T0);
    assert_eq!((exchanged.superseded, original.state("a")), (Vec::new(), State::Completed));
    assert_eq!(queue(&path).store.workers().unwrap().len(), 1);
}

fn a_queue_that_was_moved_keeps_its_jobs() {
    let (folder, path) = Folder::with_a_job();
    let moved = folder.path("moved.db");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(queue(&moved).state("a"), State::Pending);
    assert!(!path.exists());
}

fn a_database_that_was_replaced_is_noticed() {
    let (folder, path) = Folder::with_a_job();
    let mut queue = queue(&path);
    let worker = queue.register();
    let other = folder.path("other.db");
    fs::copy(&path, &other).unwrap();
    fs::rename(&other, &path).unwrap();
    let error = queue.store.exchange(worker.id, &NOTHING, T0).unwrap_err();
    assert!(matches!(error, StoreError::DatabaseReplaced { .. }), "{error:?}");
}

fn a_database_that_was_removed_is_noticed() {
    let (_folder, path) = Folder::with_a_job();
    let mut queue = queue(&path);
    let worker = queue.register();
    fs::remove_file(&path).unwrap();
    let error = queue.store.exchange(worker.id, &NOTHING, T0).unwrap_err();
    assert!(matches!(error, StoreError::DatabaseReplaced { .. }), "{error:?}");
    assert!(!path.exists(), "nothing is made in its place");
}

fn nothing_is_accepted_into_a_database_that_was_removed() {
    let (_folder, path) = Folder::with_a_job();
    let mut queue = queue(&path);
    fs::remove_file(&path).unwrap();
    // Said to be on disk, it would be gone with the last connection.
    let error = queue.store.enqueue(&[new_job("b")], OnTaken::Refuse, T0).unwrap_err();
    assert!(matches!(error, StoreError::DatabaseReplaced { .. }), "{error:?}");
}

fn a_missing_lock_file_is_an_error_while_workers_are_listed() {
    let (folder, path) = Folder::with_a_job();
    let mut queue = queue(&path);
    let worker = queue.register();
    queue.claim_one(worker.id, T0);
    fs::remove_file(folder.path("queue.db-workers")).unwrap();
    let error = queue.store.lock_file().unwrap_err();
    assert!(matches!(error, StoreError::LockFileMissing { workers: 1, .. }), "{error:?}");
    let error = queue.store.register(&new_worker(), T0).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::LockFileMissing { workers: 1, .. }), "{error:?}");
    assert_eq!(queue.store.workers().unwrap().len(), 1, "who was refused is not listed");
    assert!(!folder.path("queue.db-workers").exists());
    // The worker itself notices too, and nobody calls it dead.
    worker.presence.verify().unwrap_err();
    assert_eq!(queue.store.worker(worker.id).unwrap().unwrap().life, Life::Unknown);
}

fn a_missing_lock_file_is_made_when_nobody_can_miss_it() {
    let (folder, path) = Folder::with_a_job();
    let mut queue = queue(&path);
    let first = queue.register();
    queue.store.retire(first.id, &POLICY, T0).unwrap();
    drop(first);
    fs::remove_file(folder.path("queue.db-workers")).unwrap();
    let second = queue.register();
    assert!(queue.store.lock_file().unwrap().is_held(second.id).unwrap());
}

fn a_lock_file_that_is_a_symbolic_link_is_refused() {
    let (folder, path) = Folder::with_a_job();
    fs::write(folder.path("precious"), "kept").unwrap();
    std::os::unix::fs::symlink(folder.path("precious"), folder.path("queue.db-workers")).unwrap();
    let error = queue(&path).store.register(&new_worker(), T0).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
    assert_eq!(fs::read(folder.path("precious")).unwrap(), b"kept");
}

fn a_doorbell_is_taken_down_with_its_worker() {
    let (folder, path) = Folder::with_a_job();
    let mut queue = queue(&path);
    let bells = || folder.names().into_iter().filter(|name| name.contains("-bell-")).count();
    let (well, dead) = (queue.register(), queue.register());
    assert_eq!(bells(), 2);
    queue.store.retire(well.id, &POLICY, T0).unwrap();
    drop(well);
    assert_eq!(bells(), 1);
    // A killed process drops nothing: its rescuer does.
    std::mem::forget(dead.doorbell);
    queue.store.rescue(dead.id, &[], &POLICY, T0).unwrap();
    assert_eq!(bells(), 0);
}

fn a_locked_database_is_busy_after_the_time_that_was_given() {
    let (_folder, path) = Folder::with_a_job();
    let patience = OpenOptions::new(Access::Write, Duration::from_millis(50));
    let mut store = queuectl_store::open(&Location::File(path.clone()), &patience).unwrap();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Also for a thread that has not opened it, as in a worker: what it waits without
    // being told is half a minute.
    thread::scope(|scope| {
        let adding = scope.spawn(|| {
            let began = Instant::now();
            let error = store.enqueue(&[new_job("b")], OnTaken::Refuse, T0).unwrap_err();
            // The holder is in this process.
            assert!(matches!(error, StoreError::BusyWithItself { .. }) && error.is_passing(), "{error:?}");
            assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
        });
        adding.join().unwrap();
    });
    // Who only looks is not disturbed.
    assert_eq!(store.counts().unwrap().total(), 1);
    holder.execute_batch("ROLLBACK").unwrap();
    store.enqueue(&[new_job("b")], OnTaken::Refuse, T0).unwrap();
}

fn a_password_in_a_url_is_not_repeated() {
    let url = Location::Url("nosql://me:secret@there/queue".into());
    let error = queuectl_store::open(&url, &OPTIONS).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::NoStoreFor { .. }), "{error:?}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
