//! What a program can ask for.

use crate::failure::Failure;
use crate::global::GlobalArgs;
use crate::logging;
use crate::output::Output;
use queuectl_core::Timestamp;
use queuectl_service::place;
use queuectl_service::verbs::delete::DryRun;
use queuectl_settings::{
    Origin, Overrides, Places, Settings, Surroundings, UnknownVariable, unknown_variables,
};
use queuectl_store::{Access, Clock, Location, OpenOptions, Store, StoreError};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;

/// What a program can ask for: its settings, the queue, the time, a place to
/// print to.
#[derive(Debug)]
pub struct Context {
    global: GlobalArgs,
    output: Output,
    settings: OnceCell<Settings>,
    clock: RefCell<Clock>,
    warned_of_variables: Cell<bool>,
    /// The queues of which it was said that nothing of them starts.
    told_of: RefCell<HashSet<String>>,
}

impl Context {
    pub(crate) fn new(global: GlobalArgs) -> Self {
        let output = Output::of(&global);
        let clock = RefCell::new(Clock::of_this_machine());
        let warned_of_variables = Cell::new(false);
        let (settings, told_of) = (OnceCell::new(), RefCell::default());
        Self { global, output, settings, clock, warned_of_variables, told_of }
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
    /// is not in the way of what does not need it.
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

    /// Warns, once, of variables that look like ours and mean nothing.
    pub fn warn_of_unknown_variables(&self) -> Vec<UnknownVariable> {
        let unknown = unknown_variables(std::env::vars_os().map(|(name, _)| name));
        if !self.warned_of_variables.replace(true) {
            for UnknownVariable { name, nearest } in &unknown {
                self.output.warn(format!("the variable {name} means nothing to queuectl"));
                self.output.note(match nearest {
                    Some(meant) => format!("hint: did you mean {meant}?"),
                    None => format!("hint: take it away with `unset {name}`"),
                });
            }
        }
        unknown
    }

    /// Where the queue is.
    pub fn location(&self) -> Result<Location, Failure> {
        self.warn_of_unknown_variables();
        Ok(place::location(self.settings()?))
    }

    /// How to open the queue.
    pub fn open_options(&self, access: Access) -> Result<OpenOptions, Failure> {
        Ok(place::open_options(self.settings()?, access, self.global.owners()))
    }

    /// Opens the queue; its clock is this program's from now on. A program that only looks
    /// tells if the queue is somewhere else.
    pub fn store(&self, access: Access) -> Result<Box<dyn Store>, Failure> {
        logging::start_short_log(self.output.verbosity());
        let mut store = queuectl_store::open(&self.location()?, &self.open_options(access)?)?;
        self.clock.replace(store.clock());
        if access == Access::Read
            && let Err(error) = store.insist_open()
        {
            match error {
                StoreError::Moved { .. } | StoreError::Staying { .. } | StoreError::Arriving { .. } => {
                    self.output.warn(error);
                }
                error => return Err(error.into()),
            }
        }
        Ok(store)
    }

    /// Opens the queue to change what is in it; none if there is no queue, and
    /// then none is made.
    pub fn existing_store(&self) -> Result<Option<Box<dyn Store>>, Failure> {
        if self.is_missing()? {
            self.note_no_queue()?;
            return Ok(None);
        }
        let store = self.store(Access::Change)?;
        self.if_there(store)
    }

    /// Says that nothing was found, or that there is no queue to find it in: a path that
    /// was mistyped must not look like an empty queue.
    pub fn note_nothing(&self, store: &mut dyn Store, nothing: &str) -> Result<(), Failure> {
        match store.whereabouts()? {
            Some(_) => self.output.note(nothing),
            None => self.note_no_queue()?,
        }
        Ok(())
    }

    /// Says so if there is no queue; a job of it is not found then, whatever is typed.
    pub fn note_if_no_queue(&self, store: &mut dyn Store) -> Result<(), Failure> {
        if store.whereabouts()?.is_none() {
            self.note_no_queue()?;
        }
        Ok(())
    }

    /// Says that there is no queue.
    pub fn note_no_queue(&self) -> Result<(), Failure> {
        let place = self.location()?;
        self.output.note(format!("There is no queue at {place} yet; the first job makes it"));
        Ok(())
    }

    /// The queue, if a flag, a variable or the configuration names it: then people are
    /// told which it is.
    pub fn chosen_queue(&self) -> Result<Option<Location>, Failure> {
        match self.settings()?.database_origin() {
            Origin::Default => Ok(None),
            _ => self.location().map(Some),
        }
    }

    /// The queue, if this call alone has named it, by a flag or a variable: other calls
    /// of the same user, which have the same log, may mean another.
    pub fn named_queue(&self) -> Result<Option<Location>, Failure> {
        match self.settings()?.database_origin() {
            Origin::Flag | Origin::Environment(_) => self.location().map(Some),
            Origin::File(_) | Origin::Default => Ok(None),
        }
    }

    /// The place of a queue that was chosen, and where nothing is yet: the first
    /// job makes it there, and a place that was mistyped is to be seen.
    pub fn place_of_a_new_queue(&self) -> Result<Option<Location>, Failure> {
        if self.is_missing()? { self.chosen_queue() } else { Ok(None) }
    }

    /// Notes that something is said of a queue; tells whether it is the first time.
    pub(crate) fn tells_first(&self, queue: &str) -> bool {
        self.told_of.borrow_mut().insert(queue.to_owned())
    }

    /// The same to delete jobs, where the disk is full too.
    pub fn existing_store_to_delete(&self) -> Result<Option<Box<dyn Store>>, Failure> {
        if self.is_missing()? {
            self.note_no_queue()?;
            return Ok(None);
        }
        logging::start_short_log(self.output.verbosity());
        let options = self.open_options(Access::Change)?;
        let store = queuectl_store::open_to_delete(&self.location()?, &options)?;
        self.clock.replace(store.clock());
        self.if_there(store)
    }

    /// A store that was opened, if there is a queue in it; if not, says so.
    fn if_there(&self, mut store: Box<dyn Store>) -> Result<Option<Box<dyn Store>>, Failure> {
        let is_there = store.whereabouts()?.is_some();
        if !is_there {
            self.note_no_queue()?;
        }
        Ok(is_there.then_some(store))
    }

    fn is_missing(&self) -> Result<bool, Failure> {
        Ok(matches!(self.location()?, Location::File(path) if matches!(path.try_exists(), Ok(false))))
    }

    /// Opens the queue to delete what is named in it, or only to look; makes none.
    pub fn store_to_delete(&self, dry_run: DryRun) -> Result<Box<dyn Store>, Failure> {
        let store = if dry_run == DryRun::No { self.existing_store_to_delete()? } else { None };
        // Where no queue is, nothing that is named is found.
        store.map_or_else(|| self.store(Access::Read), Ok)
    }

    /// The time, by the clock of the queue that was opened last; by this machine's
    /// as long as none was.
    pub fn now(&self) -> Timestamp {
        self.clock.borrow().now()
    }

    /// Where to print.
    pub fn output(&self) -> Output {
        self.output
    }
}
