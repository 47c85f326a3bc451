//! Copies what is not at the new location yet.

use crate::begin::Ends;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use queuectl_cli::{Context, Failure};
use queuectl_store::{Limits, Record};
use std::io::{self, IsTerminal as _};

/// Copies batch by batch; what an earlier call has copied is there.
pub(crate) fn copy(cx: &Context, ends: &mut Ends) -> Result<(), Failure> {
    let bar = bar(cx, "copied", ends.old.inventory()?.records());
    bar.set_position(ends.new.inventory()?.records());
    let mut after = ends.new.last_imported()?;
    loop {
        let records = ends.old.export(after, Limits::BATCH)?;
        if records.is_empty() {
            break;
        }
        // Where another call is at the same move, this one goes on from there.
        after = ends.new.import(&ends.id, after, &records)?;
        if records.last().map(Record::position) == Some(after) {
            bar.inc(records.len() as u64);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// A bar on standard error, if a person looks at it.
pub(crate) fn bar(cx: &Context, verb: &'static str, records: u64) -> ProgressBar {
    if !io::stderr().is_terminal() || cx.output().verbosity() < queuectl_cli::Verbosity::Normal {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(records), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} records {msg}, {per_sec} [{elapsed}]");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(verb);
    bar
}
