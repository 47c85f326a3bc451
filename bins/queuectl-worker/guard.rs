//! `queuectl-worker guard`: one guardian process, started by its manager.

use queuectl_cli::{Context, Failure, start_log};
use queuectl_runtime::guardian;
use queuectl_settings::{LogLevel, Settings};

/// Outlive a killed manager, and end what its workers had started
#[derive(clap::Args)]
pub(crate) struct GuardArgs {}

pub(crate) fn guard(cx: &Context, _args: &GuardArgs) -> Result<(), Failure> {
    // Nothing in a configuration keeps it from its duty.
    let level = cx.settings().map_or(LogLevel::Info, Settings::log_level);
    start_log(level, format!("[Guardian PID {}]", std::process::id()));
    guardian::run().map_err(|error| Failure::error(format!("nothing can be guarded: {error}")))
}
