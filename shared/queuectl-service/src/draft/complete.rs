//! A draft becomes a job: what is not said comes from the configuration.

use crate::draft::error::DraftError;
pub use crate::draft::folder::BaseFolder;
use crate::draft::folder::Folders;
use crate::job_fields::{Defaults, Draft};
use queuectl_core::NewJob;
use queuectl_settings::Settings;

/// Completes drafts; looks the rest up once.
#[derive(Debug)]
pub struct Completion {
    defaults: Defaults,
    folders: Folders,
}

impl Completion {
    /// With the defaults of a configuration, and folders that begin at `base`.
    pub fn new(settings: &Settings, base: BaseFolder) -> Self {
        Self {
            defaults: Defaults { max_retries: settings.max_retries(), timeout: settings.job_timeout() },
            folders: Folders::new(base),
        }
    }

    /// The folders that were named and are not here: what may be a slip of the hand.
    pub fn missing_folders(&self) -> impl Iterator<Item = &str> {
        self.folders.missing()
    }

    /// Makes a draft the job it stands for.
    ///
    /// # Errors
    ///
    /// If it has no command, or its folder or its variables cannot be.
    pub fn complete(&mut self, draft: Draft) -> Result<NewJob, DraftError> {
        draft.complete(&self.defaults, |named| self.folders.of(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::CommandLine;
    use queuectl_core::DEFAULT_QUEUE;
    use queuectl_settings::Overrides;
    use std::path::PathBuf;
    use std::time::Duration;

    fn completion() -> Completion {
        let nowhere = tempfile::tempdir().unwrap();
        let config = nowhere.path().join("config.toml");
        std::fs::write(&config, "max-retries = 7\njob-timeout = \"2m\"\n").unwrap();
        let settings = Settings::load(&Overrides { config: Some(config), ..Overrides::default() }).unwrap();
        Completion::new(&settings, BaseFolder::Given("/srv".into()))
    }

    fn draft() -> Draft {
        Draft { command: Some(CommandLine::new("true").unwrap()), ..Draft::default() }
    }

    #[test]
    fn what_is_not_said_comes_from_the_configuration() {
        let job = completion().complete(draft()).unwrap();
        assert_eq!((job.max_retries, job.timeout), (7, Some(Duration::from_mins(2))));
        assert_eq!((job.cwd.as_str(), job.queue.as_str(), job.priority), ("/srv", DEFAULT_QUEUE, 0));
        assert_eq!(job.id.as_str().len(), 36, "a random id");
    }

    #[test]
    fn what_is_said_wins_and_zero_is_for_ever() {
        let said = Draft { max_retries: Some(0), timeout: Some(Duration::ZERO), ..draft() };
        let job = completion().complete(said).unwrap();
        assert_eq!((job.max_retries, job.timeout), (0, None));
    }

    #[test]
    fn a_relative_folder_begins_at_the_base_and_one_that_is_missing_is_remembered() {
        let mut completion = completion();
        let named = Draft { cwd: Some(PathBuf::from("no-such-folder")), ..draft() };
        assert_eq!(completion.complete(named).unwrap().cwd, "/srv/no-such-folder");
        assert_eq!(completion.missing_folders().collect::<Vec<_>>(), ["/srv/no-such-folder"]);
        let empty = Draft { cwd: Some(PathBuf::new()), ..draft() };
        assert!(matches!(completion.complete(empty), Err(DraftError::EmptyFolder)));
        assert!(matches!(completion.complete(Draft::default()), Err(DraftError::NoCommand)));
    }
}
