//! `queuectl config list`: prints every setting.

use crate::typed::typed;
use queuectl_cli::text::escape;
use queuectl_cli::{Context, Failure};
use queuectl_settings::Entry;
use serde::Serialize;
use std::fmt::Write as _;

/// Print every setting
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// Say where each value comes from
    #[arg(long)]
    origin: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl config list
  queuectl config list --origin";

#[derive(Serialize)]
struct Document<'a> {
    key: &'a str,
    value: serde_json::Value,
    origin: String,
    unit: &'a str,
    description: &'a str,
}

pub(crate) fn list(cx: &Context, args: &ListArgs) -> Result<(), Failure> {
    let entries = cx.settings()?.entries();
    cx.warn_of_unknown_variables();
    if args.json {
        let mut array = cx.output().json_array();
        entries.iter().try_for_each(|entry| array.push(&document(entry)))?;
        return array.end();
    }
    let mut text = "Current configuration:\n".to_owned();
    for entry in &entries {
        let origin = if args.origin { format!("  ({})", entry.origin) } else { String::new() };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}: {}{}", entry.key, escape(&entry.value), escape(&origin));
    }
    cx.output().bytes(text.as_bytes())
}

fn document(entry: &Entry) -> Document<'_> {
    Document {
        key: &entry.key,
        value: typed(&entry.key, &entry.value),
        origin: entry.origin.to_string(),
        unit: entry.unit,
        description: entry.description,
    }
}
