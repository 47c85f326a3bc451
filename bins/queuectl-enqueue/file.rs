//! Many jobs, from a file: checked to the end before the first is written.

use crate::args::Args;
use crate::notes;
use indicatif::{ProgressBar, ProgressStyle};
use queuectl_cli::{Context, Failure, Verbosity};
use queuectl_service::add::{BATCH, Repetition, add_jobs, refuse_taken, refuse_taken_keys};
use queuectl_service::document::done::AddedJobs;
use queuectl_service::draft::complete::{BaseFolder, Completion};
use queuectl_service::draft::file::{JobFile, LineKind, Reading, Twice};
use queuectl_service::draft::file_error::FileError;
use queuectl_service::draft::run::Run;
use queuectl_store::{Access, DuplicateJob, Enqueued, HolderIs, OnTaken, Store};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// So many of those that were left out are named.
const MOST_NAMED: usize = 1000;

/// Adds the jobs and prints how many they were.
pub(crate) fn add(cx: &Context, path: &Path, args: &Args) -> Result<(), Failure> {
    let run = args.run.as_deref().map_or_else(Run::new, Run::named);
    let mut completion = Completion::new(cx.settings()?, BaseFolder::OfThisProcess);
    let file = read(&mut completion, path, args, &run)?;
    let new = cx.place_of_a_new_queue()?;
    let mut store = cx.store(Access::Write)?;
    let again = how_to_repeat(path, args.lines, &run);
    // What a run has added before is no obstacle to its repetition.
    let may_repeat = args.skip_existing || args.run.is_some();
    let repetition = if may_repeat { Repetition::Possible } else { Repetition::Excluded };
    if !args.skip_existing {
        refuse_taken(&mut *store, &file, repetition).map_err(|error| error.explain(&again))?;
    }
    refuse_taken_keys(&mut *store, &file, repetition, cx.now()).map_err(|error| error.explain(&again))?;
    // What a run has added before, it leaves out.
    let on_taken = if may_repeat { OnTaken::Skip } else { OnTaken::Refuse };
    if args.run.is_none() && file.jobs.len() > BATCH {
        cx.output().note(format!("This is run {}; if it is interrupted, {again}", run.name()));
    }
    let total = write(cx, &mut *store, &file, on_taken, &again)?;
    let is_replaced = |duplicate: &&DuplicateJob| duplicate.holder_is == HolderIs::Replaced;
    let replaced = total.duplicates.iter().filter(is_replaced).count() as u64;
    let kept = total.duplicates.len() as u64 - replaced + file.repeated;
    if args.json {
        let skipped_ids = total.skipped.iter().take(MOST_NAMED);
        return cx.output().json(&AddedJobs {
            added: total.added,
            skipped: total.skipped.len() as u64,
            skipped_ids: skipped_ids.map(|&place| file.jobs[place].id.to_string()).collect(),
            kept,
            replaced,
        });
    }
    let skipped = match (on_taken, total.skipped.len()) {
        (OnTaken::Skip, skipped) => format!(", skipped: {skipped}"),
        _ => String::new(),
    };
    let counted = |word, jobs| if jobs > 0 { format!(", {word}: {jobs}") } else { String::new() };
    let duplicates = [counted("kept", kept), counted("replaced", replaced)].concat();
    cx.output().line(format!("Jobs added: {}{skipped}{duplicates}", total.added))?;
    if total.added > 0 {
        let queues = file.jobs.iter().filter(|job| !job.hold).map(|job| job.queue.as_str());
        notes::added(cx, &mut *store, new, &completion, queues);
    }
    Ok(())
}

fn read(completion: &mut Completion, path: &Path, args: &Args, run: &Run) -> Result<JobFile, Failure> {
    let shown = path.display().to_string();
    let input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(path);
        Box::new(BufReader::new(
            opened.map_err(|source| FileError::Unreadable { name: shown.clone(), source })?,
        ))
    };
    let flags = args.given.draft()?;
    let reading = Reading {
        name: if path == Path::new("-") { "standard input" } else { &shown },
        kind: if args.lines { LineKind::Shell } else { LineKind::Json },
        twice: if args.skip_existing { Twice::Kept } else { Twice::Refused },
        flags: &flags,
        run,
    };
    Ok(reading.read(input, completion)?)
}

fn write(
    cx: &Context,
    store: &mut dyn Store,
    file: &JobFile,
    on_taken: OnTaken,
    again: &str,
) -> Result<Enqueued, Failure> {
    let bar = progress(cx, file.jobs.len());
    let added = add_jobs(store, file, on_taken, || cx.now(), |jobs| bar.inc(jobs as u64));
    match added {
        Ok(total) => {
            bar.finish_and_clear();
            Ok(total)
        }
        Err(error) => {
            bar.abandon();
            Err(error.explain(again).into())
        }
    }
}

/// What to type to go on: what is there already is found by its ids.
fn how_to_repeat(path: &Path, lines: bool, run: &Run) -> String {
    let file = path.display().to_string();
    let lines = if lines { " --lines" } else { "" };
    format!(
        "repeat it with the same lines and flags, and add `--run {0}`: `queuectl enqueue --file {1}{lines} --run {0}`; no \
         line is added twice",
        shell_words::quote(run.name()),
        shell_words::quote(&file)
    )
}

/// A bar on a terminal, if it is worth one; indicatif draws it nowhere else.
fn progress(cx: &Context, jobs: usize) -> ProgressBar {
    if jobs <= BATCH || cx.output().verbosity() == Verbosity::Quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(jobs as u64);
    // The template is a constant that indicatif understands.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} jobs, {eta} left") {
        bar.set_style(style);
    }
    bar
}
