//! `queuectl config list`: prints every setting.

use queuectl_cli::text::escape;
use queuectl_cli::{Context, Failure};
use queuectl_service::document::setting::EntryDocument;
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

pub(crate) fn list(cx: &Context, args: &ListArgs) -> Result<(), Failure> {
    let entries = cx.settings()?.entries();
    cx.warn_of_unknown_variables();
    if args.json {
        let mut array = cx.output().json_array();
        entries.iter().try_for_each(|entry| array.push(&EntryDocument::from(entry)))?;
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
