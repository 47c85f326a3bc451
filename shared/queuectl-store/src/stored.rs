//! How values are stored that no database has a type for: the same everywhere.

use crate::worker_record::Stop;
use queuectl_core::{Environment, QueueSet, Stream};
use std::collections::BTreeMap;

/// The number a stream is stored as: that of its file descriptor.
pub(crate) fn stream_number(stream: Stream) -> i64 {
    match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    }
}

/// The number a request to stop is stored as; a stronger one is larger.
pub(crate) fn stop_number(stop: Stop) -> i64 {
    match stop {
        Stop::Graceful => 1,
        Stop::Forced => 2,
    }
}

pub(crate) fn stop_from_number(number: i64) -> Option<Stop> {
    match number {
        ..=0 => None,
        1 => Some(Stop::Graceful),
        _ => Some(Stop::Forced),
    }
}

/// The queues that a worker serves, as they are stored; all as NULL.
pub(crate) fn queues_text(queues: &QueueSet) -> Option<String> {
    (!queues.is_all())
        .then(|| serde_json::to_string(&queues.patterns()).expect("a list of strings always becomes JSON"))
}

/// Reads them back.
pub(crate) fn queues(text: Option<&str>) -> Result<QueueSet, String> {
    let Some(text) = text else { return Ok(QueueSet::ALL) };
    let patterns: Vec<String> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    QueueSet::of(patterns).map_err(|error| error.to_string())
}

/// The variables of a job as they are stored; none as NULL.
pub(crate) fn environment_text(environment: &Environment) -> Option<String> {
    (!environment.is_empty()).then(|| {
        serde_json::to_string(environment.variables()).expect("a map of strings always becomes JSON")
    })
}

/// Reads them back.
pub(crate) fn environment(text: Option<&str>) -> Result<Environment, String> {
    let Some(text) = text else { return Ok(Environment::default()) };
    let variables: BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    Environment::new(variables).map_err(|error| error.to_string())
}
