//! How a worker shows that it lives.
//!
//! Beside the database lies one file, `<database>-workers`. Worker N holds an
//! open-file-description lock on byte N of it from before its row is committed
//! until it dies, and the kernel frees that lock at death, at once. No clocks,
//! no pid files. (A killed holder's lock was free after 0.4 ms; pid plus start
//! time is not unique; POSIX locks vanish when any descriptor is closed.)
//!
//! The file's contents are an entry for each worker (see `entry`), and notes: for
//! each of its slots, which claim it is about to start or runs, and its process. They
//! are written before each spawn and never synced: they matter when a worker dies,
//! and after a power cut nothing of it is left to matter. Locks are advisory, so that the same bytes
//! can be locked by one worker and written by another.

mod entry;
mod layout;
mod lock_file;
mod notes;
mod presence;

pub use entry::{Entry, Found};
pub use lock_file::LockFile;
pub(crate) use lock_file::lock_file_path;
pub use notes::Note;
pub use presence::{Presence, Taken};
