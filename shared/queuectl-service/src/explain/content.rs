//! What is said of settings and of the parts of a job.

use crate::explanation::Explanation;
use queuectl_core::{InvalidCommand, InvalidEnvironment, InvalidJobId};
use queuectl_settings::SettingsError;

impl From<SettingsError> for Explanation {
    fn from(error: SettingsError) -> Self {
        Self::error(error.to_string()).hint_if_known(error.hint())
    }
}

impl From<InvalidJobId> for Explanation {
    fn from(error: InvalidJobId) -> Self {
        Self::error(error.to_string())
    }
}

impl From<InvalidCommand> for Explanation {
    fn from(error: InvalidCommand) -> Self {
        let said = Self::error(error.to_string());
        match error {
            InvalidCommand::Empty => said.hint("name one, for example `queuectl enqueue 'make all'`"),
            InvalidCommand::TooLong { .. } => said.hint("put it into a file and enqueue `sh FILE`"),
            InvalidCommand::Nul => said,
        }
    }
}

impl From<InvalidEnvironment> for Explanation {
    fn from(error: InvalidEnvironment) -> Self {
        Self::error(error.to_string())
    }
}
