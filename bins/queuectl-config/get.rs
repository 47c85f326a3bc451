//! `queuectl config get`: prints one value.

use queuectl_cli::{Context, Exit, Failure};
use queuectl_service::document::setting::ValueDocument;

/// Print the value of a setting
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) name: Name,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl config get max-retries
  queuectl config get database";

/// A key, with or without a flag before it.
#[derive(clap::Args)]
pub(crate) struct Name {
    /// The setting; `_` and `-` are the same
    #[arg(value_name = "KEY", required_unless_present = "key_flag", conflicts_with = "key_flag")]
    key: Option<String>,

    /// The setting, named by a flag
    #[arg(long = "key", value_name = "KEY", id = "key_flag")]
    key_flag: Option<String>,
}

impl Name {
    /// The key as it was typed.
    pub(crate) fn key(&self) -> &str {
        self.key.as_deref().or(self.key_flag.as_deref()).unwrap_or_default()
    }
}

pub(crate) fn get(cx: &Context, args: &GetArgs) -> Result<(), Failure> {
    let key = args.name.key();
    // All it can say is that there is no such key.
    let value = cx.settings()?.get(key).map_err(|error| Failure::from(error).with_code(Exit::NotFound))?;
    if args.json { cx.output().json(&ValueDocument::new(key, value)) } else { cx.output().value(value) }
}
