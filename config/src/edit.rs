//! Changes to the user's configuration file.
//!
//! Comments, order and the form of other values stay as they are. One change
//! at a time: a lock beside the file makes a second one wait, so neither is
//! lost. The file is replaced as a whole, never half written.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use queuectl_core::{Location, has_password, without_password};
use toml_edit::{Decor, Document, DocumentMut, Item, Table, TableLike};

use crate::alias;
use crate::error::{Fault, InvalidValue, Problem, SettingsError};
use crate::file::read_guarded;
use crate::key::{Address, Key, canonical};
use crate::places::Places;
use crate::settings::read_typed;
use crate::value::{Given, Reading, Value};
use crate::write;

/// What [`set`] did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The key, in its canonical spelling.
    pub key: String,
    /// The value, as `config get` prints it; a path as it was typed.
    pub value: String,
    /// The configuration file that has it now.
    pub file: PathBuf,
    /// Where the queue is by this value, if the key says that.
    pub location: Option<Location>,
}

/// Sets a key in the user's file, which is made if it does not exist.
///
/// The key is written in its canonical spelling and replaces any other.
/// Numbers are written as TOML numbers, all else as text, as it was typed.
///
/// # Errors
///
/// [`SettingsError::UnknownKey`], [`SettingsError::Value`],
/// [`SettingsError::AliasName`], [`SettingsError::AliasOfKey`], or [`SettingsError::PasswordTyped`] if the value
/// is a URL with a password, before anything is touched;
/// [`SettingsError::File`] if anything else in the file is wrong, and then it
/// stays as it is; otherwise what the system said.
pub fn set(places: &Places, key: &str, value: &str) -> Result<Change, SettingsError> {
    let address = Address::find(key)?;
    let (literal, shown, location) = match &address {
        Address::Key(Key::Database) if has_password(value) => {
            return Err(SettingsError::PasswordTyped { url: without_password(value) });
        }
        Address::Key(key) => {
            let reading = read_for_file(*key, value, places).map_err(SettingsError::Value)?;
            let literal = literal(value, &reading);
            let location = match reading.value {
                // Who reads it says what is wrong with it.
                Value::Location(given) => places.resolve(given, Some(places.config_folder())).ok(),
                _ => None,
            };
            (literal, reading.text, location)
        }
        Address::Alias(name) => {
            check_alias(name, value)?;
            (value.into(), value.to_owned(), None)
        }
    };
    let change =
        Change { key: address.to_string(), value: shown, file: places.config_file().to_owned(), location };
    write::replace(places.config_file(), places.owners(), |text| {
        let mut document = parse(text, &address, places.config_file())?;
        put(&mut document, &address, literal);
        Ok(like(text, &document.to_string()))
    })?;
    Ok(change)
}

/// Takes a key out of the user's file, and tells whether it was there.
///
/// Its line goes; comments above it stay.
///
/// # Errors
///
/// As for [`set`].
pub fn unset(places: &Places, key: &str) -> Result<bool, SettingsError> {
    let address = Address::find(key)?;
    let file = places.config_file();
    match file.try_exists() {
        Ok(true) => {}
        Ok(false) => return Ok(false),
        Err(source) => return Err(SettingsError::Unreadable { file: file.to_owned(), source }),
    }
    let mut was_there = false;
    write::replace(file, places.owners(), |text| {
        parse(text, &address, file)?;
        let mut text = text.to_owned();
        while let Some(shorter) = without(&text, &address) {
            text = shorter;
            was_there = true;
        }
        Ok(text)
    })?;
    Ok(was_there)
}

/// Understands a value as the file will be read that gets it: a file may be named that
/// is beside it, and not where this is typed.
fn read_for_file(key: Key, value: &str, places: &Places) -> Result<Reading, InvalidValue> {
    if key == Key::Database && !value.is_empty() {
        let written = toml::de::DeValue::String(value.into());
        let given = Given::Written(&written, places.config_folder());
        return key.kind().read(given).ok_or_else(|| InvalidValue {
            key: key.to_string(),
            value: value.to_owned(),
            expected: key.kind().expected(),
            hint: key.kind().hint(given),
        });
    }
    read_typed(key, &OsString::from(value))
}

fn check_alias(name: &str, command: &str) -> Result<(), SettingsError> {
    if Key::find(name).is_some() {
        return Err(SettingsError::AliasOfKey { name: name.to_owned() });
    }
    if !alias::is_name(name) {
        return Err(SettingsError::AliasName { name: name.to_owned() });
    }
    if !(command.is_empty() || alias::is_command(command)) {
        return Err(SettingsError::Value(InvalidValue {
            key: Address::Alias(name.to_owned()).to_string(),
            value: command.to_owned(),
            expected: alias::EXPECTED.to_owned(),
            hint: None,
        }));
    }
    Ok(())
}

