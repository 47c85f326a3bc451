//! What is wanted of all jobs that match, and how that is told.

use crate::confirm::{Consent, Unasked, confirm};
use crate::context::Context;
use crate::failure::Failure;
use queuectl_core::{Exit, Filter, Timestamp, Wish};
use queuectl_service::verbs::delete::DryRun;
use queuectl_service::verbs::many::{self, Done, ManyError, Meant};
use queuectl_store::{Access, Store};

/// Does what is wanted of all jobs that a filter means, or only counts them. Which, is asked
/// when the clock of the queue is known. What cannot be undone is asked about before.
///
/// # Errors
///
/// [`Exit::NotFound`] if there are none.
pub fn grant_many(
    cx: &Context,
    wish: Wish,
    dry_run: DryRun,
    consent: Consent,
    which: impl FnOnce(Timestamp) -> Result<Filter, Failure>,
) -> Result<Many, Failure> {
    if dry_run == DryRun::Yes {
        let mut store = cx.store(Access::Read)?;
        cx.note_if_no_queue(&mut *store)?;
        let done = many::count(&mut *store, wish, which(cx.now())?)?;
        return Ok(Many { store: None, dry_run, done: Done { done, ..Done::default() }, worst: None });
    }
    let Some(mut store) = cx.existing_store()? else { return Err(ManyError::Nothing { wish }.into()) };
    let meant = Meant::find(&mut *store, wish, which(cx.now())?)?;
    if wish == Wish::Cancel {
        confirm(&many::question("Cancel", meant.count(), "job"), consent, Unasked::IsRefused)?;
    }
    let mut worst = None;
    let done = meant.grant(
        &mut *store,
        || cx.now(),
        |error| {
            let failure = Failure::from(error);
            failure.report();
            worst.get_or_insert(failure.code());
        },
    )?;
    Ok(Many { store: Some(store), dry_run, done, worst })
}

/// What was done to many jobs.
pub struct Many {
    /// Where; none if it was only tried.
    pub store: Option<Box<dyn Store>>,
    /// Whether it was only tried.
    dry_run: DryRun,
    /// What.
    pub done: Done,
    /// The first exit code that is not 0.
    pub worst: Option<Exit>,
}

impl Many {
    /// None, which is as well where all are meant that there are.
    pub fn if_none(outcome: Result<Self, Failure>, dry_run: DryRun) -> Result<Self, Failure> {
        match outcome {
            Err(failure) if failure.code() == Exit::NotFound => {
                Ok(Self { store: None, dry_run, done: Done::default(), worst: None })
            }
            outcome => outcome,
        }
    }

    /// Says it, in words.
    pub fn tell(&self, cx: &Context, wish: Wish) -> Result<(), Failure> {
        let told = if self.dry_run == DryRun::No { many::told } else { many::would_be };
        cx.output().line(told(wish, self.done.done) + &many::told_of_keys(self.done.key_taken))?;
        if let Some(others) = many::told_of_others(self.done.no_longer_fit) {
            cx.output().note(others);
        }
        Ok(())
    }

    /// How the program ends.
    pub fn end(self) -> Result<(), Failure> {
        self.worst.map_or(Ok(()), |code| Err(Failure::said(code)))
    }
}
