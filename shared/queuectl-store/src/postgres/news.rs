//! What a worker is told each time it comes by.

use super::books;
use super::{Trouble, row};
use crate::counts::Counts;
use crate::stored;
use crate::worker::Stop;
use queuectl_core::{Lease, Seq, Timestamp, WorkerId};
use tokio_postgres::Row;

/// What a worker is told each time.
pub(super) struct News {
    /// How it is to stop, if it is.
    pub(super) stop: Option<Stop>,
    /// It is no longer on the list.
    pub(super) was_called_dead: bool,
    /// Leases of its own that are to end.
    pub(super) cancel: Vec<Lease>,
    /// The server's clock.
    pub(super) time: Timestamp,
    /// What is not read each time.
    pub(super) rest: Option<Rest>,
}

/// What a worker can do without for a moment.
pub(super) struct Rest {
    pub(super) roster: Vec<WorkerId>,
    pub(super) next_due: Option<Timestamp>,
    /// Some job is due and not in line.
    pub(super) anything_due: bool,
    /// The sums of the books, and of how many changes, if they were added up.
    pub(super) books: Option<(Counts, i64)>,
}

impl News {
    /// Reads the columns that `news_columns!` and `more_news_columns!` name, from this one
    /// on.
    pub(super) fn read(told: &Row, first: usize) -> Result<Self, Trouble> {
        let listed: Option<i64> = row::get(told, first)?;
        let to_cancel: Vec<i64> = row::get(told, first + 1)?;
        let (pairs, _) = to_cancel.as_chunks();
        let mut cancel: Vec<Lease> =
            pairs.iter().map(|&[seq, number]| Lease { seq: Seq(seq), number }).collect();
        cancel.sort_unstable();
        let roster: Option<Vec<i64>> = row::get(told, first + 3)?;
        let rest = roster.map(|roster| {
            let was_added_up: bool = row::get(told, first + 6)?;
            Ok::<Rest, Trouble>(Rest {
                roster: roster.into_iter().map(WorkerId).collect(),
                next_due: row::optional_time(told, first + 4)?,
                anything_due: row::get(told, first + 5)?,
                books: if was_added_up { Some(books::sums(told, first + 7)?) } else { None },
            })
        });
        Ok(Self {
            stop: listed.and_then(stored::stop_from_number),
            was_called_dead: listed.is_none(),
            cancel,
            time: row::time(told, first + 2)?,
            rest: rest.transpose()?,
        })
    }
}
