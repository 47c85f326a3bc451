//! What a command line says instead of everything else.

use std::ffi::OsString;
use std::path::PathBuf;

use queuectl_files::Owners;

use crate::key::Key;

/// What the flags of a command line say.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// Values of keys, as they were typed; of two for the same key the last counts.
    pub flags: Vec<(Key, OsString)>,
    /// Whose files are used.
    pub owners: Owners,
}

impl Overrides {
    /// Adds what a flag says about a key, if it was given.
    #[must_use]
    pub fn with(mut self, key: Key, value: Option<impl Into<OsString>>) -> Overrides {
        self.flags.extend(value.map(|value| (key, value.into())));
        self
    }
}
