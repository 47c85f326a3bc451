//! P4: the store alone on PostgreSQL, one connection, no process started.

use crate::ground::postgres::{SUPERUSER, Server, program};
use crate::support::{
    Bench, Clerk, Goal, Home, Result, Unit, figure, goal, in_turn, plain, start_server, timed, title,
};
use queuectl_store::Access;
use std::path::Path;
use std::process::{Command, Stdio};

/// One row by its primary key, one transaction.
const ONE_UPDATE: &str = "\\set aid random(1, 100000)\n\
    UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;\n";

pub(crate) fn run(bench: &Bench) -> Result {
    let server = start_server(bench, None)?;
    let folder = bench.folder()?;
    let script = folder.path().join("one.sql");
    std::fs::write(&script, ONE_UPDATE)?;
    let initialized = pgbench(&server).args(["--initialize", "--quiet"]).stdout(Stdio::null()).status()?;
    if !initialized.success() {
        return Err("pgbench could not make its tables".into());
    }
    let (exchanges, rounds) = (bench.work(2000), bench.rounds(5));
    for (batch, reach, aim) in [(1, 0.5, 0.8), (8, 3.0, 5.0), (32, 8.0, 15.0)] {
        let home = Home::on_server(bench, &server)?;
        home.fill((exchanges * rounds + 1) * batch as usize, "true")?;
        let mut clerk = Clerk::hire(home.store(Access::Write)?)?;
        clerk.exchange(batch)?;
        let [jobs, prepared, simple] = in_turn(
            rounds,
            &mut [
                &mut || {
                    let took = timed(|| (0..exchanges).try_for_each(|_| clerk.exchange(batch).map(drop)))?;
                    Ok(exchanges as f64 * f64::from(batch) / took.as_secs_f64())
                },
                &mut || updates_per_second(&server, &script, "prepared", exchanges),
                &mut || updates_per_second(&server, &script, "simple", exchanges),
            ],
        )?;
        clerk.retire()?;
        title(&format!("P4: finish and claim {batch} in one transaction on PostgreSQL, one socket for all"));
        figure("jobs", &jobs, Unit::PerSecond);
        figure("pgbench -c 1, one row", &simple, Unit::PerSecond);
        figure("pgbench -c 1 -M prepared, the same", &prepared, Unit::PerSecond);
        let target = Goal::AtLeast { reach, aim };
        goal("jobs / updates, pgbench as it comes", &jobs.over(&simple), Unit::Times, target);
        goal("jobs / updates, with prepared statements", &jobs.over(&prepared), Unit::Times, target);
    }
    Ok(())
}

/// pgbench at a server, through its socket.
fn pgbench(server: &Server) -> Command {
    let mut command = plain(program("pgbench"));
    command.arg("--host").arg(server.socket_folder()).args(["--port", &server.port().to_string()]);
    command.args(["--username", SUPERUSER]).env("PGDATABASE", "postgres");
    command
}

/// How many rows pgbench updates in a second, each in a transaction of its own.
fn updates_per_second(server: &Server, script: &Path, mode: &str, count: usize) -> Result<f64> {
    let mut command = pgbench(server);
    command.args(["--no-vacuum", "--client=1", "--protocol", mode, "--file"]).arg(script);
    let output = command.args(["--transactions", &count.to_string()]).stdout(Stdio::piped()).output()?;
    let said = String::from_utf8(output.stdout)?;
    let figure = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    Ok(figure.ok_or_else(|| format!("pgbench gave no figure: {said}"))?.parse()?)
}
