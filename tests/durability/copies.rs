//! Two queues on one machine whose jobs, numbers and leases are the same.

use crate::oracle::{Oracle, watched};
use crate::scale::{is_long, report, rounds};
use crate::support::postgres::{SUPERUSER, Server, program};
use crate::support::trials::trials;
use crate::support::watched::without_settings;
use crate::support::{DEADLINE, Home, Worker, alive, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::State;
use rusqlite::Connection;
use std::fs;
use std::process::{Command, Stdio};

trials![
    a_restored_dump_and_its_original_never_touch_each_others_processes if Postgres,
    a_rescue_in_a_copied_queue_never_touches_the_processes_of_the_other,
    a_rescue_never_touches_a_worker_that_was_started_inside_a_job,
    the_demo_beside_a_busy_queue_touches_none_of_its_processes,
];

/// Runs in its first attempt until a rescue ends it or it is told to go on.
fn held() -> String {
    watched("touch $ORACLE/running-$QUEUECTL_JOB_LEASE; until [ -e $ORACLE/go ]; do sleep 0.02; done")
}

/// The shell of a job that runs; what it starts in its turn comes and goes.
fn shell_of(home: &Home, id: &str) -> i32 {
    let is_shell =
        |pid: &i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"/bin/sh\0"));
    let mut shells = home.processes_of(id);
    shells.retain(is_shell);
    *shells.iter().min().expect("it runs")
}

/// The shell of the job `held`.
fn shell(home: &Home) -> i32 {
    shell_of(home, "held")
}

/// Waits until the job `held` runs with this lease.
fn wait_until_it_runs(oracle: &Oracle, lease: i64) {
    let running = oracle.folder().join(format!("running-{lease}"));
    wait_until(DEADLINE, &format!("it runs with lease {lease}"), || running.exists());
}

/// Kills the worker that holds the job, and waits for its next start.
fn rescue(oracle: &Oracle) {
    let job = oracle.home().job("held");
    let holder = oracle.home().store().worker(job.worker.unwrap()).unwrap().unwrap();
    let old = shell(oracle.home());
    send(holder.pid.cast_signed(), Signal::SIGKILL);
    wait_until_it_runs(oracle, job.lease + 1);
    assert!(!alive(old));
}

/// Lets the job end, and asks the oracle.
fn judge(oracle: &Oracle, worker: &mut Worker, leases: i64) {
    fs::write(oracle.folder().join("go"), "").unwrap();
    oracle.home().wait_for("held", State::Completed);
    let job = oracle.home().job("held");
    assert_eq!((job.lease, job.attempts), (leases, 1));
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    oracle.expect_no_breach();
}

/// How a queue is copied while its jobs run.
#[derive(Clone, Copy, Debug)]
enum Copy {
    /// As a backup program would.
    OfTheDatabase,
    /// As `cp` of all its files would, notes of running jobs included.
    OfAllFiles,
}

/// Copies the files of a queue that is quiet at this moment.
fn copy(how: Copy, from: &Home, to: &Home) {
    fs::create_dir_all(to.queue_folder()).unwrap();
    match how {
        Copy::OfTheDatabase => {
            let connection = Connection::open(from.database()).unwrap();
            connection.busy_timeout(DEADLINE).unwrap();
            connection.execute("VACUUM INTO ?1", [to.database().to_str().unwrap()]).unwrap();
        }
        Copy::OfAllFiles => {
            for name in ["queue.db", "queue.db-wal", "queue.db-workers"] {
                fs::copy(from.queue_folder().join(name), to.queue_folder().join(name)).unwrap();
            }
        }
    }
}

fn a_rescue_in_a_copied_queue_never_touches_the_processes_of_the_other() {
    let count = rounds(1, 25);
    for how in [Copy::OfTheDatabase, Copy::OfAllFiles].into_iter().cycle().take(2 * count as usize) {
        let (original, copied) = (Oracle::new(Home::quick()), Oracle::new(Home::quick()));
        assert!(original.enqueue("held", &held(), &[]));
        let mut first = original.home().worker([""; 0]);
        wait_until_it_runs(&original, 1);
        let untouched = shell(original.home());
        copy(how, original.home(), copied.home());
        copied.acknowledge("held");
        let mut second = copied.home().worker([""; 0]);
        wait_until_it_runs(&copied, 2);
        // In the copy the numbers are one ahead; rescue by rescue they meet.
        rescue(&copied);
        assert_eq!(shell(original.home()), untouched, "{how:?}");
        rescue(&original);
        let untouched = shell(original.home());
        rescue(&original);
        assert_ne!(shell(original.home()), untouched);
        assert_eq!((original.home().job("held").lease, copied.home().job("held").lease), (3, 3));
        let (ours, theirs) = (shell(original.home()), shell(copied.home()));
        rescue(&copied);
        assert_eq!(shell(original.home()), ours, "{how:?}");
        rescue(&original);
        assert!(!alive(theirs));
        let theirs = shell(copied.home());
        rescue(&original);
        assert_eq!(shell(copied.home()), theirs, "{how:?}");
        judge(&original, &mut first, 5);
        judge(&copied, &mut second, 4);
    }
    report(&format!("{} copies of a queue in use, 6 rescues each, none in the other", 2 * count));
}

/// One of a server's programs, for one of its databases.
fn client(server: &Server, name: &str, database: &str) -> Command {
    let mut command = Command::new(program(name));
    without_settings(&mut command);
    command.arg("--host").arg(server.socket_folder()).args(["--port", &server.port().to_string()]);
    command.args(["--username", SUPERUSER, "--dbname", database]);
    command
}

