//! The layers, one over the other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use queuectl_core::{Location, RetryPolicy};

use crate::DEFAULTS;
use crate::error::{InvalidValue, SettingsError};
use crate::file::{self, Layer};
use crate::key::{Address, Key, nearest};
use crate::log_level::LogLevel;
use crate::overrides::Overrides;
use crate::places::{Places, Surroundings};
use crate::value::{Given, Reading, Value};

/// Where a value comes from, strongest first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A flag of this command line.
    Flag,
    /// The variable of this name.
    Environment(String),
    /// The user's configuration file.
    File(PathBuf),
    /// `queuectl.toml`, as compiled in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => formatter.write_str("flag"),
            Origin::Environment(variable) => write!(formatter, "environment ({variable})"),
            Origin::File(file) => write!(formatter, "file ({})", file.display()),
            Origin::Default => formatter.write_str("default"),
        }
    }
}

/// One line of `config list`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The canonical key: `max-retries`, `alias.start`.
    pub key: String,
    /// The value, as `config get` prints it.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// What is counted, from `queuectl.toml`.
    pub unit: &'static str,
    /// What the setting means, from `queuectl.toml`.
    pub description: &'static str,
}

/// Every setting, resolved.
#[derive(Clone, Debug)]
pub struct Settings {
    /// One for each key, in the order of [`Key::ALL`].
    values: Vec<Resolved>,
    database: Location,
    aliases: BTreeMap<String, String>,
    alias_origins: BTreeMap<String, Origin>,
    places: Places,
}

#[derive(Clone, Debug)]
struct Resolved {
    reading: Reading,
    origin: Origin,
}

impl Settings {
    /// Resolves every setting from flags, this process's variables, the user's
    /// file, and the defaults.
    ///
    /// # Errors
    ///
    /// Whatever is wrong in any of them, also where a stronger one hides it. Of
    /// a file with several problems the first is told; [`check`](crate::check)
    /// tells all.
    pub fn load(overrides: &Overrides) -> Result<Settings, SettingsError> {
        Settings::load_from(overrides, &Surroundings::of_this_process())
    }

    /// Does the same in other surroundings.
    pub fn load_from(
        overrides: &Overrides,
        surroundings: &Surroundings<'_>,
    ) -> Result<Settings, SettingsError> {
        let places = Places::find(overrides, surroundings)?;
        let file = file::load(&places)?.unwrap_or_default();
        let mut values = Vec::with_capacity(Key::ALL.len());
        for key in Key::ALL {
            values.push(resolve(key, overrides, surroundings, &file, places.config_file())?);
        }
        let database = locate(&mut values[Key::Database as usize], &places)?;

        let mut aliases = defaults().aliases.clone();
        let mut alias_origins: BTreeMap<_, _> =
            aliases.keys().map(|name| (name.clone(), Origin::Default)).collect();
        for (name, command) in file.aliases {
            alias_origins.insert(name.clone(), Origin::File(places.config_file().to_owned()));
            aliases.insert(name, command);
        }
        aliases.retain(|_, command| !command.is_empty());
        Ok(Settings { values, database, aliases, alias_origins, places })
    }

    /// Returns how often a failed job is tried again.
    pub fn max_retries(&self) -> u32 {
        self.count(Key::MaxRetries)
    }

    /// Returns the number whose powers are the waits, in seconds.
    pub fn backoff_base(&self) -> f64 {
        match self.value(Key::BackoffBase) {
            Value::Number(number) => *number,
            other => other_kind(Key::BackoffBase, other),
        }
    }

    /// Returns the longest wait for a retry.
    pub fn backoff_max(&self) -> Duration {
        self.duration(Key::BackoffMax)
    }

