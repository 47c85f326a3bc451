//! The global flags.

use queuectl_files::{AS_ROOT_VARIABLE, Owners};
use queuectl_settings::{Key, Overrides};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The flags that every program takes, before or after the name of a subcommand. Each may
/// be given again, as after an alias that has it; the last one counts.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct GlobalArgs {
    /// Read this configuration file [default: config.toml where `queuectl config path` says]
    #[arg(long, global = true, value_name = "FILE", overrides_with = "config")]
    pub config: Option<PathBuf>,

    /// Use the queue at this place [default: database of the configuration]
    #[arg(long, global = true, value_name = "URL|PATH", overrides_with = "database")]
    pub database: Option<OsString>,

    /// As root, use a queue, a configuration and commands of other users too
    #[arg(long, global = true, overrides_with = "as_root")]
    pub as_root: bool,

    /// Print without colours
    #[arg(long, global = true, overrides_with = "no_color")]
    pub no_color: bool,

    /// Say more on standard error
    #[arg(short, long, global = true, conflicts_with = "quiet", overrides_with = "verbose")]
    pub verbose: bool,

    /// Say nothing but errors on standard error
    #[arg(short, long, global = true, overrides_with = "quiet")]
    pub quiet: bool,
}

/// The variable by which the dispatcher hands `-v` and `-q` on.
pub const LOG_LEVEL_VARIABLE: &str = "QUEUECTL_LOG_LEVEL";

impl GlobalArgs {
    /// How much is logged, in the words of the configuration, if a flag says so.
    pub fn log_level(&self) -> Option<&'static str> {
        match (self.verbose, self.quiet) {
            (true, _) => Some("DEBUG"),
            (_, true) => Some("ERROR"),
            _ => None,
        }
    }

    /// Whose files are used: the flag, then the variable.
    pub fn owners(&self) -> Owners {
        let said = env::var(AS_ROOT_VARIABLE).unwrap_or_default().to_ascii_lowercase();
        if self.as_root || matches!(said.as_str(), "1" | "true" | "yes") {
            Owners::AnyForRoot
        } else {
            Owners::Own
        }
    }

    /// What the flags say about settings.
    pub fn overrides(&self) -> Overrides {
        Overrides { config: self.config.clone(), flags: Vec::new(), owners: self.owners() }
            .with(Key::Database, self.database.as_ref())
            .with(Key::LogLevel, self.log_level())
    }
}
