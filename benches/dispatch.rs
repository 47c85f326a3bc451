//! What the dispatcher costs.

use crate::support::{Bench, Goal, Home, Result, Series, Unit, figure, goal, in_turn, plain, timed, title};
use std::process::Command;

pub(crate) fn run(bench: &Bench) -> Result {
    let home = Home::new(bench)?;
    title("`queuectl status` against `queuectl-status`");
    let [dispatched, direct, through_env, alone] = in_turn(
        bench.work(500).max(100),
        &mut [
            &mut || took(&mut home.queuectl(["status"])),
            &mut || took(&mut home.program(env!("CARGO_BIN_EXE_queuectl-status"))),
            &mut || took(plain("/usr/bin/env").arg("/bin/true")),
            &mut || took(&mut plain("/bin/true")),
        ],
    )?;
    figure("queuectl status", &dispatched, Unit::Millis);
    figure("queuectl-status", &direct, Unit::Millis);
    let added = Series::from(vec![dispatched.median() - direct.median()]);
    goal("the dispatcher adds", &added, Unit::Millis, Goal::AtMost { reach: 1.0, aim: 1.0 });
    let exec = Series::from(vec![through_env.median() - alone.median()]);
    figure("`env true` adds to `true`: one exec", &exec, Unit::Millis);
    Ok(())
}

/// How long a program takes that must succeed, in milliseconds.
pub(crate) fn took(command: &mut Command) -> Result<f64> {
    let took = timed(|| match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("{command:?}: {status}").into()),
    })?;
    Ok(took.as_secs_f64() * 1000.0)
}
