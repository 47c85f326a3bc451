//! The guardian: what it holds, what it does, and when it goes.

use crate::support::postgres::{Mode, Server};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, Worker, alive, role, seconds, send, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getsid};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use queuectl_store::LeaseTimes;
use serde_json::json;
use std::fs;
use std::time::Instant;

trials![
    the_lease_of_the_settings_is_what_workers_keep,
    a_heartbeat_that_is_no_time_keeps_no_job_from_running_again if Postgres,
    a_manager_of_a_queue_on_a_server_has_a_guardian_that_goes_with_it if Postgres,
    a_queue_in_a_file_needs_no_guardian,
    a_guardian_holds_nothing_of_its_callers if Postgres,
    a_guardian_that_dies_is_replaced if Postgres,
    a_guardian_ends_what_a_killed_manager_and_its_worker_have_left if Postgres,
    what_a_dead_worker_has_left_is_ended_while_the_server_is_away_and_the_stop_says_what_is_owed if Postgres,
    a_worker_shows_its_lease_and_when_it_is_given_up if Postgres,
    a_lease_that_is_too_short_or_too_long_is_refused,
    in_a_job_its_own_lease_is_no_setting,
];

const HANGS: &str =
    "if [ $QUEUECTL_JOB_LEASE = 1 ]; then touch hangs; trap '' TERM; while :; do sleep 0.05; done; fi";

/// A manager whose worker has begun.
fn started(home: &Home) -> Worker {
    let worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    worker
}

fn the_guardian(home: &Home) -> i32 {
    let mut guardians = Vec::new();
    wait_until(DEADLINE, "there is a guardian", || {
        guardians = home.guardians();
        guardians.len() == 1
    });
    guardians[0]
}

fn a_manager_of_a_queue_on_a_server_has_a_guardian_that_goes_with_it() {
    let home = Home::quick().on_server(Server::shared());
    let mut manager = started(&home);
    let guardian = the_guardian(&home);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        send(guardian, signal);
    }
    home.enqueue("a", "true");
    home.wait_for("a", State::Completed);
    assert_eq!(home.guardians(), [guardian], "it hears no signal that asks to end");
    home.queuectl(["worker", "stop"]).assert().success();
    manager.wait_for_success();
    wait_until(DEADLINE, "it has gone", || !alive(guardian));
    assert!(!manager.said().contains("guardian died"), "{}", manager.said());
}

fn a_queue_in_a_file_needs_no_guardian() {
    let home = Home::quick();
    let _manager = started(&home);
    assert_eq!(home.guardians(), [0; 0]);
}

fn a_guardian_holds_nothing_of_its_callers() {
    let home = Home::quick().on_server(Server::shared());
    // Nobody reads to its end what a guardian holds open.
    let start = "exec 7>held; queuectl worker start --detach | cat";
    home.typed(Spelling::Dispatched, start).assert().success().stdout(contains("Started 1"));
    let guardian = the_guardian(&home);
    let own = format!("/proc/{guardian}");
    wait_until(DEADLINE, "it has let go of everything", || {
        let open = fs::read_dir(format!("{own}/fd")).unwrap().flatten();
        let open: Vec<String> =
            open.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string())).collect();
        let is_its_own = |path: &String| {
            ["/dev/null", "worker.log", "-workers"].iter().any(|end| path.ends_with(end))
                || path.starts_with("pipe:")
        };
        open.iter().all(is_its_own) && !open.iter().any(|path| path.ends_with("held"))
    });
    assert_eq!(fs::read_link(format!("{own}/cwd")).unwrap().to_str(), Some("/"));
    wait_until(DEADLINE, "it has a name of its own", || {
        fs::read_to_string(format!("{own}/comm")).unwrap() == "queuectl-guard\n"
    });
    assert!(!fs::read_to_string(format!("{own}/cmdline")).unwrap().contains("queuectl-worker"));
    let guardian = Pid::from_raw(guardian);
    assert_eq!(getsid(Some(guardian)), Ok(guardian), "a session of its own");
    home.queuectl(["worker", "stop"]).assert().success();
}

fn a_guardian_that_dies_is_replaced() {
    let home = Home::quick().on_server(Server::shared());
    let manager = started(&home);
    let first = the_guardian(&home);
    send(first, Signal::SIGKILL);
    manager.wait_until_it_says("The guardian died");
    wait_until(DEADLINE, "there is another", || home.guardians().iter().any(|&pid| pid != first));
}

fn a_guardian_ends_what_a_killed_manager_and_its_worker_have_left() {
    let home = Home::quick().on_server(Server::shared());
    home.enqueue("held", HANGS);
    let _manager = started(&home);
    home.wait_for_file("hangs");
    let guardian = the_guardian(&home);
    for pid in home.managers_and_workers() {
        send(pid, Signal::SIGKILL);
    }
    home.wait_until_nothing_is_left_of("held");
    wait_until(DEADLINE, "it goes when nothing is left", || role(guardian).is_none());
    assert_eq!(home.state("held"), State::Processing, "nobody has told the server yet");
    home.drain();
    assert_eq!((home.job("held").lease, home.job("held").crashes), (2, 1));
}

