//! Whose files a program uses, of which type, and to whom belongs what it makes.
//!
//! - A queue is used by its owner. Root uses what belongs to another user only if it
//!   was told to ([`Owners`]): its jobs would run as root, and what root makes would
//!   lock the owner out.
//! - What stands beside a queue is a file of the queue's owner or of this user, and no
//!   link ([`open_beside`]).
//! - A configuration or a program may also be root's, if not everybody can write it
//!   ([`check_trusted`]).
//! - What root makes for another user belongs to that user from the first instant.
//!
//! | Module | What it knows |
//! |---|---|
//! | `owner` | whose a file is, and who may use it |
//! | `open` | how a file is opened, read and made so that all of this holds |
//! | `typed` | how a word is typed into a shell |
//! | `unfit` | why a file is not used, and what to type then |
//! | `user` | a user of the system, and whether root runs this program |

mod open;
mod owner;
mod typed;
mod unfit;
mod user;

pub use open::{
    FileError, Found, Make, check_beside, find, follow, make_folders, open_beside, read_trusted, read_whole,
};
pub use owner::{
    AS_ROOT_VARIABLE, Owners, check_new, check_owner, check_trusted, give, give_group, heir,
    is_of_this_programs_owner,
};
pub use typed::{quoted, quoted_path};
pub use unfit::{Unfit, check_regular};
pub use user::{Owner, is_root};
