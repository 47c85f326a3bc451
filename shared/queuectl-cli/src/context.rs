//! What a program can ask for.

use crate::arguments::GlobalArgs;
use crate::failure::Failure;
use crate::logging;
use crate::output::Output;
use queuectl_core::Timestamp;
use queuectl_settings::{Database, Overrides, Places, Settings, Surroundings};
use queuectl_store::{Access, Location, OpenOptions, Store};
use std::cell::OnceCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a program can ask for: its settings, the queue, the time, a place to
/// print to.
#[derive(Debug)]
pub struct Context {
    program: String,
    global: GlobalArgs,
    output: Output,
    settings: OnceCell<Settings>,
}

impl Context {
    pub(crate) fn new(program: String, global: GlobalArgs) -> Self {
        let output = global.output();
        Self { program, global, output, settings: OnceCell::new() }
    }

    /// How the program is called: `queuectl dlq`.
    pub fn program_name(&self) -> &str {
        &self.program
    }

    /// The global flags as they were given.
    pub fn global(&self) -> &GlobalArgs {
        &self.global
    }

    /// What the flags say about settings.
    pub fn overrides(&self) -> Overrides {
        self.global.overrides()
    }

    /// The settings; read when they are first asked for, so that a broken file
    /// is in nobody's way who does not need it.
    pub fn settings(&self) -> Result<&Settings, Failure> {
        if let Some(settings) = self.settings.get() {
            return Ok(settings);
        }
        let settings = Settings::load(&self.overrides())?;
        Ok(self.settings.get_or_init(|| settings))
    }

    /// The files and folders that are meant; known whatever the configuration says.
    pub fn places(&self) -> Result<Places, Failure> {
        Ok(Places::find(&self.overrides(), &Surroundings::of_this_process())?)
    }

    /// Where the queue is.
    pub fn location(&self) -> Result<Location, Failure> {
        Ok(match self.settings()?.database() {
            Database::File(path) => Location::File(path.clone()),
            Database::Url(url) => Location::Url(url.clone()),
        })
    }

    /// How to open the queue.
    pub fn open_options(&self, access: Access) -> Result<OpenOptions, Failure> {
        Ok(OpenOptions { access, busy_timeout: self.settings()?.busy_timeout() })
    }

    /// Opens the queue.
    pub fn store(&self, access: Access) -> Result<Box<dyn Store>, Failure> {
        logging::start_short_log(self.output.verbosity());
        Ok(queuectl_store::open(&self.location()?, &self.open_options(access)?)?)
    }

    /// Opens the queue to change what is in it; none if there is no queue, and
    /// then none is made.
    pub fn existing_store(&self) -> Result<Option<Box<dyn Store>>, Failure> {
        match self.location()? {
            Location::File(path) if matches!(path.try_exists(), Ok(false)) => Ok(None),
            _ => self.store(Access::Write).map(Some),
        }
    }

    /// The time; no other part of a program asks the clock.
    pub fn now(&self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Timestamp::from_millis(millis)
    }

    /// Where to print.
    pub fn output(&self) -> Output {
        self.output
    }
}
