//! Which variables `QUEUECTL_…` mean something.

use std::ffi::OsString;

use queuectl_core::JOB_VARIABLES;

use crate::key::{Key, nearest};

const PREFIX: &str = "QUEUECTL_";

/// Variables that are no settings, and no facts about a job.
const OTHERS: [&str; 6] = [
    "QUEUECTL_HOME",
    "QUEUECTL_CONFIG",
    "QUEUECTL_AS_ROOT",
    "QUEUECTL_EXEC_PATH",
    "QUEUECTL_VERSION",
    // Of builds for tests.
    "QUEUECTL_PLANTED_BUG",
];

/// Those that name a place, and what is like them.
const PLACES: [(&str, &str); 3] =
    [("home", "QUEUECTL_HOME"), ("config", "QUEUECTL_CONFIG"), ("exec-path", "QUEUECTL_EXEC_PATH")];

/// A variable that looks like one of ours and is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The variable that was probably meant.
    pub nearest: Option<String>,
}

/// Finds the variables that begin as ours do and mean nothing, by name.
pub fn unknown_variables(names: impl IntoIterator<Item = OsString>) -> Vec<UnknownVariable> {
    let ours = names.into_iter().filter(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    let mut names: Vec<String> = ours.map(|name| name.to_string_lossy().into_owned()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let known: Vec<String> = known().collect();
    names.retain(|name| !known.contains(name));
    names.sort_unstable();
    names.into_iter().map(|name| UnknownVariable { nearest: meant_by(&name), name }).collect()
}

fn known() -> impl Iterator<Item = String> {
    let fixed = OTHERS.into_iter().chain(JOB_VARIABLES).map(str::to_owned);
    Key::ALL.into_iter().map(Key::variable).chain(fixed)
}

/// The setting or the place that was probably meant. What all names begin with is no
/// likeness, and nobody sets what a job is told about itself.
fn meant_by(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?.to_ascii_lowercase();
    let key = Key::find(&rest).map(|key| key.name().to_owned()).or_else(|| Key::nearest(&rest));
    let key = key.and_then(|key| Key::find(&key)).map(Key::variable);
    key.or_else(|| {
        let place = nearest(&rest, PLACES.iter().map(|(place, _)| *place))?;
        PLACES.iter().find(|(name, _)| *name == place).map(|(_, variable)| (*variable).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, Option<String>)> {
        let unknown = unknown_variables(names.iter().map(OsString::from));
        unknown.into_iter().map(|unknown| (unknown.name, unknown.nearest)).collect()
    }

    #[test]
    fn what_means_something_is_known() {
        let names: Vec<String> = known().collect();
        assert!(found(&names.iter().map(String::as_str).collect::<Vec<_>>()).is_empty());
        assert!(found(&["PATH", "QUEUECTL", "queuectl_home"]).is_empty());
    }

    #[test]
    fn what_means_nothing_leads_to_what_was_meant() {
        for (name, meant) in [
            ("QUEUECTL_MAX_RETRYS", Some("QUEUECTL_MAX_RETRIES")),
            ("QUEUECTL_DB_PATH", Some("QUEUECTL_DATABASE")),
            ("QUEUECTL_MAX-RETRIES", Some("QUEUECTL_MAX_RETRIES")),
            ("QUEUECTL_HOMES", Some("QUEUECTL_HOME")),
            ("QUEUECTL_DB", Some("QUEUECTL_DATABASE")),
            ("QUEUECTL_WORKERS", Some("QUEUECTL_WORKER_COUNT")),
            ("QUEUECTL_CONFG", Some("QUEUECTL_CONFIG")),
            // As near to a name as the beginning of all makes them.
            ("QUEUECTL_FOO", None),
            ("QUEUECTL_", None),
            // Not what a job is told.
            ("QUEUECTL_RUNS", None),
            ("QUEUECTL_COLOUR_OF_THE_SKY", None),
        ] {
            assert_eq!(found(&[name]), [(name.to_owned(), meant.map(str::to_owned))]);
        }
    }
}
