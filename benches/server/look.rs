//! P8: looking at a very long past on PostgreSQL.

use crate::backlog::with_backlog;
use crate::dispatch::took;
use crate::support::{Bench, Goal, Home, Result, Unit, figure, goal, in_turn, start_server, title};

const TARGET: Goal = Goal::AtMost { reach: 200.0, aim: 200.0 };

pub(crate) fn run(bench: &Bench) -> Result {
    let jobs = bench.work(1_000_000);
    let server = start_server(bench, None)?;
    let long = with_backlog(Home::on_server(bench, &server)?, 0, jobs)?;
    let empty = Home::on_server(bench, &server)?;
    for arguments in [&["status"][..], &["status", "--json"]] {
        let [full, none] = in_turn(
            bench.work(300).max(50),
            &mut [&mut || took(&mut long.queuectl(arguments.iter().copied())), &mut || {
                took(&mut empty.queuectl(arguments.iter().copied()))
            }],
        )?;
        title(&format!("P8: `queuectl {}` with {jobs} finished jobs on PostgreSQL", arguments.join(" ")));
        goal(&format!("{jobs} jobs"), &full, Unit::Millis, TARGET);
        figure("none", &none, Unit::Millis);
    }
    Ok(())
}
