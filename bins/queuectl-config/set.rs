//! `queuectl config set`: changes one value in the user's file.

use crate::typed::typed;
use queuectl_cli::{Context, Failure, is_program};
use queuectl_settings::{Key, edit};
use serde::Serialize;
use std::env;
use std::path::Path;

/// Change a setting in the configuration file
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SetArgs {
    /// The setting; `_` and `-` are the same
    #[arg(value_name = "KEY", required_unless_present = "key_flag", conflicts_with = "key_flag")]
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

#[derive(Serialize)]
struct Document<'a> {
    key: &'a str,
    value: serde_json::Value,
    file: &'a Path,
}

pub(crate) fn set(cx: &Context, args: &SetArgs) -> Result<(), Failure> {
    let key = args.key.as_ref().or(args.key_flag.as_ref()).map_or("", String::as_str);
    let value = args.value.as_ref().or(args.value_flag.as_ref()).map_or("", String::as_str);
    if let Some(name) = key.strip_prefix("alias.") {
        refuse_unreachable(name)?;
    }
    let change = edit::set(&cx.places()?, key, value)?;
    if args.json {
        cx.output().json(&Document {
            key: &change.key,
            value: typed(&change.key, &change.value),
            file: &change.file,
        })?;
    } else {
        cx.output().line(format!("{} = {}", change.key, queuectl_cli::text::escape(&change.value)))?;
    }
    warn_of_variable(cx, &change.key);
    note_about_workers(cx, &change.key);
    Ok(())
}

/// A program of the family is found before any alias.
fn refuse_unreachable(name: &str) -> Result<(), Failure> {
    let name = name.replace('_', "-");
    if !is_program(&name) {
        return Ok(());
    }
    Err(Failure::error(format!("the alias {name} could never be reached: `queuectl {name}` is a program"))
        .hint(format!("choose another name, for example `my-{name}`")))
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
