//! What a SQLite queue is as a file: refused clearly, or kept safe.

use super::conformance::{NOTHING, POLICY, Queue, T0, id, new_job, new_worker};
use super::sqlite::OPTIONS;
use crate::support::trials::trials;
use queuectl_core::State;
use queuectl_store::{Access, Location, OnTaken, OpenOptions, Store, StoreError};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

trials![
    a_file_that_is_no_database_is_refused_and_kept,
    the_database_of_another_program_is_refused_and_kept,
    an_empty_database_of_another_kind_is_refused,
    a_newer_schema_is_refused_and_kept,
    a_folder_is_refused,
    a_path_through_a_file_is_refused,
    a_database_with_two_hard_links_is_refused,
    a_symbolic_link_leads_to_the_same_queue,
    a_broken_symbolic_link_is_no_way_to_a_queue_for_readers,
    a_damaged_database_is_an_error_and_not_an_empty_queue,
    a_truncated_database_is_an_error,
    an_empty_file_becomes_a_queue,
    a_queue_that_is_being_made_reads_as_an_empty_one,
    reading_creates_nothing,
    reading_never_writes,
    files_are_private_from_the_beginning,
    an_existing_folder_keeps_its_mode,
    two_threads_that_create_at_once_make_one_queue,
    it_is_in_wal_mode_with_our_mark,
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

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A queue with one job in it, closed again.
    fn with_a_job() -> (Self, PathBuf) {
        let folder = Self::new();
        let path = folder.path("queue.db");
        queue(&path).enqueue(&["a"]);
        (folder, path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn open(path: &Path, access: Access) -> Result<Box<dyn Store>, StoreError> {
    queuectl_store::open(&Location::File(path.to_owned()), &OpenOptions { access, ..OPTIONS })
}

fn queue(path: &Path) -> Queue {
    Queue { store: open(path, Access::Write).unwrap() }
}

/// Asserts that both ways to open a file refuse it, and leave it as it is.
fn is_refused(path: &Path, is_the_reason: impl Fn(&StoreError) -> bool) {
    let before = fs::read(path).ok();
    for access in [Access::Read, Access::Write] {
        match open(path, access) {
            Ok(_) => panic!("it was opened for {access:?}"),
            Err(error) => assert!(is_the_reason(&error), "{access:?}: {error:?}"),
        }
    }
    assert_eq!(fs::read(path).ok(), before, "the file was changed");
}

fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = Folder::new();
    let path = folder.path("queue.db");
    fs::write(&path, "Dear diary, today I wrote a file that is longer than a header. ".repeat(99)).unwrap();
    is_refused(&path, |error| matches!(error, StoreError::NotOurs { .. }));
    fs::write(&path, "short").unwrap();
    is_refused(&path, |error| matches!(error, StoreError::NotOurs { .. }));
}

fn the_database_of_another_program_is_refused_and_kept() {
    let folder = Folder::new();
    let path = folder.path("queue.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE job (id); INSERT INTO job VALUES (1)").unwrap();
    drop(other);
    is_refused(&path, |error| matches!(error, StoreError::NotOurs { .. }));
}

fn an_empty_database_of_another_kind_is_refused() {
    let folder = Folder::new();
    let path = folder.path("queue.db");
    Connection::open(&path).unwrap().execute_batch("PRAGMA application_id = 7; VACUUM").unwrap();
    is_refused(&path, |error| matches!(error, StoreError::NotOurs { .. }));
}

fn a_newer_schema_is_refused_and_kept() {
    let (_folder, path) = Folder::with_a_job();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    is_refused(&path, |error| matches!(error, StoreError::NewerSchema { found: 99, .. }));
}

fn a_folder_is_refused() {
    let folder = Folder::new();
    is_refused(folder.0.path(), |error| matches!(error, StoreError::CannotOpen { .. }));
}

fn a_path_through_a_file_is_refused() {
    let folder = Folder::new();
    fs::write(folder.path("file"), "").unwrap();
    is_refused(&folder.path("file").join("queue.db"), |error| matches!(error, StoreError::CannotOpen { .. }));
}

fn a_database_with_two_hard_links_is_refused() {
    let (folder, path) = Folder::with_a_job();
    fs::hard_link(&path, folder.path("other.db")).unwrap();
    is_refused(&path, |error| matches!(error, StoreError::HardLinked { links: 2, .. }));
    fs::remove_file(folder.path("other.db")).unwrap();
    assert_eq!(queue(&path).state("a"), State::Pending);
}

fn a_symbolic_link_leads_to_the_same_queue() {
    let (folder, path) = Folder::with_a_job();
    let link = folder.path("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mut through = queue(&link);
    through.enqueue(&["b"]);
    let _worker = through.register();
    assert_eq!(queue(&path).all().len(), 2);
    let beside_the_link: Vec<String> =
        folder.names().into_iter().filter(|name| name.starts_with("link.db-")).collect();
    assert_eq!(beside_the_link, [""; 0], "logs and locks lie beside the real file");
}

fn a_broken_symbolic_link_is_no_way_to_a_queue_for_readers() {
    let folder = Folder::new();
    std::os::unix::fs::symlink(folder.path("nowhere"), folder.path("queue.db")).unwrap();
    let mut store = open(&folder.path("queue.db"), Access::Read).unwrap();
    assert!(store.counts().unwrap().is_zero());
    assert_eq!(folder.names(), ["queue.db"]);
}

fn a_damaged_database_is_an_error_and_not_an_empty_queue() {
    let (_folder, path) = Folder::with_a_job();
    let mut bytes = fs::read(&path).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page.fill(0x5a);
    }
    fs::write(&path, bytes).unwrap();
    let outcome = open(&path, Access::Read).and_then(|mut store| store.counts());
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
    let outcome =
        open(&path, Access::Write).and_then(|mut store| store.enqueue(&[new_job("b")], OnTaken::Refuse, T0));
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
}

fn a_truncated_database_is_an_error() {
    let (_folder, path) = Folder::with_a_job();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
    let outcome =
        open(&path, Access::Write).and_then(|mut store| store.enqueue(&[new_job("b")], OnTaken::Refuse, T0));
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
}

fn an_empty_file_becomes_a_queue() {
    let folder = Folder::new();
    let path = folder.path("queue.db");
    fs::write(&path, "").unwrap();
    assert!(open(&path, Access::Read).unwrap().counts().unwrap().is_zero());
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    queue(&path).enqueue(&["a"]);
    assert_eq!(queue(&path).all().len(), 1);
}

fn a_queue_that_is_being_made_reads_as_an_empty_one() {
    let folder = Folder::new();
    let path = folder.path("queue.db");
    // What a reader finds between the first two steps of whoever makes it.
    let maker = Connection::open(&path).unwrap();
    maker.pragma_update(None, "auto_vacuum", "INCREMENTAL").unwrap();
    let mode: String = maker.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let counts = open(&path, Access::Read).and_then(|mut store| store.counts());
    assert!(matches!(&counts, Ok(counts) if counts.is_zero()), "{counts:?}");
}

fn reading_creates_nothing() {
    let folder = Folder::new();
    for path in [folder.path("queue.db"), folder.path("no/such/folder/queue.db")] {
        let mut store = open(&path, Access::Read).unwrap();
        assert!(store.counts().unwrap().is_zero());
        assert_eq!(store.job(&id("a")).unwrap(), None);
        assert_eq!(store.workers().unwrap(), []);
        assert_eq!(store.check().unwrap(), [""; 0]);
        assert_eq!(folder.names(), [""; 0]);
    }
}

fn reading_never_writes() {
    let (_folder, path) = Folder::with_a_job();
    let mut store = open(&path, Access::Read).unwrap();
    store.enqueue(&[new_job("b")], OnTaken::Refuse, T0).unwrap_err();
    store.cancel(&id("a"), T0).unwrap_err();
    drop(store);
    let mut queue = queue(&path);
    assert_eq!((queue.all().len(), queue.state("a")), (1, State::Pending));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn files_are_private_from_the_beginning() {
    let folder = Folder::new();
    let path = folder.path("a/b/queue.db");
    let mut queue = queue(&path);
    queue.enqueue(&["a"]);
    let _worker = queue.register();
    for made in ["a", "a/b"] {
        assert_eq!(mode(&folder.path(made)), 0o700, "{made}");
    }
    let files: Vec<PathBuf> =
        fs::read_dir(folder.path("a/b")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 5, "database, log, index, locks, doorbell: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

fn an_existing_folder_keeps_its_mode() {
    let folder = Folder::new();
    fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    queue(&folder.path("queue.db"));
    assert_eq!((mode(folder.0.path()), mode(&folder.path("queue.db"))), (0o755, 0o600));
}

fn two_threads_that_create_at_once_make_one_queue() {
    for _ in 0..10 {
        let folder = Folder::new();
        let path = folder.path("new/queue.db");
        thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let path = &path;
                scope.spawn(move || queue(path).enqueue(&[name]));
            }
        });
        let mut queue = queue(&path);
        assert_eq!(queue.all().len(), 4);
        assert_eq!(queue.store.check().unwrap(), [""; 0]);
    }
}

fn it_is_in_wal_mode_with_our_mark() {
    let (_folder, path) = Folder::with_a_job();
    let connection = Connection::open(&path).unwrap();
    let text: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(text, "wal");
    assert_eq!((number("application_id"), number("user_version")), (0x7175_6374, 1));
    assert_eq!(number("auto_vacuum"), 2, "incremental");
}

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
    let exchanged = original.end(worker.id, lease, queuectl_core::Outcome::Exit(0), T0);
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

fn nothing_is_accepted_into_a_database_that_was_removed() {
    let (_folder, path) = Folder::with_a_job();
    let mut queue = queue(&path);
    fs::remove_file(&path).unwrap();
    // Said to be on disk, it would be gone with the last connection.
    let error = queue.store.enqueue(&[new_job("b")], OnTaken::Refuse, T0).unwrap_err();
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
    assert_eq!(queue.store.worker(worker.id).unwrap().unwrap().life, queuectl_store::Life::Unknown);
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
    assert!(queue(&path).store.register(&new_worker(), T0).is_err());
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
    assert!(fs::metadata(&path).unwrap().nlink() == 1);
}

fn a_locked_database_is_busy_after_the_time_that_was_given() {
    let (_folder, path) = Folder::with_a_job();
    let patience = OpenOptions { access: Access::Write, busy_timeout: Duration::from_millis(50) };
    let mut store = queuectl_store::open(&Location::File(path.clone()), &patience).unwrap();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.enqueue(&[new_job("b")], OnTaken::Refuse, T0).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }) && error.is_passing(), "{error:?}");
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
