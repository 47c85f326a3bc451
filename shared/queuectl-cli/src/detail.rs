//! Everything about one job.

use crate::context::Context;
use crate::failure::Failure;
use crate::table::Narrow::{CutsEnds, Goes, Stays};
use crate::table::{self, Table};
use crate::text::{escape, shorten};
use crate::times::Times;
use queuectl_core::{Attempt, Job, State};
use queuectl_service::amounts::{duration, size};
use queuectl_service::detail::{JobDetail, OutputEnd, attempt_number};
use queuectl_service::typed;
use queuectl_service::why::why;
use queuectl_store::Store;
use std::fmt::Write as _;

/// Lines of output that are shown of a job.
const TAIL_LINES: usize = 10;

/// Blanks before a line of what belongs together.
const INDENT: usize = 2;

/// The widest of them in a pipe.
const WIDEST_LINE: usize = 1000;

/// Prints everything about a job: for a program, or for a person.
pub fn show_job(cx: &Context, store: &mut dyn Store, job: &Job, json: bool) -> Result<(), Failure> {
    let detail = JobDetail::read(store, job)?;
    if json {
        return cx.output().json(&detail.document(job));
    }
    let times = Times::of(cx);
    let mut text = fields(job, &times);
    if matches!(job.state, State::Pending | State::Failed) {
        for reason in why(store, job, &times)? {
            field(&mut text, "waits because", &reason.text);
        }
    }
    let path = detail.path_without_program(store)?;
    if let Some(path) = &path {
        field(&mut text, "worker's PATH", path);
    }
    if !detail.attempts.is_empty() {
        text.push_str("\nAttempts\n");
        let columns = cx.output().columns().map(|columns| columns.saturating_sub(INDENT));
        for line in attempts_table(&detail.attempts, &times, columns).to_string().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    cx.output().bytes(text.as_bytes())?;
    if let Some(end) = detail.end.as_ref().filter(|end| !end.text.is_empty()) {
        tail(cx, job, end)?;
    }
    if path.is_some() {
        cx.output().note(
            "hint: 127 means that a command was not found; give the job your own PATH with `queuectl enqueue --env PATH …`",
        );
    }
    Ok(())
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
    if let Some(key) = &job.unique_key {
        add("unique key", key.as_str());
    }
    add("priority", &job.priority.to_string());
    let wish = match job.blocked_by {
        Some(blocker) => format!(", {}", blocker.in_words()),
        None if job.cancel_requested && job.state == State::Processing => ", to be cancelled".to_owned(),
        None => String::new(),
    };
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
        cx.output().note(format!("hint: see all of it with `queuectl logs {}`", typed(job.id.as_str())));
    }
    Ok(())
}
