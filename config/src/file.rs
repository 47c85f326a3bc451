//! A configuration file, read; and everything that is wrong with it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use queuectl_core::{Location, has_password};
use queuectl_files::FileError;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::alias;
use crate::error::{Fault, InvalidValue, Problem, SettingsError};
use crate::key::{Address, Key, canonical};
use crate::places::{ConfigNamed, Places};
use crate::value::{Given, Reading, Value};

/// What one file says.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) readings: BTreeMap<Key, Reading>,
    /// Command lines by name; an empty one takes a default away.
    pub(crate) aliases: BTreeMap<String, String>,
    /// Where the value stands that has a password, if one has.
    password_offset: Option<usize>,
}

/// Reports everything that is wrong with the configuration file, in its order.
///
/// Nothing is wrong with a file that does not exist, unless a flag or a variable names it.
/// While it is not TOML at all, only that is reported.
///
/// # Errors
///
/// [`SettingsError::Missing`], [`SettingsError::Unreadable`], and [`SettingsError::Unfit`].
pub fn check(places: &Places) -> Result<Vec<Problem>, SettingsError> {
    let content = content(places)?.unwrap_or_default();
    Ok(match text(&content, places.config_file()) {
        Ok(text) => read_guarded(text, places.config_file()).1,
        Err(problem) => vec![*problem],
    })
}

/// Reads the configuration file; nothing if it does not exist and need not.
pub(crate) fn load(places: &Places) -> Result<Option<Layer>, SettingsError> {
    let Some(content) = content(places)? else { return Ok(None) };
    let file = places.config_file();
    let text = text(&content, file).map_err(SettingsError::File)?;
    let (layer, problems) = read_guarded(text, file);
    match problems.into_iter().next() {
        Some(problem) => Err(SettingsError::File(Box::new(problem))),
        None => Ok(Some(layer)),
    }
}

fn content(places: &Places) -> Result<Option<Vec<u8>>, SettingsError> {
    let file = places.config_file().to_owned();
    match queuectl_files::read_trusted(&file, places.owners()) {
        Ok(content) => Ok(Some(content)),
        Err(FileError::Io(error)) if error.kind() == ErrorKind::NotFound => match places.config_named() {
            ConfigNamed::Yes => Err(SettingsError::Missing { file }),
            ConfigNamed::No => Ok(None),
        },
        Err(FileError::Io(source)) => Err(SettingsError::Unreadable { file, source }),
        Err(FileError::Unfit(unfit)) => Err(SettingsError::Unfit(unfit)),
    }
}

/// Returns the content as text, or where it is none.
pub(crate) fn text<'a>(content: &'a [u8], file: &Path) -> Result<&'a str, Box<Problem>> {
    str::from_utf8(content).map_err(|error| {
        let good = String::from_utf8_lossy(&content[..error.valid_up_to()]);
        let message = "this is not UTF-8 text".to_owned();
        Box::new(problem(&good, file, good.len(), Fault::Syntax { message }))
    })
}

/// Understands the text of a file, and says what cannot be understood; a password
/// in it is a problem if anybody but the owner has access to the file.
pub(crate) fn read_guarded(text: &str, file: &Path) -> (Layer, Vec<Problem>) {
    let (layer, mut problems) = read(text, file);
    // A file that has gone meanwhile exposes nothing.
    let mode = fs::metadata(file).map_or(0, |metadata| metadata.mode() & 0o777);
    if let (Some(offset), true) = (layer.password_offset, mode & 0o077 != 0) {
        let fault = Fault::PasswordExposed { key: Key::Database.to_string(), mode };
        problems.push(problem(text, file, offset, fault));
        problems.sort_by_key(|problem| (problem.line, problem.column));
    }
    (layer, problems)
}

