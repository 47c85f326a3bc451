//! Every setting of queuectl.
//!
//! `queuectl.toml`, beside this crate and compiled into it, is the only place
//! where a default, its unit and its description stand. [`Settings::load`]
//! lays the other sources over it, strongest first: flag, `QUEUECTL_*`
//! variable, the user's file, default. Nothing is skipped in silence: a file or
//! a variable that cannot be understood is an error that says where.
//!
//! | Module | What it knows |
//! |---|---|
//! | `key` | which keys there are, and their spellings |
//! | `value` | what a value of each kind looks like |
//! | `log_level` | how much is logged |
//! | `alias` | what an alias may look like |
//! | `overrides` | what a command line says instead |
//! | `places` | which files and folders are meant |
//! | `file` | a configuration file, read; every [`Problem`] in it |
//! | `settings` | the layers, one over the other |
//! | `variables` | which variables mean something |
//! | [`edit`] | changes to the user's file, which keep its comments |
//! | `write` | how a file is replaced: locked, whole, durable |

mod alias;
pub mod edit;
mod error;
mod file;
mod key;
mod log_level;
mod overrides;
mod places;
mod settings;
mod value;
mod variables;
mod write;

pub use alias::{is_name as is_command_name, loop_of as loop_of_aliases};
pub use error::{Fault, InvalidValue, Problem, RAISE_THE_LIMIT, SettingsError};
pub use file::check;
pub use key::Key;
pub use log_level::LogLevel;
pub use overrides::Overrides;
pub use places::{Places, Surroundings};
pub use settings::{Entry, Origin, Settings};
pub use variables::{UnknownVariable, unknown_variables};

/// The text of `queuectl.toml`: every key with its description, unit and default.
pub const DEFAULTS: &str = include_str!("../queuectl.toml");
