//! Waits for the job that was added, and passes on what it writes.

use queuectl_cli::{Coloring, Context, Failure, Output, Visible, Waiting};
use queuectl_core::{Exit, Job, JobId, Lease, State, Stream};
use queuectl_service::detail::JobDetail;
use queuectl_service::document::job::AwaitedJob;
use queuectl_service::explain::jobs::of_bad_end;
use queuectl_service::pages::each_part;
use queuectl_service::wait::follow::{Follow, Look, exit_of};
use queuectl_service::wait::jobs::Pace;
use queuectl_store::{OutputPart, Store};
use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::Instant;

/// When a job was added that is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// By this call.
    Now,
    /// Before it, which has left out what was given.
    Before,
    /// It was not: another has its unique key, and is there.
    Never,
}

/// Waits until the job has come to rest, and passes on what it writes to where it would
/// have written it itself.
pub(crate) fn pass_on(cx: &Context, store: &mut dyn Store, id: &JobId) -> Result<Job, Failure> {
    let mut streams = Streams::of(cx.output());
    let job = until_rest(cx, store, id, |store, lease, from| streams.pass_on_from(store, lease, from))?;
    streams.end()?;
    Ok(job)
}

/// Waits until the job has come to rest, and prints the document of it: what it writes
/// has no place beside that.
pub(crate) fn print(cx: &Context, store: &mut dyn Store, id: &JobId, added: Added) -> Result<Job, Failure> {
    let job = until_rest(cx, store, id, |_, _, from| Ok(from))?;
    let detail = JobDetail::read(store, &job)?;
    let (skipped, existing) = (added == Added::Before, added == Added::Never);
    cx.output().json(&AwaitedJob { shown: detail.document(&job), skipped, existing })?;
    Ok(job)
}

fn until_rest(
    cx: &Context,
    store: &mut dyn Store,
    id: &JobId,
    mut read: impl FnMut(&mut dyn Store, Lease, i64) -> Result<i64, Failure>,
) -> Result<Job, Failure> {
    let mut follow = Follow::new(id.clone(), None);
    let mut waiting = Waiting::default();
    let mut pace = Pace::of(&cx.location()?);
    loop {
        let looked = Instant::now();
        match follow.look(store, &mut read)? {
            Look::AtRest(job) => return Ok(job),
            Look::Attempt { is_first: true, .. } => {}
            Look::Attempt { number, .. } => cx.output().note(format!("… attempt {number}")),
            Look::Waiting(job) => {
                if job.state != State::Processing {
                    waiting.tell_all(cx, store, &job);
                }
                // Nobody wakes it; to be woken by chance is one more look.
                thread::park_timeout(pace.after(looked.elapsed()));
            }
        }
    }
}

/// Ends as the job has.
///
/// # Errors
///
/// If it did not complete; the exit code is its own then.
pub(crate) fn end(job: &Job) -> Result<(), Failure> {
    match (of_bad_end(job), exit_of(job)) {
        (None, Exit::Done) => Ok(()),
        (None, exit) => Err(Failure::said(exit)),
        (Some(bad), exit) => Err(Failure::from(bad).with_code(exit)),
    }
}

/// The two streams of this program. What reaches a terminal is made safe for it, each
/// stream by itself, since a piece may end anywhere.
struct Streams {
    out: Output,
    visible_out: Option<Visible>,
    visible_err: Option<Visible>,
}

impl Streams {
    fn of(out: Output) -> Self {
        let on_terminal = |is_terminal: bool, coloring: Coloring| is_terminal.then(|| Visible::new(coloring));
        Self {
            out,
            visible_out: on_terminal(out.is_terminal(), out.coloring()),
            visible_err: on_terminal(io::stderr().is_terminal(), out.coloring()),
        }
    }

    /// Passes on an attempt's output from part `from` on; gives the part that comes next.
    fn pass_on_from(&mut self, store: &mut dyn Store, lease: Lease, from: i64) -> Result<i64, Failure> {
        let mut next = from;
        each_part(store, lease, from, |part| {
            if part.n > next {
                self.out.note("… output dropped here: there was more than output-limit");
            }
            next = part.n + 1;
            self.pass_on(part)
        })
    }

    fn pass_on(&mut self, part: &OutputPart) -> Result<(), Failure> {
        match (part.stream, &mut self.visible_out, &mut self.visible_err) {
            (Stream::Stdout, None, _) => self.out.bytes(&part.bytes)?,
            (Stream::Stdout, Some(visible), _) => self.out.bytes(visible.next(&part.bytes).as_bytes())?,
            (Stream::Stderr, _, None) => to_stderr(&part.bytes),
            (Stream::Stderr, _, Some(visible)) => to_stderr(visible.next(&part.bytes).as_bytes()),
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), Failure> {
        if let Some(visible) = &mut self.visible_err {
            to_stderr(visible.end().as_bytes());
        }
        match &mut self.visible_out {
            Some(visible) => self.out.bytes(visible.end().as_bytes()),
            None => Ok(()),
        }
    }
}

/// That standard error is closed can be told nowhere.
fn to_stderr(bytes: &[u8]) {
    let _ = io::stderr().write_all(bytes);
}
