//! Many jobs, from a file: checked to the end before the first is written.

use crate::draft::{Completion, Draft};
use crate::json::Written;
use crate::{Args, json, lines};
use indicatif::{ProgressBar, ProgressStyle};
use queuectl_cli::{Context, Failure, Verbosity};
use queuectl_core::{JobId, NewJob};
use queuectl_store::{Access, Enqueued, OnTaken, Store, StoreError};
use serde::Serialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Jobs of one transaction.
const BATCH: usize = 5000;

/// Jobs with the lines they stand on.
struct Batch {
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
}

/// Adds the jobs and prints how many they were.
pub(crate) fn add(cx: &Context, path: &Path, args: &Args) -> Result<(), Failure> {
    let batch = read(cx, path, args)?;
    let mut store = cx.store(Access::Write)?;
    let on_taken = if args.skip_existing { OnTaken::Skip } else { OnTaken::Refuse };
    if on_taken == OnTaken::Refuse {
        refuse_taken(&mut *store, &batch)?;
    }
    let total = write(cx, &mut *store, &batch, on_taken)?;
    if args.json {
        return cx.output().json(&Document { added: total.added, skipped: total.skipped });
    }
    let skipped = match (on_taken, total.skipped) {
        (OnTaken::Skip, skipped) => format!(", skipped: {skipped}"),
        _ => String::new(),
    };
    cx.output().line(format!("Jobs added: {}{skipped}", total.added))
}

fn read(cx: &Context, path: &Path, args: &Args) -> Result<Batch, Failure> {
    let unreadable = |error: io::Error| Failure::error(format!("cannot read {}: {error}", path.display()));
    let mut input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let name = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    let flags = Draft::of_flags(&args.given)?;
    let mut completion = Completion::new(cx)?;
    let mut batch = Batch { jobs: Vec::new(), lines: Vec::new(), chosen: Vec::new() };
    let mut seen: HashMap<JobId, usize> = HashMap::new();
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes).map_err(unreadable)? == 0 {
            break;
        }
        let line = |failure: Failure| failure.about(format!("{name}, line {number}"));
        let text = str::from_utf8(&bytes).map_err(|_| line(not_text(&bytes)))?;
        let text = text.strip_prefix(json::BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(text);
        if text.trim().is_empty() {
            continue;
        }
        let said = if args.lines { lines::parse(text) } else { json::parse(text, Written::InFile).map(Some) };
        let Some(said) = said.map_err(line)? else { continue };
        let draft = flags.clone().over(said);
        if let Some(id) = &draft.id {
            if let Some(first) = seen.insert(id.clone(), number).filter(|_| !args.skip_existing) {
                return Err(line(Failure::error(format!("job {id} is on line {first} already"))));
            }
            batch.chosen.push(batch.jobs.len());
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

/// Makes sure that no id is taken before anything is written.
fn refuse_taken(store: &mut dyn Store, batch: &Batch) -> Result<(), Failure> {
    for places in batch.chosen.chunks(BATCH) {
        let ids: Vec<&JobId> = places.iter().map(|&place| &batch.jobs[place].id).collect();
        if let Some(taken) = store.taken_ids(&ids)?.into_iter().next() {
            let place = places.iter().copied().find(|&place| batch.jobs[place].id == taken).unwrap_or(0);
            let error = StoreError::DuplicateId { id: taken, index: place };
            return Err(Failure::from(error)
                .about(format!("line {}", batch.lines[place]))
                .hint("leave out what is there already with `--skip-existing`"));
        }
    }
    Ok(())
}

fn write(cx: &Context, store: &mut dyn Store, batch: &Batch, on_taken: OnTaken) -> Result<Enqueued, Failure> {
    let bar = progress(cx, batch.jobs.len());
    let mut total = Enqueued::default();
    for (jobs, lines) in batch.jobs.chunks(BATCH).zip(batch.lines.chunks(BATCH)) {
        let enqueued = store.enqueue(jobs, on_taken, cx.now()).map_err(|error| {
            bar.abandon();
            let line = match &error {
                StoreError::DuplicateId { index, .. } => lines[*index],
                _ => lines[0],
            };
            let failure = Failure::from(error).about(format!("line {line}"));
            match total.added {
                0 => failure,
                added => failure.hint(how_to_go_on(added, lines[0])),
            }
        })?;
        total.added += enqueued.added;
        total.skipped += enqueued.skipped;
        bar.inc(jobs.len() as u64);
    }
    bar.finish_and_clear();
    Ok(total)
}

/// Ids of the user's own tell what is there already; without them only the place does.
fn how_to_go_on(added: u64, line: usize) -> String {
    format!(
        "{added} jobs before line {line} were added; go on from there with `tail -n +{line} FILE | queuectl enqueue \
         --file -`, or repeat the command with `--skip-existing` if every line has an id"
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
