//! P5: adding many jobs at once on PostgreSQL.

use crate::bulk::{enqueue, write_lines};
use crate::dispatch::took;
use crate::support::{Bench, Goal, Home, Result, Unit, goal, in_turn, start_server, title};

const TARGET: Goal = Goal::AtLeast { reach: 50_000.0, aim: 50_000.0 };

pub(crate) fn run(bench: &Bench) -> Result {
    let jobs = bench.work(200_000);
    let server = start_server(bench, None)?;
    let folder = bench.folder()?;
    let lines = |name: &str, line: &dyn Fn(usize) -> String| -> Result<String> {
        let path = folder.path().join(name);
        write_lines(&path, jobs, line)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let nameless = lines("nameless.ndjson", &|number| format!(r#"{{"command":"true {number}"}}"#))?;
    let named = lines("named.ndjson", &|number| format!(r#"{{"id":"job-{number}","command":"true"}}"#))?;
    let from = |file: &str| {
        enqueue(&Home::on_server(bench, &server)?, jobs, |home| {
            took(&mut home.queuectl(["enqueue", "--file", file]))
        })
    };
    let [without_ids, with_ids] =
        in_turn(bench.rounds(5), &mut [&mut || from(&nameless), &mut || from(&named)])?;
    title(&format!("P5: {jobs} lines into PostgreSQL, the whole process, durable"));
    goal("enqueue --file jobs.ndjson", &without_ids, Unit::PerSecond, TARGET);
    goal("every line with an id of its own", &with_ids, Unit::PerSecond, TARGET);
    Ok(())
}
