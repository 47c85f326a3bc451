//! `queuectl config set`: changes one value in the user's file.

use crate::aliases;
use clap::builder::{StringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use queuectl_cli::{Context, Failure, is_program};
use queuectl_core::Location;
use queuectl_service::document::setting::{ChangedSetting, ValueDocument};
use queuectl_settings::{Key, edit};
use std::env;
use std::ffi::OsStr;

/// Change a setting in the configuration file
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SetArgs {
    /// The setting; `_` and `-` are the same
    #[arg(value_name = "KEY", required_unless_present = "key_flag", conflicts_with = "key_flag")]
    #[arg(value_parser = OneWord)]
    key: Option<String>,

    /// Its new value
    // A negative number is a value too, if a wrong one.
    #[arg(value_name = "VALUE", required_unless_present = "value_flag", conflicts_with = "value_flag")]
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,

    /// The setting, named by a flag
    #[arg(long = "key", value_name = "KEY", id = "key_flag", requires = "value_flag")]
    key_flag: Option<String>,

    /// Its new value, named by a flag
    #[arg(long = "value", value_name = "VALUE", id = "value_flag", allow_hyphen_values = true)]
    value_flag: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl config set max-retries 5
  queuectl config set job-timeout 10m
  queuectl config set alias.today 'list --state completed'";

pub(crate) fn set(cx: &Context, args: &SetArgs) -> Result<(), Failure> {
    let key = args.key.as_ref().or(args.key_flag.as_ref()).map_or("", String::as_str);
    let value = args.value.as_ref().or(args.value_flag.as_ref()).map_or("", String::as_str);
    if let Some(name) = key.strip_prefix("alias.") {
        refuse_useless(cx, name, value)?;
    }
    let change = edit::set(&cx.places()?, key, value)?;
    if args.json {
        cx.output().json(&ChangedSetting {
            setting: ValueDocument::new(&change.key, &change.value),
            file: &change.file,
        })?;
    } else {
        cx.output().line(format!("{} = {}", change.key, queuectl_cli::text::escape(&change.value)))?;
    }
    if let Some(name) = change.key.strip_prefix("alias.").filter(|_| key != change.key) {
        cx.output().note(format!("It is typed `queuectl {name}`"));
    }
    if let Some(place) = &change.location {
        note_place(cx, value, place);
    }
    warn_of_variable(cx, &change.key);
    note_about_workers(cx, &change.key);
    Ok(())
}

/// A key; `max-retries=4` is one word, and a key and its value are two.
#[derive(Clone)]
struct OneWord;

impl TypedValueParser for OneWord {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, typed: &OsStr) -> Result<String, clap::Error> {
        let Some((key, value)) = typed.to_str().and_then(|typed| typed.split_once('=')) else {
            return StringValueParser::new().parse_ref(command, arg, typed);
        };
        let meant = format!("queuectl config set {}", shell_words::join([key, value]));
        let mut error = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
        for (kind, text) in [
            (ContextKind::InvalidArg, "<KEY>".to_owned()),
            (ContextKind::InvalidValue, typed.to_string_lossy().into_owned()),
            (ContextKind::SuggestedValue, meant),
        ] {
            error.insert(kind, ContextValue::String(text));
        }
        Err(error)
    }
}

/// Refuses an alias that could never work, before it is written.
fn refuse_useless(cx: &Context, name: &str, value: &str) -> Result<(), Failure> {
    let name = name.replace('_', "-");
    if is_program(&name) {
        let message = format!("the alias {name} could never be reached: `queuectl {name}` is a program");
        return Err(Failure::error(message).hint(format!("choose another name, for example `my-{name}`")));
    }
    // What is wrong with the file is told by who changes it.
    let mut aliases = cx.settings().map(|settings| settings.aliases().clone()).unwrap_or_default();
    aliases.insert(name.clone(), value.to_owned());
    aliases::fault(&name, &aliases).map_or(Ok(()), Err)
}

/// A place is relative to the folder of the configuration, and one that was mistyped must
/// not look like an empty queue.
fn note_place(cx: &Context, typed: &str, place: &Location) {
    let Location::File(path) = place else { return };
    if matches!(path.try_exists(), Ok(false)) {
        cx.output().note(format!("There is no queue at {} yet; the first job makes it", path.display()));
    } else if typed != path.as_os_str() {
        cx.output().note(format!("The queue is at {}", path.display()));
    }
}

/// Says what a change does not reach; no worker reads an alias.
pub(crate) fn note_about_workers(cx: &Context, key: &str) {
    if Key::find(key).is_some() {
        cx.output().note("Running workers keep their values until they are restarted");
    }
}

/// Says so if a variable hides what the file says.
pub(crate) fn warn_of_variable(cx: &Context, key: &str) {
    let variable = Key::find(key).map(Key::variable);
    let variable = variable.filter(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    if let Some(variable) = variable {
        cx.output().warn(format!("the variable {variable} is set and stronger than the file"));
    }
}
