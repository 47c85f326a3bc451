//! `queuectl config path`: tells where the configuration file is.

use queuectl_cli::{Context, Failure};
use queuectl_service::document::setting::PlacesDocument;

/// Print where the configuration file is, or would be
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PathArgs {
    /// Print JSON, with the folders for data and logs
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl config path
  queuectl config path --json | jq -r .state";

pub(crate) fn path(cx: &Context, args: &PathArgs) -> Result<(), Failure> {
    let places = cx.places()?;
    if args.json {
        return cx.output().json(&PlacesDocument {
            config: places.config_file(),
            data: places.data_folder(),
            state: places.state_folder(),
        });
    }
    cx.output().value(&places.config_file().display().to_string())
}
