//! How a queue is looked at where nothing can be written: on a full disk, on a read-only
//! file system, in a folder of another user.
//!
//! SQLite makes an index of the write-ahead log in a file beside the queue, and locks
//! parts of it; without room or right for that file, it reads nothing. But while no
//! other program has the queue open, none writes, and the files can be read as they are: the queue as
//! if it never changed, or with its log, whose index is then kept in memory. That nobody
//! has it open is made sure of by the lock that every connection shares; where no lock
//! can be taken, by looking whether another program has it, and whether the files are the same
//! afterwards.

use crate::location::beside;
use crate::{Result, StoreError};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The bytes that connections lock: one that shares them has the database open
/// (`PENDING_BYTE` and what follows, sqlite.org/fileformat.html).
const LOCKED_FROM: i64 = 0x4000_0000;
const LOCKED_BYTES: i64 = 512;

/// Tells whether an error may mean that nothing can be written.
pub(crate) fn may_be(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Full { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::ReadOnlyFileSystem { .. }
            | StoreError::Disk { .. }
            | StoreError::CannotOpen { .. }
    )
}

/// How a store looks at its queue.
pub(crate) enum Way {
    /// Through one connection, as it writes.
    Ordinary,
    /// Through a connection for each look; what makes sure during a look that no
    /// other program writes.
    WithoutWriting(Option<Hold>),
}

/// What makes sure that no other program writes.
pub(crate) enum Hold {
    /// A lock: no other program can open the queue.
    Locked(#[expect(dead_code, reason = "the lock goes with the file")] File),
    /// No other program had it open, and its files were like this.
    Watched { database: PathBuf, files: Files },
}

impl Hold {
    /// Tells whether no other program can have written meanwhile.
    pub(super) fn held(&self) -> bool {
        match self {
            Self::Locked(_) => true,
            Self::Watched { database, files } => Files::of(database) == *files && !is_open(database),
        }
    }
}

/// Opens a queue for one look; none while others have it open.
pub(super) fn look(database: &Path) -> Result<Option<(Connection, Hold)>, Trouble> {
    // Something that is to be taken back first cannot be read without writing.
    if fs::symlink_metadata(beside(database, "-journal")).is_ok_and(|journal| journal.len() > 0) {
        return Ok(None);
    }
    let hold = match OpenOptions::new().read(true).write(true).open(database) {
        Ok(file) => match fcntl(&file, FcntlArg::F_OFD_SETLK(&lock())) {
            Ok(_) => Hold::Locked(file),
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(None),
            Err(errno) => return Err(Trouble::Io(errno.into())),
        },
        Err(error) if is_refused(&error) => {
            let files = Files::of(database);
            if is_open(database) {
                return Ok(None);
            }
            Hold::Watched { database: database.to_owned(), files }
        }
        Err(error) => return Err(Trouble::Io(error)),
    };
    Ok(Some((connect(database)?, hold)))
}

/// Why a look failed.
pub(super) enum Trouble {
    Io(io::Error),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

fn connect(database: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if log_bytes(database) == 0 {
        let name = percent_encode(database.as_os_str().as_bytes(), NON_ALPHANUMERIC);
        let uri = format!("file:{name}?immutable=1");
        return Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI);
    }
    // No lock is taken, so no file for locks is needed; and in this mode the index of
    // the log is kept in memory.
    let connection = Connection::open_with_flags_and_vfs(database, flags, c"unix-none")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(connection)
}

fn log_bytes(database: &Path) -> u64 {
    fs::metadata(beside(database, "-wal")).map_or(0, |log| log.len())
}

/// Tells whether a database is written through a log, as its header says.
pub(crate) fn has_log(database: &Path) -> bool {
    const VERSIONS_AT: usize = 18;
    let mut header = [0; VERSIONS_AT + 2];
    File::open(database).and_then(|mut file| file.read_exact(&mut header)).is_ok()
        && header[VERSIONS_AT..] == [2, 2]
}

fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

fn lock() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: LOCKED_FROM,
        l_len: LOCKED_BYTES,
        l_pid: 0,
    }
}

/// Tells whether some connection shares the lock.
fn is_open(database: &Path) -> bool {
    let mut lock = lock();
    let asked = File::open(database)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        .and_then(|file| fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock)));
    asked.is_err() || i32::from(lock.l_type) != libc::F_UNLCK
}

/// What shows that a database or its log was written: size and times of both.
#[derive(PartialEq, Eq)]
pub(crate) struct Files([Option<(u64, i64, i64, u64)>; 2]);

impl Files {
    fn of(database: &Path) -> Self {
        let shown = |path: &Path| {
            let file = fs::metadata(path).ok()?;
            Some((file.len(), file.mtime(), file.mtime_nsec(), file.ino()))
        };
        Self([shown(database), shown(&beside(database, "-wal"))])
    }
}