fn what_a_dead_worker_has_left_is_ended_while_the_server_is_away_and_the_stop_says_what_is_owed() {
    for signals in [1, 2] {
        let server = Server::start(&[("fsync", "off")]);
        let home = Home::quick().with("QUEUECTL_BUSY_TIMEOUT", "3s").on_server(&server);
        home.enqueue("held", HANGS);
        let mut manager = started(&home);
        home.wait_for_file("hangs");
        let worker = home.worker_pids()[0];
        server.stop(Mode::Immediate);
        send(worker, Signal::SIGKILL);
        manager.wait_until_it_says("A worker died");
        home.wait_until_nothing_is_left_of("held");
        assert!(!manager.has_ended(), "nobody has asked it to");
        for _ in 0..signals {
            manager.signal(Signal::SIGTERM);
            manager.wait_until_it_says("Received shutdown signal");
        }
        let asked = Instant::now();
        assert_eq!(manager.wait().code(), Some(1), "it cannot know that all is well");
        assert!(asked.elapsed() < seconds(30), "{:?}", asked.elapsed());
        let said = manager.said();
        assert!(
            said.contains(&format!("the jobs of worker 1 (PID {worker}) may not have been given back")),
            "{said}"
        );
        assert!(said.contains("nothing of them runs any more"), "{said}");
        wait_until(DEADLINE, "no guardian is left", || home.guardians().is_empty());
        server.resume();
        home.drain();
        assert_eq!((home.job("held").lease, home.job("held").crashes), (2, 1));
    }
}

fn a_worker_shows_its_lease_and_when_it_is_given_up() {
    let home = Home::quick().on_server(Server::shared());
    home.queuectl(["config", "set", "lease", "10s"]).assert().success();
    let _short = started(&home);
    let there = Home::quick().in_schema(home.schema(), &Server::shared().url(home.schema().name()));
    let _usual = started(&there);
    let workers = home.json(["worker", "list", "--json"]);
    let leases: Vec<_> =
        workers.as_array().unwrap().iter().map(|worker| worker["lease_ms"].clone()).collect();
    assert_eq!(leases, [json!(10_000), json!(30_000)], "each has its own");
    assert!(workers[0]["given_up_at"].as_str() > workers[0]["heartbeat_at"].as_str(), "{workers}");
    let table = home.stdout(["worker", "list"]);
    assert!(table.lines().next().unwrap().contains("Given up"), "{table}");
    assert_eq!(table.matches(" in ").count(), 2, "{table}");
    home.queuectl(["doctor"])
        .assert()
        .stdout(contains("silent for 11 to 33 s, by its own lease, is given up"));
}

fn a_lease_that_is_too_short_or_too_long_is_refused() {
    let home = Home::quick();
    for value in ["9s", "301s", "0", "soon"] {
        home.queuectl(["config", "set", "lease", value])
            .assert()
            .code(1)
            .stderr(contains("lease").and(contains("10s")).and(contains("5m")));
    }
    home.queuectl(["config", "set", "lease", "5m"]).assert().success();
    home.queuectl(["config", "get", "lease"]).assert().success().stdout("5m\n");
}

fn in_a_job_its_own_lease_is_no_setting() {
    let home = Home::quick();
    home.queuectl(["config", "get", "lease"]).assert().success().stdout("30\n");
    let outside = home.with("QUEUECTL_LEASE", "1");
    outside.queuectl(["config", "get", "lease"]).assert().code(1).stderr(contains("QUEUECTL_LEASE"));
    let home = Home::quick().with("QUEUECTL_LEASE", "60s");
    home.enqueue("a", "\"$QUEUECTL\" config get lease >lease; echo $QUEUECTL_JOB_LEASE >own");
    home.drain();
    assert_eq!(fs::read_to_string(home.path("lease")).unwrap(), "30\n");
    assert_eq!(fs::read_to_string(home.path("own")).unwrap(), "1\n");
}

fn the_lease_of_the_settings_is_what_workers_keep() {
    let home = Home::new();
    let lease = |seconds: u64| home.queuectl(["config", "set", "lease", &format!("{seconds}s")]).assert();
    let (shortest, longest) = (LeaseTimes::SHORTEST.as_secs(), LeaseTimes::LONGEST.as_secs());
    let usual = format!("{}\n", LeaseTimes::USUAL.length().as_secs());
    home.queuectl(["config", "get", "lease"]).assert().success().stdout(usual);
    for refused in [shortest - 1, longest + 1] {
        lease(refused).code(1);
    }
    for taken in [shortest, longest] {
        lease(taken).success();
    }
}

/// A person has written into the tables by hand: what is no time was not heard lately.
fn a_heartbeat_that_is_no_time_keeps_no_job_from_running_again() {
    for time in ["infinity", "-infinity"] {
        let home = Home::quick().with("QUEUECTL_LEASE", "10s").on_server(Server::shared());
        home.enqueue("held", "[ $QUEUECTL_JOB_LEASE -gt 1 ] || { touch running; sleep 1000; }");
        let _killed_with_its_home = home.worker(["--count", "1"]);
        home.wait_for_file("running");
        home.kill_everything();
        let spoil =
            format!("UPDATE heartbeat SET beat_at = '{time}'; UPDATE worker SET lock_file = 'elsewhere'");
        home.schema().client().batch_execute(&spoil).unwrap();
        home.queuectl(["worker", "list"]).assert().success();
        home.queuectl(["worker", "start", "--drain"]).assert().success();
        assert_eq!(home.state("held"), State::Completed, "{time}");
    }
}
