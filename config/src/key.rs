//! Which keys there are.
//!
//! A new setting is a variant here with its name and kind, an entry in
//! `queuectl.toml`, and a method of [`Settings`](crate::Settings).

use std::fmt;
use std::time::Duration;

use queuectl_core::{LONGEST_DURATION, MOST_AT_A_TIME, NewJob};

use crate::error::{SettingsError, nearest};
use crate::value::Kind;

/// A setting that has one value.
///
/// The names are those of `queuectl.toml`, and so is the order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each is described in queuectl.toml, and only there")]
pub enum Key {
    MaxRetries,
    BackoffBase,
    BackoffMax,
    PollInterval,
    WorkerCount,
    Concurrency,
    JobTimeout,
    KillGrace,
    CrashLimit,
    OutputLimit,
    BusyTimeout,
    ConnectTimeout,
    Lease,
    LogLevel,
    Database,
}

/// Other names of keys, from the days before this program.
const SYNONYMS: [(&str, Key); 2] = [("exp-backoff-base", Key::BackoffBase), ("db-path", Key::Database)];

/// What others call our keys. Nobody finds a key by them, but who tries is led to it.
const NAMES_OF_OTHERS: [(&str, Key); 14] = [
    ("db", Key::Database),
    ("db-url", Key::Database),
    ("db-file", Key::Database),
    ("queue", Key::Database),
    ("url", Key::Database),
    ("retries", Key::MaxRetries),
    ("max-attempts", Key::MaxRetries),
    ("backoff", Key::BackoffBase),
    ("timeout", Key::JobTimeout),
    ("workers", Key::WorkerCount),
    ("jobs", Key::Concurrency),
    ("poll", Key::PollInterval),
    ("log", Key::LogLevel),
    ("debug", Key::LogLevel),
];

impl Key {
    /// Every key, in the order of `queuectl.toml`.
    pub const ALL: [Key; 15] = [
        Key::MaxRetries,
        Key::BackoffBase,
        Key::BackoffMax,
        Key::PollInterval,
        Key::WorkerCount,
        Key::Concurrency,
        Key::JobTimeout,
        Key::KillGrace,
        Key::CrashLimit,
        Key::OutputLimit,
        Key::BusyTimeout,
        Key::ConnectTimeout,
        Key::Lease,
        Key::LogLevel,
        Key::Database,
    ];

