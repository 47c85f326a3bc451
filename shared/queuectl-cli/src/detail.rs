//! Everything about one job.

use crate::context::Context;
use crate::failure::Failure;
use crate::json::{AttemptDocument, ShownJob};
use crate::table::Narrow::{CutsEnds, Goes, Stays};
use crate::table::{self, Table};
use crate::text::{duration, escape, shorten, size};
use crate::times::Times;
use queuectl_core::{Attempt, Job, Lease, Outcome, State};
use queuectl_store::Store;
use std::fmt::Write as _;

/// Lines of output that are shown of a job.
const TAIL_LINES: usize = 10;

/// Blanks before a line of what belongs together.
const INDENT: usize = 2;

/// The widest of them in a pipe.
const WIDEST_LINE: usize = 1000;

/// The end of an output that is read, and that a document has: a job's output may be
/// larger than the memory of the program that shows it.
const END_BYTES: u32 = 64 * 1024;

/// The last attempt of a job, running or ended; none before the first.
///
/// A claim that was handed back unstarted is no attempt.
pub fn last_attempt(job: &Job, attempts: &[Attempt]) -> Option<Lease> {
    let running = (job.state == State::Processing).then(|| job.last_lease());
    running.or_else(|| attempts.last().map(|attempt| attempt.lease))
}

/// The number of an attempt among those of its job, from 1.
///
/// Leases have gaps: a claim that was handed back unstarted is no attempt. Attempts that
/// are charged begin anew after a retry from the dead letter queue; these go on.
pub fn attempt_number(attempts: &[Attempt], lease: Lease) -> usize {
    attempts.iter().filter(|attempt| attempt.lease.number < lease.number).count() + 1
}

/// The attempts of a job, oldest first, with the one that runs now: that has a record
/// only from its first output on, and is otherwise told by the job.
fn attempts_with_the_running(store: &mut dyn Store, job: &Job) -> Result<Vec<Attempt>, Failure> {
    let mut attempts = store.attempts(job.seq)?;
    let lease = job.last_lease();
    let is_recorded = attempts.iter().any(|attempt| attempt.lease == lease);
    if let (State::Processing, Some(worker), Some(started_at), false) =
        (job.state, job.worker, job.started_at, is_recorded)
    {
        let host = store.worker(worker)?.map(|worker| worker.host).unwrap_or_default();
        let (output_bytes, dropped_bytes) = (0, 0);
        let (ended_at, outcome, error) = (None, None, None);
        attempts.push(Attempt {
            lease,
            worker,
            host,
            started_at,
            ended_at,
            outcome,
            error,
            output_bytes,
            dropped_bytes,
        });
    }
    Ok(attempts)
}

