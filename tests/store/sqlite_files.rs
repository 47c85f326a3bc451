//! What a SQLite queue is as a file: refused clearly, or kept safe.

use super::conformance::{T0, id, new_job};
use super::sqlite::{Folder, open, queue};
use crate::support::trials::trials;
use queuectl_core::State;
use queuectl_store::{Access, OnTaken, StoreError};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

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
];

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
    is_refused(folder.root(), |error| matches!(error, StoreError::CannotOpen { .. }));
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
    // What a reader finds between the first two steps of the program that makes it.
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
    fs::set_permissions(folder.root(), fs::Permissions::from_mode(0o755)).unwrap();
    queue(&folder.path("queue.db"));
    assert_eq!((mode(folder.root()), mode(&folder.path("queue.db"))), (0o755, 0o600));
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
