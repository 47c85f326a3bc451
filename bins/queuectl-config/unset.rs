//! `queuectl config unset`: takes one value out of the user's file.

use crate::get::Name;
use crate::set::{note_about_workers, warn_of_variable};
use queuectl_cli::{Context, Failure};
use queuectl_service::document::setting::UnsetSetting;
use queuectl_settings::{Key, edit};

/// Take a setting out of the configuration file, so that its default counts
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UnsetArgs {
    #[command(flatten)]
    name: Name,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl config unset max-retries";

pub(crate) fn unset(cx: &Context, args: &UnsetArgs) -> Result<(), Failure> {
    let typed = args.name.key();
    let was_set = edit::unset(&cx.places()?, typed)?;
    let key = Key::find(typed).map_or(typed, |key| key.name());
    if args.json {
        cx.output().json(&UnsetSetting { key, was_set })?;
    } else if was_set {
        cx.output().line(format!("{key} is no longer set"))?;
    } else {
        cx.output().note(format!("{key} was not set in the configuration file"));
    }
    if was_set {
        note_about_workers(cx, key);
    }
    warn_of_variable(cx, key);
    Ok(())
}