    /// Returns when a failed job runs again, and when never.
    pub fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy { base: self.backoff_base(), max: self.backoff_max(), crash_limit: self.crash_limit() }
    }

    /// Returns how often an idle worker looks at the queue; never zero.
    pub fn poll_interval(&self) -> Duration {
        self.duration(Key::PollInterval)
    }

    /// Returns how many workers one start starts.
    pub fn worker_count(&self) -> u32 {
        self.count(Key::WorkerCount)
    }

    /// Returns how many jobs one worker runs at a time.
    pub fn concurrency(&self) -> u32 {
        self.count(Key::Concurrency)
    }

    /// Returns how long one attempt may run, if there is a limit.
    pub fn job_timeout(&self) -> Option<Duration> {
        Some(self.duration(Key::JobTimeout)).filter(|timeout| !timeout.is_zero())
    }

    /// Returns the time between SIGTERM and SIGKILL.
    pub fn kill_grace(&self) -> Duration {
        self.duration(Key::KillGrace)
    }

    /// Returns how many attempts may be lost with their worker.
    pub fn crash_limit(&self) -> u32 {
        self.count(Key::CrashLimit)
    }

    /// Returns how many bytes of one attempt's output are kept.
    pub fn output_limit(&self) -> u64 {
        match self.value(Key::OutputLimit) {
            Value::Size(bytes) => *bytes,
            other => other_kind(Key::OutputLimit, other),
        }
    }

    /// Returns how long a command waits for a locked database.
    pub fn busy_timeout(&self) -> Duration {
        self.duration(Key::BusyTimeout)
    }

    /// Returns how long to wait for a server to answer; never zero.
    pub fn connect_timeout(&self) -> Duration {
        self.duration(Key::ConnectTimeout)
    }

    /// Returns how long a worker lives after its last word to a server.
    pub fn lease(&self) -> Duration {
        self.duration(Key::Lease)
    }

    /// Returns how much is logged.
    pub fn log_level(&self) -> LogLevel {
        match self.value(Key::LogLevel) {
            Value::Level(level) => *level,
            other => other_kind(Key::LogLevel, other),
        }
    }

    /// Returns where the queue is.
    pub fn database(&self) -> &Location {
        &self.database
    }

    /// Where it is said which queue is meant.
    pub fn database_origin(&self) -> &Origin {
        &self.resolved(Key::Database).origin
    }

    /// Returns the command lines that have names of their own, none of them empty.
    pub fn aliases(&self) -> &BTreeMap<String, String> {
        &self.aliases
    }

    /// Returns the files and folders that are meant.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Returns a value as `config get` prints it, by any spelling of its key.
    ///
    /// # Errors
    ///
    /// [`SettingsError::UnknownKey`], and nothing else.
    pub fn get(&self, key: &str) -> Result<&str, SettingsError> {
        match Address::find(key)? {
            Address::Key(key) => Ok(&self.resolved(key).reading.text),
            Address::Alias(name) => self.aliases.get(&name).map(String::as_str).ok_or_else(|| {
                let nearest = nearest(&name, self.aliases.keys().map(String::as_str));
                SettingsError::UnknownKey {
                    key: key.to_owned(),
                    nearest: nearest.map(|name| Address::Alias(name).to_string()),
                }
            }),
        }
    }

    /// Returns every setting with its description: keys in the order of
    /// `queuectl.toml`, then aliases by name.
    pub fn entries(&self) -> Vec<Entry> {
        let described = descriptions();
        let entry = |key: String, name: &str, value: &str, origin: &Origin| {
            let (description, unit) = described.get(name).copied().unwrap_or_default();
            Entry { key, value: value.to_owned(), origin: origin.clone(), unit, description }
        };
        let keys = Key::ALL.into_iter().map(|key| {
            let Resolved { reading, origin } = self.resolved(key);
            entry(key.to_string(), key.name(), &reading.text, origin)
        });
        let aliases = self.aliases.iter().map(|(name, command)| {
            entry(Address::Alias(name.clone()).to_string(), "alias", command, &self.alias_origins[name])
        });
        keys.chain(aliases).collect()
    }

    fn resolved(&self, key: Key) -> &Resolved {
        &self.values[key as usize]
    }

    fn value(&self, key: Key) -> &Value {
        &self.resolved(key).reading.value
    }

    fn count(&self, key: Key) -> u32 {
        match self.value(key) {
            Value::Count(number) => *number,
            other => other_kind(key, other),
        }
    }

    fn duration(&self, key: Key) -> Duration {
        match self.value(key) {
            Value::Duration(duration) => *duration,
            other => other_kind(key, other),
        }
    }
}

fn other_kind(key: Key, value: &Value) -> ! {
    unreachable!("Key::kind({key}) never reads {value:?}")
}

/// Understands every layer of one key, and takes the strongest.
fn resolve(
    key: Key,
    overrides: &Overrides,
    surroundings: &Surroundings<'_>,
    file: &Layer,
    config_file: &Path,
) -> Result<Resolved, SettingsError> {
    let flag = overrides.flags.iter().rev().find(|(named, _)| *named == key);
    let flag = flag.map(|(_, typed)| read_typed(key, typed)).transpose().map_err(SettingsError::Flag)?;
    let name = key.variable();
    let variable = surroundings.variable(&name);
    let variable = variable.map(|typed| read_typed(key, &typed)).transpose();
    let variable = variable.map_err(|invalid| SettingsError::Variable { variable: name.clone(), invalid })?;

    let layers = [
        (flag, Origin::Flag),
        (variable, Origin::Environment(name)),
        (file.readings.get(&key).cloned(), Origin::File(config_file.to_owned())),
    ];
    let strongest =
        layers.into_iter().find_map(|(reading, origin)| Some(Resolved { reading: reading?, origin }));
    Ok(strongest
        .unwrap_or_else(|| Resolved { reading: defaults().readings[&key].clone(), origin: Origin::Default }))
}

/// Understands what was typed as the value of a key.
pub(crate) fn read_typed(key: Key, typed: &OsString) -> Result<Reading, InvalidValue> {
    key.kind().read(Given::Typed(typed)).ok_or_else(|| InvalidValue {
        key: key.to_string(),
        value: typed.to_string_lossy().into_owned(),
        expected: key.kind().expected_instead_of(Given::Typed(typed)),
        hint: key.kind().hint(Given::Typed(typed)),
    })
}

/// Finds out where the database is, and shows that as the setting's value.
fn locate(resolved: &mut Resolved, places: &Places) -> Result<Location, SettingsError> {
    let given = match &resolved.reading.value {
        Value::Location(given) => given.clone(),
        other => other_kind(Key::Database, other),
    };
    let folder = matches!(resolved.origin, Origin::File(_)).then(|| places.config_folder());
    let database = places.resolve(given, folder)?;
    resolved.reading.text = database.to_string();
    Ok(database)
}

/// Returns what `queuectl.toml` says, understood once.
fn defaults() -> &'static Layer {
    static LAYER: OnceLock<Layer> = OnceLock::new();
    LAYER.get_or_init(|| file::read(DEFAULTS, Path::new("queuectl.toml")).0)
}

/// Returns the description and unit that stand above each key of `queuectl.toml`.
fn descriptions() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let mut found = BTreeMap::new();
    let mut description = "";
    let mut unit = "";
    for line in DEFAULTS.lines() {
        if let Some(comment) = line.strip_prefix("# Unit: ") {
            unit = comment;
        } else if let Some(comment) = line.strip_prefix("# ") {
            description = comment;
        } else {
            let key = line.split('=').next().unwrap_or_default().trim_matches(['[', ']', ' ']);
            found.insert(key, (description, unit));
            (description, unit) = ("", "");
        }
    }
    found
}

#[cfg(test)]
mod tests;