/// Understands the text of a file, and says what cannot be understood.
pub(crate) fn read(text: &str, file: &Path) -> (Layer, Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        folder: file.parent().unwrap_or(file),
        layer: Layer::default(),
        first_offsets: BTreeMap::new(),
        faults: Vec::new(),
    };
    for error in &errors {
        let message = error.message().replace('\n', " ");
        reader.faults.push((error.span().map_or(0, |span| span.start), Fault::Syntax { message }));
    }
    if errors.is_empty() {
        reader.root(table.get_ref());
    }
    reader.faults.sort_by_key(|(offset, _)| *offset);
    let problems =
        reader.faults.into_iter().map(|(offset, fault)| problem(text, file, offset, fault)).collect();
    (reader.layer, problems)
}

/// Reads one file from top to bottom, and goes on after a fault.
struct Reader<'a> {
    text: &'a str,
    /// Where relative paths begin.
    folder: &'a Path,
    layer: Layer,
    /// Where each canonical name was seen first.
    first_offsets: BTreeMap<String, usize>,
    faults: Vec<(usize, Fault)>,
}

impl Reader<'_> {
    fn root(&mut self, table: &DeTable<'_>) {
        for (name, value) in in_order(table) {
            let offset = name.span().start;
            let name = name.get_ref();
            match (Key::find(name), value.get_ref()) {
                (Some(key), _) => self.key(key, offset, value),
                (None, DeValue::Table(aliases)) if name == "alias" => self.aliases(aliases),
                (None, _) if name == "alias" => {
                    self.invalid("alias", "a table of command lines", value, None);
                }
                (None, _) => {
                    let fault = Fault::UnknownKey { key: name.to_string(), nearest: Key::nearest(name) };
                    self.faults.push((offset, fault));
                }
            }
        }
    }

    fn key(&mut self, key: Key, offset: usize, value: &Spanned<DeValue<'_>>) {
        if self.is_repeated(key.name(), offset) {
            return;
        }
        let given = Given::Written(value.get_ref(), self.folder);
        match key.kind().read(given) {
            Some(reading) => {
                if matches!(&reading.value, Value::Location(Some(Location::Url(url))) if has_password(url)) {
                    self.layer.password_offset = Some(value.span().start);
                }
                self.layer.readings.insert(key, reading);
            }
            None => self.invalid(
                key.name(),
                &key.kind().expected_instead_of(given),
                value,
                key.kind().hint(given),
            ),
        }
    }

    fn aliases(&mut self, table: &DeTable<'_>) {
        for (name, value) in in_order(table) {
            let offset = name.span().start;
            let canonical = canonical(name.get_ref());
            let key = Address::Alias(canonical.clone()).to_string();
            if Key::find(&canonical).is_some() {
                self.faults.push((offset, Fault::KeyBelowAlias { key: canonical, address: key }));
            } else if !alias::is_name(&canonical) {
                self.faults.push((offset, Fault::AliasName { name: name.get_ref().to_string() }));
            } else if !self.is_repeated(&key, offset) {
                match value.get_ref() {
                    DeValue::String(command) if command.is_empty() || alias::is_command(command) => {
                        self.layer.aliases.insert(canonical, command.to_string());
                    }
                    _ => self.invalid(&key, alias::EXPECTED, value, None),
                }
            }
        }
    }

    /// Notes where a key is, and that it is there twice in two spellings.
    fn is_repeated(&mut self, key: &str, offset: usize) -> bool {
        let Some(first) = self.first_offsets.insert(key.to_owned(), offset) else { return false };
        let (first_line, _) = line_and_column(self.text, first);
        self.faults.push((offset, Fault::Repeated { key: key.to_owned(), first_line }));
        true
    }

    fn invalid(&mut self, key: &str, expected: &str, value: &Spanned<DeValue<'_>>, hint: Option<String>) {
        let Range { start, end } = value.span();
        let written = self.text.get(start..end).unwrap_or_default().lines().next().unwrap_or_default();
        self.faults.push((
            start,
            Fault::Value(InvalidValue {
                key: key.to_owned(),
                value: written.to_owned(),
                expected: expected.to_owned(),
                hint,
            }),
        ));
    }
}

/// Returns the entries of a table as they follow each other in the file.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn problem(text: &str, file: &Path, offset: usize, fault: Fault) -> Problem {
    let (line, column) = line_and_column(text, offset);
    Problem { file: file.to_owned(), line, column, fault }
}

