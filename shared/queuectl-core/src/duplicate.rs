//! What becomes of a job whose unique key another job has.

use crate::effect::replace;
use crate::job::{Job, NewJob};
use crate::stage::Next;
use crate::time::Timestamp;
use crate::unique::OnDuplicate;

/// What becomes of a job whose key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicate {
    /// It is left out.
    Kept,
    /// The other job says from now on what this one says, and goes there.
    Replaces(Next),
    /// It is an error.
    Refused,
}

/// What becomes of a job whose key another one has; none for one that is gone.
///
/// A job that runs, or has come to rest within its window, is never changed; nor is one
/// whose row cannot be read.
pub fn duplicate(new: &NewJob, on_duplicate: OnDuplicate, holder: Option<&Job>, now: Timestamp) -> Duplicate {
    match on_duplicate {
        OnDuplicate::Keep => Duplicate::Kept,
        OnDuplicate::Fail => Duplicate::Refused,
        OnDuplicate::Replace => {
            let next = holder.filter(|job| job.unreadable.is_none()).and_then(|job| replace(job, new, now));
            next.map_or(Duplicate::Kept, Duplicate::Replaces)
        }
    }
}
