//! `queuectl dlq list`: lists the dead jobs and why they died.

use queuectl_cli::Narrow::{CutsBeginnings, CutsEnds, CutsEndsLast, Goes, Stays};
use queuectl_cli::{Conditions, Context, Failure, Table, each_page};
use queuectl_core::State;
use queuectl_service::job_fields::JobDocument;
use queuectl_store::Access;
use std::borrow::Cow;

/// List dead jobs, oldest first, with their last error
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    conditions: Conditions,

    /// List only the newest N jobs [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl dlq list
  queuectl dlq list --queue default --limit 20
  queuectl dlq list --exit 3 --since 2h
  queuectl dlq list --json | jq -r '.[].last_error'";

pub(crate) fn list(cx: &Context, args: &ListArgs) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let out = cx.output();
    let dead = args.conditions.filter(&[State::Dead], cx.now())?;
    if args.json {
        let mut array = out.json_array();
        each_page(cx.output(), &mut *store, dead, args.limit, |jobs| {
            jobs.iter().try_for_each(|job| array.push(&JobDocument::from(job)))
        })?;
        return array.end();
    }
    let header = ["No", "ID", "Command", "Attempts", "Last Error"];
    let narrow = [Stays, CutsBeginnings, CutsEnds, Goes, CutsEndsLast];
    // In a pipe the id stands first.
    let first = usize::from(!out.is_terminal());
    let mut table = Table::new(&header[first..]).fit(out.columns(), &narrow[first..]);
    let mut listed = false;
    each_page(cx.output(), &mut *store, dead, args.limit, |jobs| {
        listed = true;
        for job in jobs {
            let (number, attempts) = (job.seq.to_string(), job.attempts.to_string());
            let error = job.last_error.as_deref().unwrap_or_default();
            let error = if out.is_terminal() { reason_first(error) } else { error.into() };
            table.row(&[&number, job.id.as_str(), job.command.as_str(), &attempts, &error][first..]);
        }
        out.bytes(table.page().as_bytes())
    })?;
    if !listed {
        cx.note_nothing(&mut *store, &args.conditions.nothing("dead jobs"))?;
    }
    Ok(())
}

/// An error whose reason comes first, since its end may be cut: what stands before the
/// reason in most of them goes behind it, and what the shell says of itself goes.
fn reason_first(error: &str) -> Cow<'_, str> {
    let is_end = |end: &str| match end.rsplit_once(' ') {
        Some(("exit code" | "signal", number)) => is_number(number),
        _ => false,
    };
    match error.split_once(": ") {
        Some((end, reason)) if is_end(end) => format!("{} ({end})", without_shell(reason)).into(),
        _ => error.into(),
    }
}

/// `/bin/sh: 1: x: not found` is `x: not found`; bash writes `line 1`.
fn without_shell(reason: &str) -> &str {
    let Some(said) = reason.strip_prefix("/bin/sh: ").or_else(|| reason.strip_prefix("sh: ")) else {
        return reason;
    };
    match said.split_once(": ") {
        Some((line, rest)) if is_number(line.trim_start_matches("line ")) => rest,
        _ => said,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_comes_first() {
        for (error, shown) in [
            ("exit code 127: /bin/sh: 1: x: not found", "x: not found (exit code 127)"),
            ("exit code 127: /bin/sh: line 1: x: command not found", "x: command not found (exit code 127)"),
            ("signal 9: half done: no", "half done: no (signal 9)"),
            ("exit code 7", "exit code 7"),
            ("lost: with its worker", "lost: with its worker"),
            ("exit code x: y", "exit code x: y"),
            ("", ""),
        ] {
            assert_eq!(reason_first(error), shown, "{error}");
        }
    }
}