    /// Returns the canonical name, as in `max-retries`.
    pub const fn name(self) -> &'static str {
        match self {
            Key::MaxRetries => "max-retries",
            Key::BackoffBase => "backoff-base",
            Key::BackoffMax => "backoff-max",
            Key::PollInterval => "poll-interval",
            Key::WorkerCount => "worker-count",
            Key::Concurrency => "concurrency",
            Key::JobTimeout => "job-timeout",
            Key::KillGrace => "kill-grace",
            Key::CrashLimit => "crash-limit",
            Key::OutputLimit => "output-limit",
            Key::BusyTimeout => "busy-timeout",
            Key::ConnectTimeout => "connect-timeout",
            Key::Lease => "lease",
            Key::LogLevel => "log-level",
            Key::Database => "database",
        }
    }

    /// Returns what the key's values look like.
    pub(crate) const fn kind(self) -> Kind {
        const MILLISECOND: Duration = Duration::from_millis(1);
        const SECOND: Duration = Duration::from_secs(1);
        // Jobs need a few seconds to end, and clocks differ: see `LeaseTimes` in queuectl-store.
        const SHORTEST_LEASE: Duration = Duration::from_secs(10);
        const LONGEST_LEASE: Duration = Duration::from_mins(5);
        const HOUR: Duration = Duration::from_hours(1);
        const DAY: Duration = Duration::from_hours(24);
        match self {
            Key::MaxRetries => Kind::Count { least: 0, most: NewJob::MOST_RETRIES },
            Key::WorkerCount | Key::Concurrency => Kind::Count { least: 1, most: MOST_AT_A_TIME },
            Key::CrashLimit => Kind::Count { least: 0, most: 1000 },
            Key::BackoffBase => Kind::Number { least: 0.0, most: 1_000_000.0 },
            Key::BackoffMax | Key::JobTimeout => {
                Kind::Duration { least: Duration::ZERO, most: LONGEST_DURATION }
            }
            Key::PollInterval => Kind::Duration { least: MILLISECOND, most: DAY },
            Key::KillGrace | Key::BusyTimeout => Kind::Duration { least: Duration::ZERO, most: DAY },
            Key::ConnectTimeout => Kind::Duration { least: SECOND, most: HOUR },
            Key::Lease => Kind::Duration { least: SHORTEST_LEASE, most: LONGEST_LEASE },
            Key::OutputLimit => Kind::Size { most_bytes: 1 << 30 },
            Key::LogLevel => Kind::Level,
            Key::Database => Kind::Location,
        }
    }

    /// Returns the environment variable of the key, as in `QUEUECTL_MAX_RETRIES`.
    pub fn variable(self) -> String {
        format!("QUEUECTL_{}", self.name().to_ascii_uppercase().replace('-', "_"))
    }

    /// Returns the variables that are meant for one program and not for what its jobs
    /// start: all but where the queue is.
    pub fn variables_of_one_process() -> Vec<String> {
        Key::ALL.into_iter().filter(|key| *key != Key::Database).map(Key::variable).collect()
    }

    /// Finds the key with this name, in any of its spellings.
    pub fn find(name: &str) -> Option<Key> {
        let name = canonical(name);
        let synonym = SYNONYMS.into_iter().find(|(synonym, _)| *synonym == name).map(|(_, key)| key);
        synonym.or_else(|| Key::ALL.into_iter().find(|key| key.name() == name))
    }

    /// Returns the name of the key that was probably meant by an unknown one.
    pub(crate) fn nearest(name: &str) -> Option<String> {
        let theirs = NAMES_OF_OTHERS.iter().find(|(theirs, _)| *theirs == canonical(name));
        if let Some((_, key)) = theirs {
            return Some(key.name().to_owned());
        }
        let spellings = SYNONYMS.iter().map(|(synonym, _)| *synonym);
        let meant = nearest(name, Key::ALL.into_iter().map(Key::name).chain(spellings).chain(["alias"]))?;
        Some(Key::find(&meant).map_or(meant, |key| key.name().to_owned()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// What `config get`, `set` and `unset` can name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Address {
    /// A setting.
    Key(Key),
    /// One alias, by a name that may be impossible.
    Alias(String),
}

impl Address {
    /// Understands `max-retries`, `max_retries`, `alias.start`.
    pub(crate) fn find(name: &str) -> Result<Address, SettingsError> {
        if let Some(alias) = name.strip_prefix("alias.") {
            return Ok(Address::Alias(canonical(alias)));
        }
        Key::find(name)
            .map(Address::Key)
            .ok_or_else(|| SettingsError::UnknownKey { key: name.to_owned(), nearest: Key::nearest(name) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Key(key) => key.fmt(formatter),
            Address::Alias(name) => write!(formatter, "alias.{name}"),
        }
    }
}

/// `_` and `-` are the same everywhere; we write `-`.
pub(crate) fn canonical(name: &str) -> String {
    name.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_underscores_and_old_names_mean_the_same_key() {
        for name in
            ["backoff-base", "backoff_base", "exp-backoff-base", "exp_backoff_base", "exp_backoff-base"]
        {
            assert_eq!(Key::find(name), Some(Key::BackoffBase), "{name}");
        }
        for name in ["database", "db-path", "db_path"] {
            assert_eq!(Key::find(name), Some(Key::Database), "{name}");
        }
        for name in ["", "Database", "alias", "home", "config", "max retries"] {
            assert_eq!(Key::find(name), None, "{name}");
        }
    }

    #[test]
    fn every_key_is_found_by_its_name_and_has_a_variable() {
        for key in Key::ALL {
            assert_eq!(Key::find(key.name()), Some(key));
        }
        assert_eq!(Key::MaxRetries.variable(), "QUEUECTL_MAX_RETRIES");
        assert_eq!(Key::Database.variable(), "QUEUECTL_DATABASE");
    }

    #[test]
    fn nothing_a_job_is_told_has_the_name_of_a_setting() {
        for name in queuectl_core::JOB_VARIABLES {
            assert!(Key::ALL.into_iter().all(|key| key.variable() != name), "{name}");
        }
    }

    #[test]
    fn the_number_of_a_key_is_its_place_in_the_list() {
        for (place, key) in Key::ALL.into_iter().enumerate() {
            assert_eq!(key as usize, place);
        }
    }

    #[test]
    fn an_unknown_key_names_the_nearest_in_its_canonical_spelling() {
        for (typed, meant) in [
            ("max-retrys", Some("max-retries")),
            ("dbpath", Some("database")),
            ("workers", Some("worker-count")),
            ("zzz", None),
        ] {
            let Err(SettingsError::UnknownKey { key, nearest }) = Address::find(typed) else {
                panic!("{typed} was found");
            };
            assert_eq!((key.as_str(), nearest.as_deref()), (typed, meant));
        }
    }

    #[test]
    fn an_alias_is_addressed_below_alias() {
        assert_eq!(Address::find("alias.dlq_list").unwrap(), Address::Alias("dlq-list".to_owned()));
        assert_eq!(Address::find("alias.start").unwrap().to_string(), "alias.start");
        assert!(matches!(Address::find("alias"), Err(SettingsError::UnknownKey { .. })));
    }
}
