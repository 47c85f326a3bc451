//! S7: looking at a very long queue.

use crate::backlog::with_backlog;
use crate::dispatch::took;
use crate::support::{Bench, Goal, Home, Result, Unit, figure, goal, in_turn, title};

pub(crate) fn run(bench: &Bench) -> Result {
    let jobs = bench.work(1_000_000);
    let long = with_backlog(Home::new(bench)?, jobs / 2, jobs / 2)?;
    let empty = Home::new(bench)?;
    for arguments in [&["status"][..], &["list", "--limit", "50"], &["list", "--state", "failed"]] {
        let [full, none] = in_turn(
            bench.work(300).max(50),
            &mut [&mut || took(&mut long.queuectl(arguments.iter().copied())), &mut || {
                took(&mut empty.queuectl(arguments.iter().copied()))
            }],
        )?;
        title(&format!("S7: `queuectl {}` with {jobs} jobs against none", arguments.join(" ")));
        figure(&format!("{jobs} jobs"), &full, Unit::Millis);
        figure("none", &none, Unit::Millis);
        let ratio = vec![full.median() / none.median()].into();
        goal("ratio of the medians", &ratio, Unit::Times, Goal::AtMost { reach: 2.0, aim: 1.1 });
    }
    Ok(())
}