/// Returns the TOML for a value: what was typed, as a number if it is one.
fn literal(typed: &str, reading: &Reading) -> toml_edit::Value {
    let number = |text: &str| {
        text.parse().ok().filter(|value: &toml_edit::Value| value.is_integer() || value.is_float())
    };
    match reading.value {
        Value::Count(_) => number(&reading.text),
        // What Rust takes for a number and TOML does not, as `.5`, is shown in TOML's way.
        Value::Number(_) | Value::Duration(_) | Value::Size(_) if typed.parse::<f64>().is_ok() => {
            number(typed).or_else(|| number(&reading.text))
        }
        Value::Number(_) | Value::Duration(_) | Value::Size(_) | Value::Level(_) | Value::Location(_) => None,
    }
    .unwrap_or_else(|| typed.into())
}

/// Reads a file for a change of `address`, whose own faults the change mends.
fn parse(text: &str, address: &Address, file: &Path) -> Result<DocumentMut, SettingsError> {
    let target = address.to_string();
    let (_, problems) = read_guarded(text, file);
    if let Some(problem) = problems.into_iter().find(|problem| problem.key() != Some(&target)) {
        return Err(SettingsError::File(Box::new(problem)));
    }
    text.parse().map_err(|error: toml_edit::TomlError| {
        let fault = Fault::Syntax { message: error.message().replace('\n', " ") };
        SettingsError::File(Box::new(Problem { file: file.to_owned(), line: 1, column: 1, fault }))
    })
}

/// Tells whether a name in a file means this address, within its table.
fn means(name: &str, address: &Address) -> bool {
    match address {
        Address::Key(key) => Key::find(name) == Some(*key),
        Address::Alias(alias) => canonical(name) == *alias,
    }
}

fn put(document: &mut DocumentMut, address: &Address, value: toml_edit::Value) {
    // Comments of a file that has nothing else belong above what it gets.
    let header = if document.is_empty() {
        document.trailing().as_str().unwrap_or_default().to_owned()
    } else {
        String::new()
    };
    let header = if header.is_empty() || header.ends_with('\n') { header } else { header + "\n" };
    if !header.is_empty() {
        document.set_trailing("");
    }
    match address {
        Address::Key(key) => {
            put_into(document.as_table_mut(), key.name(), address, value);
            if let (false, Some(mut key)) = (header.is_empty(), document.key_mut(key.name())) {
                key.leaf_decor_mut().set_prefix(header);
            }
        }
        Address::Alias(name) => {
            let aliases = document.entry("alias").or_insert_with(|| {
                let mut table = Table::new();
                if !header.is_empty() {
                    table.decor_mut().set_prefix(header);
                }
                Item::Table(table)
            });
            if let Some(aliases) = aliases.as_table_like_mut() {
                put_into(aliases, name, address, value);
            }
        }
    }
}

/// Puts a value in the place of whatever means the same, else at the end.
fn put_into(table: &mut dyn TableLike, name: &str, address: &Address, value: toml_edit::Value) {
    let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    if !names.iter().any(|name| means(name, address)) {
        table.insert(name, Item::Value(value));
        return;
    }
    // A key cannot be renamed in its place: all are taken out, and put back.
    let mut entries = Vec::new();
    for name in names {
        let key = table.key(&name).cloned();
        entries.extend(key.zip(table.remove(&name)));
    }
    let mut value = Some(value);
    for (key, item) in entries {
        if !means(key.get(), address) {
            table.entry_format(&key).or_insert(item);
        } else if let Some(mut value) = value.take() {
            *value.decor_mut() = item.as_value().map_or_else(Decor::default, |old| old.decor().clone());
            let renamed = toml_edit::Key::new(name)
                .with_leaf_decor(key.leaf_decor().clone())
                .with_dotted_decor(key.dotted_decor().clone());
            table.entry_format(&renamed).or_insert(Item::Value(value));
        }
    }
}

/// Returns the text without one line, or inline entry, that means this address.
fn without(text: &str, address: &Address) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let table: &dyn TableLike = match address {
        Address::Key(_) => document.as_table(),
        Address::Alias(_) => document.get("alias")?.as_table_like()?,
    };
    let (name, item) = table.iter().find(|(name, _)| means(name, address))?;
    if document.get("alias").is_some_and(Item::is_inline_table) && matches!(address, Address::Alias(_)) {
        let mut document: DocumentMut = text.parse().ok()?;
        document["alias"].as_table_like_mut()?.remove(name);
        return Some(like(text, &document.to_string()));
    }
    let start = text[..table.key(name)?.span()?.start].rfind('\n').map_or(0, |newline| newline + 1);
    let value_end = item.span()?.end;
    let end = text[value_end..].find('\n').map_or(text.len(), |newline| value_end + newline + 1);
    Some(format!("{}{}", &text[..start], &text[end..]))
}

/// Ends lines as the old text does; the TOML writer only knows `\n`.
fn like(old: &str, new: &str) -> String {
    if old.contains("\r\n") { new.replace('\n', "\r\n") } else { new.to_owned() }
}

#[cfg(test)]
mod tests;
