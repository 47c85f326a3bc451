//! S5: adding many jobs at once.

use crate::dispatch::took;
use crate::support::{Bench, Goal, Home, Result, Unit, goal, in_turn, title};
use queuectl_core::State;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const TARGET: Goal = Goal::AtLeast { reach: 100_000.0, aim: 200_000.0 };

pub(crate) fn run(bench: &Bench) -> Result {
    let jobs = bench.work(200_000);
    let folder = bench.folder()?;
    let nameless = folder.path().join("nameless.ndjson");
    write_lines(&nameless, jobs, |number| format!(r#"{{"command":"true {number}"}}"#))?;
    let named = folder.path().join("named.ndjson");
    write_lines(&named, jobs, |number| format!(r#"{{"id":"job-{number}","command":"true"}}"#))?;
    let file = nameless.to_string_lossy();
    let file_with_ids = named.to_string_lossy();
    let [from_file, from_stdin, with_ids] = in_turn(
        bench.rounds(5),
        &mut [
            &mut || {
                enqueue(&Home::new(bench)?, jobs, |home| {
                    took(&mut home.queuectl(["enqueue", "--file", &file]))
                })
            },
            &mut || {
                enqueue(&Home::new(bench)?, jobs, |home| {
                    took(home.queuectl(["enqueue", "--file", "-"]).stdin(File::open(&nameless)?))
                })
            },
            &mut || {
                enqueue(&Home::new(bench)?, jobs, |home| {
                    took(&mut home.queuectl(["enqueue", "--file", &file_with_ids]))
                })
            },
        ],
    )?;
    title(&format!("S5: {jobs} lines, the whole process, durable"));
    goal("enqueue --file jobs.ndjson", &from_file, Unit::PerSecond, TARGET);
    goal("enqueue --file - < jobs.ndjson", &from_stdin, Unit::PerSecond, TARGET);
    goal("every line with an id of its own", &with_ids, Unit::PerSecond, TARGET);
    Ok(())
}

/// Writes a file with so many lines.
pub(crate) fn write_lines(path: &Path, lines: usize, line: impl Fn(usize) -> String) -> Result {
    let mut file = BufWriter::new(File::create(path)?);
    for number in 0..lines {
        writeln!(file, "{}", line(number))?;
    }
    // What is still unwritten here would be flushed with the database.
    Ok(file.into_inner()?.sync_all()?)
}

/// Jobs a second, when something adds them in so many milliseconds.
pub(crate) fn enqueue(home: &Home, jobs: usize, add: impl FnOnce(&Home) -> Result<f64>) -> Result<f64> {
    let millis = add(home)?;
    match home.counts()?[State::Pending] {
        pending if pending == jobs as i64 => Ok(jobs as f64 / millis * 1000.0),
        pending => Err(format!("{pending} of {jobs} jobs are there").into()),
    }
}
