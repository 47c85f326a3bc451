//! Many jobs, from a file: checked to the end before the first is written.

use crate::draft::{Completion, Draft};
use crate::json::Written;
use crate::run::Run;
use crate::{Args, json, lines, note_new_queue};
use indicatif::{ProgressBar, ProgressStyle};
use queuectl_cli::{Context, Failure, Verbosity};
use queuectl_core::{JobId, NewJob};
use queuectl_store::{Access, Enqueued, OnTaken, Store, StoreError};
use serde::Serialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

/// Jobs of one transaction.
const BATCH: usize = 5000;

/// No job is longer, however much of it is escaped.
const LONGEST_LINE_BYTES: u64 = 16 << 20;

/// So many of those that were left out are named.
const MOST_NAMED: usize = 1000;

/// Jobs with the lines they stand on.
struct Batch {
    /// What the file is called in errors.
    name: String,
    jobs: Vec<NewJob>,
    /// The line of each job, from 1.
    lines: Vec<usize>,
    /// Places of the jobs whose id was chosen by the user.
    chosen: Vec<usize>,
}

#[derive(Serialize)]
struct Document {
    added: u64,
    skipped: u64,
    /// The first of them.
    skipped_ids: Vec<String>,
}

/// Adds the jobs and prints how many they were.
pub(crate) fn add(cx: &Context, path: &Path, args: &Args) -> Result<(), Failure> {
    let run = args.run.as_deref().map_or_else(Run::new, Run::named);
    let mut completion = Completion::new(cx)?;
    let batch = read(&mut completion, path, args, &run)?;
    let new = cx.place_of_a_new_queue()?;
    let mut store = cx.store(Access::Write)?;
    if !args.skip_existing {
        refuse_taken(&mut *store, &batch, args.run.is_some())?;
    }
    // What a run has added before, it leaves out.
    let on_taken = if args.skip_existing || args.run.is_some() { OnTaken::Skip } else { OnTaken::Refuse };
    let again = how_to_repeat(path, args.lines, &run);
    if args.run.is_none() && batch.jobs.len() > BATCH {
        cx.output().note(format!("This is run {}; if it is interrupted, {again}", run.name()));
    }
    let total = write(cx, &mut *store, &batch, on_taken, &again)?;
    if args.json {
        let skipped_ids = total.skipped.iter().take(MOST_NAMED);
        return cx.output().json(&Document {
            added: total.added,
            skipped: total.skipped.len() as u64,
            skipped_ids: skipped_ids.map(|&place| batch.jobs[place].id.to_string()).collect(),
        });
    }
    let skipped = match (on_taken, total.skipped.len()) {
        (OnTaken::Skip, skipped) => format!(", skipped: {skipped}"),
        _ => String::new(),
    };
    cx.output().line(format!("Jobs added: {}{skipped}", total.added))?;
    if total.added > 0 {
        note_new_queue(cx, new);
        if let Some(job) = batch.jobs.first() {
            cx.note_without_workers(&mut *store, &job.queue);
        }
        completion.note_slips();
    }
    Ok(())
}

fn read(completion: &mut Completion, path: &Path, args: &Args, run: &Run) -> Result<Batch, Failure> {
    let unreadable = |error: io::Error| Failure::error(format!("cannot read {}: {error}", path.display()));
    let mut input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let name = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    let flags = Draft::of_flags(&args.given)?;
    let mut batch = Batch { name, jobs: Vec::new(), lines: Vec::new(), chosen: Vec::new() };
    let mut seen: HashMap<JobId, usize> = HashMap::new();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        // Of a device that never ends no line does either.
        let mut rest = input.by_ref().take(LONGEST_LINE_BYTES + 1);
        if rest.read_until(b'\n', &mut bytes).map_err(unreadable)? == 0 {
            break;
        }
        let name = &batch.name;
        let line = |failure: Failure| failure.about(format!("{name}, line {number}"));
        if bytes.len() as u64 > LONGEST_LINE_BYTES {
            return Err(line(Failure::error("this is longer than 16 MiB, and no job is")));
        }
        let text = str::from_utf8(&bytes).map_err(|_| line(not_text(&bytes)))?;
        let text = text.strip_prefix(json::BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(text);
        if text.trim().is_empty() {
            continue;
        }
        let said = if args.lines { lines::parse(text) } else { json::parse(text, Written::InFile).map(Some) };
        let Some(said) = said.map_err(line)? else { continue };
        let mut draft = flags.clone().over(said);
        if let Some(id) = &draft.id {
            if let Some(first) = seen.insert(id.clone(), number).filter(|_| !args.skip_existing) {
                return Err(line(Failure::error(format!("job {id} is on line {first} already"))));
            }
            batch.chosen.push(batch.jobs.len());
        } else {
            draft.id = Some(run.id(number, text.trim()));
        }
        batch.jobs.push(completion.complete(draft).map_err(line)?);
        batch.lines.push(number);
    }
    Ok(batch)
}

