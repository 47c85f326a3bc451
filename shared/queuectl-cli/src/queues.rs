//! How queues are typed where several can be meant.

use queuectl_core::{InvalidQueueName, QueueSet};

/// Understands the name of a queue, or the beginning of names with a `*` behind it.
///
/// # Errors
///
/// [`InvalidQueueName`] if it is neither.
pub fn queue_pattern(text: &str) -> Result<String, InvalidQueueName> {
    QueueSet::of([text]).map(|_| text.to_owned())
}
