//! What is to be handed in to the store.

use queuectl_core::Lease;
use queuectl_store::{Ended, OutputPart, OutputTrim};

/// What is to be handed in; kept until a commit has taken it.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) ended: Vec<Ended>,
    pub(super) unstarted: Vec<Lease>,
    pub(super) output: Vec<OutputPart>,
    pub(super) trims: Vec<OutputTrim>,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.unstarted.is_empty() && self.output.is_empty() && self.trims.is_empty()
    }

    /// Tells whether a claim is over once this was taken.
    pub(super) fn gives_up(&self, lease: Lease) -> bool {
        self.unstarted.contains(&lease) || self.ended.iter().any(|ended| ended.lease == lease)
    }
}