/// Restores a dump of a schema in another database of the same server.
fn dump_and_restore(server: &Server, schema: &str, database: &str) {
    server.psql(&format!("CREATE DATABASE {database}"));
    let mut dump = client(server, "pg_dump", "postgres");
    let mut dump = dump.args(["--schema", schema]).stdout(Stdio::piped()).spawn().unwrap();
    let mut restore = client(server, "psql", database);
    restore.args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]);
    let restored = restore.stdin(dump.stdout.take().unwrap()).stdout(Stdio::null()).status().unwrap();
    assert!(restored.success() && dump.wait().unwrap().success());
}

fn a_restored_dump_and_its_original_never_touch_each_others_processes() {
    let server = Server::start(&[("fsync", "off")]);
    let original = Oracle::new(Home::quick().on_server(&server));
    assert!(original.enqueue("held", &held(), &[]));
    let mut first = original.home().worker([""; 0]);
    wait_until_it_runs(&original, 1);
    let untouched = shell(original.home());

    let schema = original.home().schema();
    dump_and_restore(&server, schema.name(), "copy");
    let url = server.url(schema.name()).replace("/postgres?", "/copy?");
    let copied = Oracle::new(Home::quick().in_schema(schema, &url));
    copied.acknowledge("held");
    // A program that only looks sees what was copied; one that changes something adopts it.
    assert_eq!(copied.home().state("held"), State::Processing);
    let mut second = copied.home().worker([""; 0]);
    wait_until_it_runs(&copied, 2);
    let workers = copied.home().json(["worker", "list", "--json"]);
    assert_eq!(workers.as_array().unwrap().len(), 1, "{workers}");
    // In the copy the numbers are one ahead; rescue by rescue they meet.
    rescue(&copied);
    assert_eq!(shell(original.home()), untouched);
    let theirs = shell(copied.home());
    rescue(&original);
    rescue(&original);
    assert_eq!((original.home().job("held").lease, copied.home().job("held").lease), (3, 3));
    assert_eq!(shell(copied.home()), theirs);
    judge(&original, &mut first, 3);
    judge(&copied, &mut second, 3);
}

/// A command that starts a worker of another queue, as a job of this one.
fn starting_a_worker(of: &Oracle, how: &str) -> String {
    let home = of.home();
    format!(
        "env QUEUECTL_HOME='{}' TEST_HOME='{}' ORACLE='{}' {} start {how} 9>&-",
        home.queue_folder().display(),
        home.root().display(),
        of.folder().display(),
        env!("CARGO_BIN_EXE_queuectl-worker"),
    )
}

/// Two queues; the first attempt of a job of the outer one starts a worker of the
/// inner one, whose job is told to run and then not touched by the outer rescue.
fn started_inside_a_job(how: &str) -> (Oracle, Worker, Oracle) {
    let (outer, inner) = (Oracle::new(Home::quick()), Oracle::new(Home::quick()));
    assert!(inner.enqueue("held", &held(), &[]));
    let first = format!("{}; while :; do sleep 0.05; done", starting_a_worker(&inner, how));
    assert!(outer.enqueue(
        "starter",
        &watched(&format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {first}; fi")),
        &[]
    ));
    let worker = outer.home().worker([""; 0]);
    wait_until_it_runs(&inner, 1);
    let untouched = shell(inner.home());
    send(outer.home().worker_pids()[0], Signal::SIGKILL);
    outer.home().wait_for("starter", State::Completed);
    assert_eq!(shell(inner.home()), untouched, "{how}");
    (outer, worker, inner)
}

/// Lets the inner job end and asks both oracles.
fn judge_both(outer: &Oracle, worker: &mut Worker, inner: &Oracle) {
    fs::write(inner.folder().join("go"), "").unwrap();
    inner.home().wait_for("held", State::Completed);
    inner.home().queuectl(["worker", "stop"]).assert().success();
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    outer.expect_no_breach();
}

fn a_rescue_never_touches_a_worker_that_was_started_inside_a_job() {
    let (outer, mut worker, inner) = started_inside_a_job("--detach");
    // The other way round.
    let beside = "touch $ORACLE/running-beside; until [ -e $ORACLE/go ]; do sleep 0.02; done";
    assert!(outer.enqueue("beside", &watched(beside), &[]));
    let running = outer.folder().join("running-beside");
    wait_until(DEADLINE, "the job beside runs", || running.exists());
    let untouched = shell_of(outer.home(), "beside");
    rescue(&inner);
    assert_eq!(shell_of(outer.home(), "beside"), untouched);
    fs::write(outer.folder().join("go"), "").unwrap();
    outer.home().wait_for("beside", State::Completed);
    judge_both(&outer, &mut worker, &inner);

    // A manager that is a child of the job ends with it; its worker finishes what it runs.
    let (outer, mut worker, inner) = started_inside_a_job("");
    assert_eq!(inner.home().job("held").lease, 1);
    judge_both(&outer, &mut worker, &inner);
    report("workers started inside a job, in the background and not: a rescue touched none of their jobs");
}

fn the_demo_beside_a_busy_queue_touches_none_of_its_processes() {
    if !is_long() {
        report("the demo beside a busy queue is part of the long form");
        return;
    }
    let oracle = Oracle::new(Home::quick());
    assert!(oracle.enqueue("held", &held(), &[]));
    let mut worker = oracle.home().worker([""; 0]);
    wait_until_it_runs(&oracle, 1);
    let untouched = shell(oracle.home());
    let other = Home::quick();
    other.queuectl(["demo"]).assert().success();
    assert_eq!(shell(oracle.home()), untouched);
    judge(&oracle, &mut worker, 1);
}
