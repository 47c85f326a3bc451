//! What is said beside the ids, when the jobs are there.

use queuectl_cli::Context;
use queuectl_service::draft::complete::Completion;
use queuectl_store::{Location, Store};
use std::collections::BTreeSet;

/// Says that the queue is new, that nothing will run the jobs, and what may be a slip of
/// the hand.
pub(crate) fn added<'a>(
    cx: &Context,
    store: &mut dyn Store,
    new: Option<Location>,
    completion: &Completion,
    queues: impl IntoIterator<Item = &'a str>,
) {
    // There was no queue at a place that was chosen, and now is.
    if let Some(place) = new {
        cx.output().note(format!("Made a new queue at {place}"));
    }
    for queue in BTreeSet::from_iter(queues) {
        cx.note_if_nothing_starts(store, queue);
    }
    for folder in completion.missing_folders() {
        cx.output().note(format!(
            "hint: no folder {folder} is here; the job fails where its worker does not have it"
        ));
    }
}