/// Counts lines, and characters in the line, from 1.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of a text, as `line:column: what is wrong`.
    fn problems(text: &str) -> Vec<String> {
        let (_, problems) = read(text, Path::new("c.toml"));
        problems.iter().map(|problem| problem.to_string().split_off("c.toml:".len())).collect()
    }

    #[test]
    fn a_file_may_spell_keys_with_underscores_and_old_names() {
        let (layer, problems) =
            read("max_retries = 5\nexp_backoff_base = 3\n[alias]\ndlq_all = 'dlq list'\n", Path::new("c"));
        assert_eq!(problems, []);
        assert_eq!(layer.readings[&Key::MaxRetries].text, "5");
        assert_eq!(layer.readings[&Key::BackoffBase].text, "3");
        assert_eq!(layer.aliases["dlq-all"], "dlq list");
    }

    #[test]
    fn every_problem_is_reported_in_the_order_of_the_file() {
        let text = "\
# mine
max-retrys = 5
  poll-interval = \"soon\"
max-retries = '3'
backoff-base = 2
backoff_base = 3
worker-count = 0
alias.Start = \"worker start\"
alias.x = \"enqueue 'open\"
alias.y = 3
alias.z = \"\"

[worker]
count = 2
";
        assert_eq!(
            problems(text),
            [
                "2:1: there is no setting `max-retrys`",
                "3:19: `\"soon\"` is not a value of poll-interval; expected a duration from 1ms to 1day, as in 500ms, 2s, 5m (a bare number is seconds)",
                "4:15: `'3'` is not a value of max-retries; expected a whole number from 0 to 1000000",
                "6:1: backoff-base is there already, on line 5",
                "7:16: `0` is not a value of worker-count; expected a whole number from 1 to 1024",
                "8:7: `Start` cannot be the name of an alias; it may have a-z, 0-9 and -, and begins with a letter or a digit",
                "9:11: `\"enqueue 'open\"` is not a value of alias.x; expected a command line with balanced quotes",
                "10:11: `3` is not a value of alias.y; expected a command line with balanced quotes",
                "13:2: there is no setting `worker`",
            ]
        );
    }

    #[test]
    fn a_setting_below_the_aliases_is_a_fault_whatever_its_value_is() {
        let text = "[alias]\nq = \"list\"\nmax_retries = 5\ndatabase = \"/srv/queue.db\"\ndb-path = \"x\"\n";
        let said = |line: usize, key: &str| {
            format!(
                "{line}:1: the setting {key} stands below [alias], where it would be the name of a command"
            )
        };
        assert_eq!(problems(text), [said(3, "max-retries"), said(4, "database"), said(5, "db-path")]);
        let (_, problems) = read(text, Path::new("c"));
        assert!(problems[0].hint().contains("`queuectl config unset alias.max-retries`"));
    }

    #[test]
    fn an_unknown_key_has_the_nearest_one_as_its_hint() {
        let (_, problems) = read("max-retrys = 5\n", Path::new("c"));
        assert_eq!(problems[0].hint(), "did you mean `max-retries`?");
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(problems("alias = { start = \"é\", é = 3 }\n").len(), 1);
        assert!(problems("alias = { start = \"é\", 'é' = 'x' }\n")[0].starts_with("1:24: "));
        assert_eq!(line_and_column("é\né", 5), (2, 2));
    }

    #[test]
    fn what_is_not_toml_is_reported_with_its_place() {
        let found = problems("max-retries = 3\npoll-interval = = 2\n");
        assert!(found[0].starts_with("2:17: "), "{found:?}");
        assert!(problems("max-retries = 3\nmax-retries = 4\n")[0].starts_with("2:1: duplicate key"));
        assert!(problems("alias = 'x'\n")[0].contains("is not a value of alias; expected a table"));
        assert!(problems("[[alias]]\nx = 'y'\n")[0].starts_with("1:"));
    }

    #[test]
    fn what_is_not_utf8_is_reported_with_its_place() {
        let problem = text(b"max-retries = 3\n# \xff\n", Path::new("c")).unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 3));
    }
}