/// Prints everything about a job: for a program, or for a person.
pub fn show_job(cx: &Context, store: &mut dyn Store, job: &Job, json: bool) -> Result<(), Failure> {
    let attempts = attempts_with_the_running(store, job)?;
    let last = last_attempt(job, &attempts);
    let end = match last {
        Some(lease) => Some(OutputEnd::read(store, lease)?),
        None => None,
    };
    if json {
        let ended = attempts.iter().find(|attempt| Some(attempt.lease) == last && attempt.ended_at.is_some());
        return cx.output().json(&ShownJob {
            job: job.into(),
            output_bytes: ended.map(|attempt| attempt.output_bytes),
            output_is_cut: end.as_ref().is_some_and(|end| end.is_cut),
            output: end.map(|end| end.text),
            attempt_history: AttemptDocument::history(&attempts),
        });
    }
    let times = Times::of(cx);
    let mut text = fields(job, &times);
    let missing = match attempts.last() {
        Some(Attempt { outcome: Some(Outcome::Exit(127)), worker, .. }) => store.worker(*worker)?,
        _ => None,
    };
    if let Some(worker) = &missing {
        field(&mut text, "worker's PATH", &worker.path);
    }
    if !attempts.is_empty() {
        text.push_str("\nAttempts\n");
        let columns = cx.output().columns().map(|columns| columns.saturating_sub(INDENT));
        for line in attempts_table(&attempts, &times, columns).to_string().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    cx.output().bytes(text.as_bytes())?;
    if let Some(end) = end.filter(|end| !end.text.is_empty()) {
        tail(cx, job, &end)?;
    }
    if missing.is_some() {
        cx.output().note(
            "hint: 127 means that a command was not found; give the job your own PATH with `queuectl enqueue --env PATH …`",
        );
    }
    Ok(())
}

/// The end of what an attempt wrote.
struct OutputEnd {
    /// As text; what is not UTF-8 is replaced.
    text: String,
    /// It wrote more than this.
    is_cut: bool,
}

impl OutputEnd {
    fn read(store: &mut dyn Store, lease: Lease) -> Result<Self, Failure> {
        let parts = store.output_end(lease, END_BYTES)?;
        // A number that is missing was dropped.
        let begins_late = parts.first().is_some_and(|first| first.n > 0);
        let has_gaps = parts.windows(2).any(|pair| pair[1].n > pair[0].n + 1);
        let mut bytes: Vec<u8> = parts.into_iter().flat_map(|part| part.bytes).collect();
        let too_many = bytes.len().saturating_sub(END_BYTES as usize);
        bytes.drain(..too_many);
        let is_cut = begins_late || has_gaps || too_many > 0;
        if is_cut {
            // It may begin within a character.
            let continued = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
            bytes.drain(..continued);
        }
        Ok(Self { text: String::from_utf8_lossy(&bytes).into_owned(), is_cut })
    }
}

fn fields(job: &Job, times: &Times) -> String {
    let mut text = format!("Job {}\n", escape(job.id.as_str()));
    let mut add = |name: &str, value: &str| field(&mut text, name, value);
    add("command", job.command.as_str());
    add("folder", &job.cwd);
    for (name, value) in job.env.variables() {
        add("variable", &format!("{name}={value}"));
    }
    add("queue", &job.queue);
    add("priority", &job.priority.to_string());
    let wish = if job.cancel_requested && job.state == State::Processing { ", to be cancelled" } else { "" };
    // The escape sequences of the colour are ours and must stay.
    let _ = writeln!(text, "  {:<14}: {}{wish}", "state", table::state(job.state));
    let mut add = |name: &str, value: &str| field(&mut text, name, value);
    add("attempts", &job.attempts.to_string());
    add("retries", &format!("{}/{}", job.retries(), job.max_retries));
    if job.crashes > 0 {
        add("crashes", &job.crashes.to_string());
    }
    add("time limit", &job.timeout.map_or_else(|| "none".to_owned(), duration));
    add("created at", &times.full(job.created_at));
    add("updated at", &times.full(job.updated_at));
    let next = if job.state == State::Failed { "next retry at" } else { "due at" };
    for (name, at) in [(next, job.run_at), ("started at", job.started_at), ("finished at", job.finished_at)] {
        if let Some(at) = at {
            add(name, &times.full(at));
        }
    }
    if let Some(code) = job.exit_code {
        add("exit code", &code.to_string());
    }
    if let Some(signal) = job.signal {
        add("signal", &signal.to_string());
    }
    if let Some(error) = &job.last_error {
        add("last error", error);
    }
    if let Some(problem) = &job.unreadable {
        add("unreadable", problem);
    }
    text
}

fn field(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {name:<14}: {}", escape(value));
}

fn attempts_table(attempts: &[Attempt], times: &Times, columns: Option<usize>) -> Table {
    let header = ["Attempt", "Started At", "Took", "Outcome", "Output", "Worker", "Error"];
    let mut table = Table::new(&header).fit(columns, &[Stays, Goes, Goes, Stays, Goes, Goes, CutsEnds]);
    for attempt in attempts {
        let took = attempt.ended_at.map_or_else(
            || format!("{} so far", duration(times.until_now(attempt.started_at))),
            |end| duration(end.since(attempt.started_at)),
        );
        let outcome = attempt.outcome.map_or_else(|| "running".to_owned(), |outcome| outcome.to_string());
        let output = match (attempt.ended_at, attempt.dropped_bytes) {
            // How much it has written is known at its end.
            (None, _) => String::new(),
            (Some(_), 0) => size(attempt.output_bytes),
            (Some(_), dropped) => format!("{} ({} dropped)", size(attempt.output_bytes), size(dropped)),
        };
        table.row(&[
            &attempt_number(attempts, attempt.lease).to_string(),
            &times.short(attempt.started_at),
            &took,
            &outcome,
            &output,
            &format!("{} on {}", attempt.worker, attempt.host),
            attempt.error.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

fn tail(cx: &Context, job: &Job, end: &OutputEnd) -> Result<(), Failure> {
    let lines: Vec<&str> = end.text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    let columns = cx.output().columns().map_or(WIDEST_LINE, |columns| columns.saturating_sub(2));
    let mut text = "\nOutput of the last attempt\n".to_owned();
    for line in shown {
        let _ = writeln!(text, "  {}", shorten(&escape(line), columns));
    }
    cx.output().bytes(text.as_bytes())?;
    if shown.len() < lines.len() || end.is_cut {
        cx.output().note(format!("hint: see all of it with `queuectl logs {}`", job.id));
    }
    Ok(())
}
