//! How many jobs stand where, as programs read it.

use crate::counts::JobCounts;
use crate::document::worker::WorkerDocument;
use queuectl_core::State;
use queuectl_store::Counts;
use serde::Serialize;
use serde::ser::SerializeMap as _;
use std::collections::BTreeMap;

/// Jobs by state, zeros included; how many of those that wait are blocked; and all of
/// them: `total`.
#[derive(Debug)]
pub struct CountsDocument(pub Counts);

impl Serialize for CountsDocument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(State::ALL.len() + 2))?;
        for state in State::ALL {
            map.serialize_entry(state.as_str(), &self.0[state])?;
        }
        map.serialize_entry("blocked", &self.0.blocked)?;
        map.serialize_entry("total", &self.0.total())?;
        map.end()
    }
}

/// The same as people count them: what a worker has claimed in advance does not run
/// yet, and is `claimed`.
#[derive(Debug)]
pub struct JobCountsDocument(pub JobCounts);

impl Serialize for JobCountsDocument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(State::ALL.len() + 3))?;
        for state in State::ALL {
            map.serialize_entry(state.as_str(), &self.0.shown(state))?;
            if state == State::Processing {
                map.serialize_entry("claimed", &self.0.claimed)?;
            }
        }
        map.serialize_entry("blocked", &self.0.blocked())?;
        map.serialize_entry("total", &self.0.total())?;
        map.end()
    }
}

/// How the queue is.
#[derive(Debug, Serialize)]
pub struct StatusDocument<'a> {
    /// Jobs by state; of those that are processing, what was claimed in advance is
    /// told apart.
    pub jobs: JobCountsDocument,
    /// The same of each queue that has had jobs, by its name.
    pub queues: BTreeMap<&'a str, CountsDocument>,
    /// Workers that have not ended.
    pub workers: Vec<WorkerDocument<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::write::to_string;

    #[test]
    fn counts_name_every_state_and_the_total() {
        let mut counts = Counts::default();
        counts[State::Dead] = 2;
        let written = to_string(&CountsDocument(counts)).unwrap();
        let wanted = r#"{"pending":0,"processing":0,"completed":0,"failed":0,"dead":2,"cancelled":0,"blocked":0,"total":2}"#;
        assert_eq!(written, wanted);
    }
}
