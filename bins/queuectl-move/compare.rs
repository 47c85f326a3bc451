//! Makes sure that what has arrived is what has left.

use crate::begin::Ends;
use crate::copy::bar;
use queuectl_cli::{Context, Failure};
use queuectl_store::{Limits, Position, Record, Store};
use std::collections::VecDeque;

/// Compares how much there is of everything, and the last of each.
pub(crate) fn compare(ends: &mut Ends) -> Result<(), Failure> {
    let (old, new) = (ends.old.inventory()?, ends.new.inventory()?);
    if old == new {
        return Ok(());
    }
    Err(differs(ends, &format!("{} records have left and {} have arrived", old.records(), new.records())))
}

/// Compares each record, by reading both locations in order.
pub(crate) fn compare_each(cx: &Context, ends: &mut Ends) -> Result<(), Failure> {
    let bar = bar(cx, "compared", ends.old.inventory()?.records());
    let (mut left, mut arrived) = (Reader::default(), Reader::default());
    loop {
        match (left.next(ends.old.as_mut())?, arrived.next(ends.new.as_mut())?) {
            (None, None) => break,
            (Some(record), Some(copy)) if record.is_kept_in(&copy) => bar.inc(1),
            (Some(record), _) | (None, Some(record)) => {
                return Err(differs(ends, &format!("{} is another", record.name())));
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn differs(ends: &Ends, how: &str) -> Failure {
    Failure::error(format!("what has arrived at {} is not what {} has: {how}", ends.to, ends.from)).hint(
        "nothing is lost: give the move up with `queuectl move --abort`, and see `queuectl doctor` for both places",
    )
}

/// Reads a location from its first record to its last.
struct Reader {
    batch: VecDeque<Record>,
    after: Position,
}

impl Default for Reader {
    fn default() -> Self {
        Self { batch: VecDeque::new(), after: Position::BEGINNING }
    }
}

impl Reader {
    fn next(&mut self, store: &mut dyn Store) -> Result<Option<Record>, Failure> {
        if self.batch.is_empty() {
            self.batch = store.export(self.after, Limits::BATCH)?.into();
            self.after = self.batch.back().map_or(self.after, Record::position);
        }
        Ok(self.batch.pop_front())
    }
}