/// Says what it is instead, if that can be seen.
fn not_text(bytes: &[u8]) -> Failure {
    let failure = Failure::error("this is not UTF-8 text");
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            failure.hint("it is UTF-16; convert it with `iconv -f UTF-16 -t UTF-8 FILE`")
        }
        _ => failure,
    }
}

/// Makes sure that no id is taken before anything is written; in a run that was begun
/// before, none by another job than that of the line.
fn refuse_taken(store: &mut dyn Store, batch: &Batch, may_be_a_repetition: bool) -> Result<(), Failure> {
    for places in batch.chosen.chunks(BATCH) {
        let ids: Vec<&JobId> = places.iter().map(|&place| &batch.jobs[place].id).collect();
        for taken in store.taken_ids(&ids)? {
            let place = places.iter().copied().find(|&place| batch.jobs[place].id == taken).unwrap_or(0);
            if may_be_a_repetition && is_there(store, &batch.jobs[place])? {
                continue;
            }
            let error = StoreError::DuplicateId { id: taken, index: place };
            return Err(Failure::from(error)
                .about(format!("{}, line {}", batch.name, batch.lines[place]))
                .hint("leave out what is there already with `--skip-existing`"));
        }
    }
    Ok(())
}

/// Tells whether a job was added as this line says.
fn is_there(store: &mut dyn Store, job: &NewJob) -> Result<bool, Failure> {
    let found = store.job(&job.id)?;
    Ok(found.is_some_and(|found| {
        (&found.command, &found.cwd, &found.queue, found.priority)
            == (&job.command, &job.cwd, &job.queue, job.priority)
    }))
}

fn write(
    cx: &Context,
    store: &mut dyn Store,
    batch: &Batch,
    on_taken: OnTaken,
    again: &str,
) -> Result<Enqueued, Failure> {
    let bar = progress(cx, batch.jobs.len());
    let mut total = Enqueued::default();
    let mut before = 0;
    for (jobs, lines) in batch.jobs.chunks(BATCH).zip(batch.lines.chunks(BATCH)) {
        let enqueued = store.enqueue(jobs, on_taken, cx.now()).map_err(|error| {
            bar.abandon();
            let is_known = !matches!(error, StoreError::OutcomeUnknown { .. });
            let place = match &error {
                StoreError::DuplicateId { index, .. } => format!("line {}", lines[*index]),
                StoreError::OutcomeUnknown { .. } => {
                    format!("lines {} to {}", lines[0], lines[lines.len() - 1])
                }
                _ => format!("line {}", lines[0]),
            };
            let failure = Failure::from(error).about(format!("{}, {place}", batch.name));
            match total.added + total.skipped.len() as u64 {
                0 if is_known => failure,
                0 => failure.hint(again),
                done => failure.hint(format!("{done} jobs before line {} are there; {again}", lines[0])),
            }
        })?;
        total.added += enqueued.added;
        total.skipped.extend(enqueued.skipped.into_iter().map(|index| before + index));
        before += jobs.len();
        bar.inc(jobs.len() as u64);
    }
    bar.finish_and_clear();
    Ok(total)
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
