//! Settings, as programs read them.

use queuectl_settings::{Entry, Key, Problem};
use serde::Serialize;
use serde_json::{Number, Value};
use std::path::Path;

/// A setting with what is known of it.
#[derive(Debug, Serialize)]
pub struct EntryDocument<'a> {
    /// Its name.
    pub key: &'a str,
    /// Its value, with its type.
    pub value: Value,
    /// Where the value comes from.
    pub origin: String,
    /// What its number counts.
    pub unit: &'a str,
    /// What it is for.
    pub description: &'a str,
}

impl<'a> From<&'a Entry> for EntryDocument<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self {
            key: &entry.key,
            value: typed(&entry.key, &entry.value),
            origin: entry.origin.to_string(),
            unit: entry.unit,
            description: entry.description,
        }
    }
}

/// A setting that was asked for.
#[derive(Debug, Serialize)]
pub struct ValueDocument<'a> {
    /// Its name.
    pub key: &'a str,
    /// Its value, with its type.
    pub value: Value,
}

impl<'a> ValueDocument<'a> {
    /// The value of a setting, as its text says it.
    pub fn new(key: &'a str, text: &str) -> Self {
        Self { key, value: typed(key, text) }
    }
}

/// A setting that was changed.
#[derive(Debug, Serialize)]
pub struct ChangedSetting<'a> {
    /// The setting.
    #[serde(flatten)]
    pub setting: ValueDocument<'a>,
    /// The file that says so now.
    pub file: &'a Path,
}

/// A setting that was taken out of the file.
#[derive(Debug, Serialize)]
pub struct UnsetSetting<'a> {
    /// Its name.
    pub key: &'a str,
    /// Whether it was there.
    pub was_set: bool,
}

/// The files and folders that are meant.
#[derive(Debug, Serialize)]
pub struct PlacesDocument<'a> {
    /// The configuration file.
    pub config: &'a Path,
    /// The folder for the queue.
    pub data: &'a Path,
    /// The folder for logs and locks.
    pub state: &'a Path,
}

/// What is wrong with a configuration.
#[derive(Debug, Serialize)]
pub struct CheckedSettings<'a> {
    /// The file.
    pub file: &'a Path,
    /// Everything that is wrong.
    pub problems: Vec<ProblemDocument>,
    /// Variables that look like ours and mean nothing.
    pub unknown_variables: Vec<String>,
}

/// One thing that is wrong, with its place if that is in the file.
#[derive(Debug, Serialize)]
pub struct ProblemDocument {
    /// From 1.
    pub line: Option<usize>,
    /// From 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl ProblemDocument {
    /// Something that is wrong elsewhere: with a variable, a flag or an alias.
    pub fn beside_the_file(message: &str) -> Self {
        Self { line: None, column: None, message: message.to_owned() }
    }
}

impl From<&Problem> for ProblemDocument {
    fn from(problem: &Problem) -> Self {
        Self { line: Some(problem.line), column: Some(problem.column), message: problem.fault.to_string() }
    }
}

/// A number where the setting is one or is written as one, in its unit; else text, as
/// `24h`, `1MiB`, a level, a path, an alias.
fn typed(key: &str, text: &str) -> Value {
    let is_text = matches!(Key::find(key), None | Some(Key::Database | Key::LogLevel));
    let whole = || text.parse::<u64>().ok().map(Number::from);
    let number = || whole().or_else(|| Number::from_f64(text.parse().ok()?));
    match number().filter(|_| !is_text) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_numbers_and_what_has_a_unit_is_text() {
        for (key, text, value) in [
            ("max-retries", "5", json!(5)),
            ("backoff_base", "1.5", json!(1.5)),
            ("poll-interval", "2", json!(2)),
            ("poll-interval", "500ms", json!("500ms")),
            ("output-limit", "1MiB", json!("1MiB")),
            ("log-level", "INFO", json!("INFO")),
            ("database", "7", json!("7")),
            ("alias.seven", "7", json!("7")),
        ] {
            assert_eq!(typed(key, text), value, "{key} = {text}");
        }
    }
}
