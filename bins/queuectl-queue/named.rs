//! Which queues are meant.

use queuectl_cli::Failure;
use queuectl_core::{EVERY_QUEUE, Exit, InvalidQueueName, check_queue_name};
use queuectl_service::queues::QueuePicture;

/// Queues by name, or all of them.
#[derive(clap::Args)]
pub(crate) struct Named {
    /// The queues; any name may be used, also of one that has no jobs yet
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "NAME", value_parser = name)]
    names: Vec<String>,

    /// All queues, also those to come
    #[arg(long)]
    all: bool,
}

impl Named {
    /// The names under which the store knows them.
    pub(crate) fn names(&self) -> Vec<&str> {
        if self.all { vec![EVERY_QUEUE] } else { self.names.iter().map(String::as_str).collect() }
    }
}

/// Understands the name of one queue.
///
/// # Errors
///
/// [`InvalidQueueName`].
pub(crate) fn name(text: &str) -> Result<String, InvalidQueueName> {
    check_queue_name(text).map(|()| text.to_owned())
}

/// The queue of a name.
///
/// # Errors
///
/// If it has no jobs, no worker that names it, and no rules.
pub(crate) fn find<'a>(queues: &'a [QueuePicture], name: &str) -> Result<&'a QueuePicture, Failure> {
    queues.iter().find(|queue| queue.name == name).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("there is no queue {name} here"))
            .hint("list those that have jobs, workers or rules with `queuectl queue list`")
    })
}
