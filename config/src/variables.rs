//! Which variables `QUEUECTL_…` mean something.

use std::ffi::OsString;

use queuectl_core::JOB_VARIABLES;

use crate::error::nearest;
use crate::key::Key;

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
    let meant = |name: &str| {
        // As another name of a key, `QUEUECTL_DB_PATH` is near to no variable.
        let key = Key::find(&name[PREFIX.len()..].to_ascii_lowercase()).map(Key::variable);
        key.or_else(|| {
            let spelled: Vec<String> = known.iter().map(|known| canonical(known)).collect();
            let near = nearest(name, spelled.iter().map(String::as_str))?;
            known.iter().find(|known| canonical(known) == near).cloned()
        })
    };
    names.into_iter().map(|name| UnknownVariable { nearest: meant(&name), name }).collect()
}

fn known() -> impl Iterator<Item = String> {
    let fixed = OTHERS.into_iter().chain(JOB_VARIABLES).map(str::to_owned);
    Key::ALL.into_iter().map(Key::variable).chain(fixed)
}

fn canonical(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
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
            ("QUEUECTL_COLOUR_OF_THE_SKY", None),
        ] {
            assert_eq!(found(&[name]), [(name.to_owned(), meant.map(str::to_owned))]);
        }
    }
}
