//! How a worker runs a job: surroundings, retries, time-outs, what is left behind.

use crate::support::trials::trials;
use crate::support::{ALIVE, DEADLINE, HELD, Home, alive, marked, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{Outcome, State};
use serde_json::json;
use std::fs;

trials![
    a_job_knows_which_it_is,
    a_job_sees_its_workers_environment_and_not_its_enqueuers,
    a_job_reads_nothing_from_standard_input,
    a_job_is_in_a_process_group_of_its_own,
    a_job_keeps_the_users_umask,
    a_failing_job_is_retried_until_it_succeeds,
    a_failing_job_waits_longer_each_time,
    a_job_ended_by_a_signal_has_failed,
    a_job_in_a_folder_that_is_gone_has_failed,
    a_job_whose_shell_syntax_is_wrong_has_failed,
    a_time_out_ends_a_job_and_is_a_failure_like_any_other,
    a_time_out_ends_a_job_that_ignores_sigterm,
    a_time_out_ends_children_in_the_background,
    a_time_out_ends_children_in_sessions_of_their_own,
    job_timeout_of_the_configuration_is_the_default,
    no_job_ends_by_a_hidden_limit,
    a_background_child_that_holds_the_pipe_does_not_hold_the_worker,
    what_a_completed_job_leaves_behind_lives_on,
    a_daemon_that_a_completed_job_leaves_behind_is_mentioned,
    jobs_that_leave_nothing_behind_are_not_suspected_of_it,
    a_flood_of_jobs_that_leave_nothing_behind_is_not_suspected_either,
    no_job_waits_behind_a_long_one_while_a_worker_is_idle,
    what_a_failed_job_leaves_behind_is_ended_before_the_next_start,
    a_job_that_closes_its_output_is_waited_for,
    a_job_that_writes_a_lot_to_both_streams_does_not_hang,
    the_jobs_of_a_worker_may_use_the_queue,
];

fn a_job_knows_which_it_is() {
    let home = Home::quick();
    home.queuectl(["enqueue", "--id", "it's-me", "--max-retries", "4"])
        .arg("env | grep ^QUEUECTL_ | sort; [ $QUEUECTL_ATTEMPT = 2 ]")
        .assert()
        .success();
    home.drain();
    let output = home.stdout(["logs", "it's-me"]);
    for line in [
        "QUEUECTL_JOB_ID=it's-me\n",
        "QUEUECTL_ATTEMPT=2\n",
        "QUEUECTL_JOB_MAX_RETRIES=4\n",
        "QUEUECTL_JOB_LEASE=2\n",
        "QUEUECTL_QUEUE=default\n",
    ] {
        assert!(output.contains(line), "{line:?} in {output}");
    }
    let run = output.lines().find_map(|line| line.strip_prefix("QUEUECTL_RUN=")).unwrap();
    let parts: Vec<&str> = run.split('/').collect();
    assert_eq!((parts.len(), parts[2], parts[3]), (4, "1", "2"), "queue, worker, job, lease: {run}");
}

fn a_job_sees_its_workers_environment_and_not_its_enqueuers() {
    let home = Home::quick();
    home.queuectl(["enqueue", "--id", "a", "echo ${OF_ENQUEUE-none} ${OF_WORKER-none}"])
        .env("OF_ENQUEUE", "secret")
        .assert()
        .success();
    home.queuectl(["worker", "start", "--drain"]).env("OF_WORKER", "here").assert().success();
    assert_eq!(home.stdout(["logs", "a"]), "none here\n");
}

fn a_job_reads_nothing_from_standard_input() {
    let home = Home::quick();
    home.enqueue("a", "wc -c");
    home.queuectl(["worker", "start", "--drain"]).write_stdin("typed by a person").assert().success();
    assert_eq!(home.stdout(["logs", "a"]).trim(), "0");
}

fn a_job_is_in_a_process_group_of_its_own() {
    let home = Home::quick();
    home.enqueue("a", "cut -d ' ' -f 1,5 /proc/$$/stat");
    home.drain();
    let output = home.stdout(["logs", "a"]);
    let (pid, group) = output.trim().split_once(' ').unwrap();
    assert_eq!(pid, group);
}

fn a_job_keeps_the_users_umask() {
    let home = Home::quick();
    home.enqueue("a", "umask");
    home.typed(crate::support::Spelling::Dispatched, "umask 027; queuectl worker start --drain")
        .assert()
        .success();
    assert_eq!(home.stdout(["logs", "a"]), "0027\n");
}

fn a_failing_job_is_retried_until_it_succeeds() {
    let home = Home::quick();
    home.enqueue("a", "echo run >> runs; [ $(wc -l < runs) -ge 3 ]");
    home.drain();
    let job = home.job("a");
    assert_eq!(
        (job.state, job.attempts, job.exit_code, job.last_error),
        (State::Completed, 3, Some(0), None)
    );
    assert_eq!(home.outcomes("a"), [Some(Outcome::Exit(1)), Some(Outcome::Exit(1)), Some(Outcome::Exit(0))]);
}

fn a_failing_job_waits_longer_each_time() {
    // Base 0.5 waits 500, 250 and 125 ms: short enough to see several waits.
    let home = Home::new().with("QUEUECTL_BACKOFF_BASE", "0.5");
    home.enqueue("a", "false");
    home.drain();
    let attempts = home.attempts("a");
    let waits: Vec<u128> = attempts
        .windows(2)
        .map(|pair| pair[1].started_at.since(pair[0].ended_at.unwrap()).as_millis())
        .collect();
    assert_eq!(waits.len(), 3);
    for (wait, least) in waits.iter().zip([500, 250, 125]) {
        assert!(*wait >= least, "{waits:?}");
    }
    // And what is stored is what the documents say: 2 s after the first failure at base 2.
    let home = Home::new();
    home.enqueue("b", "false");
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    let job = home.job("b");
    let ended = home.attempts("b")[0].ended_at.unwrap();
    assert_eq!(job.run_at.unwrap().since(ended).as_millis(), 2000);
    assert!(home.json(["show", "b", "--json"])["next_retry_at"].is_string());
}

fn a_job_ended_by_a_signal_has_failed() {
    let home = Home::quick();
    home.enqueue_once("a", "kill -9 $$");
    home.drain();
    let job = home.job("a");
    assert_eq!((job.state, job.exit_code, job.signal, job.crashes), (State::Dead, None, Some(9), 0));
    assert_eq!(home.attempts("a")[0].outcome, Some(Outcome::Signal(9)));
}

fn a_job_in_a_folder_that_is_gone_has_failed() {
    let home = Home::quick();
    fs::create_dir(home.path("gone")).unwrap();
    home.queuectl(["enqueue", "--id", "a", "--max-retries", "0", "true"])
        .current_dir(home.path("gone"))
        .assert()
        .success();
    fs::remove_dir(home.path("gone")).unwrap();
    home.drain();
    let job = home.job("a");
    assert_eq!((job.state, home.attempts("a")[0].outcome), (State::Dead, Some(Outcome::NoFolder)));
    let error = format!("its folder {} is not there", home.path("gone").display());
    assert_eq!(job.last_error.as_deref(), Some(error.as_str()));
}

fn a_job_whose_shell_syntax_is_wrong_has_failed() {
    let home = Home::quick();
    home.enqueue_once("a", "if then (");
    home.drain();
    assert_eq!(home.state("a"), State::Dead);
    assert!(home.stdout(["logs", "a"]).to_lowercase().contains("syntax"));
}

/// Lets a job with this beginning hang until its time-out, twice.
fn timed_out(beginning: &str) {
    let home = Home::quick();
    let command = format!("echo run >> runs; {beginning}; sleep 1000; touch too-far");
    home.queuectl(["enqueue", "--id", "a", "--timeout", "500ms", "--max-retries", "1", &command])
        .assert()
        .success();
    home.drain();
    let job = home.job("a");
    assert_eq!((job.state, job.attempts, job.crashes), (State::Dead, 2, 0));
    assert!(home.attempts("a").iter().all(|attempt| attempt.outcome == Some(Outcome::Timeout)));
    assert_eq!(home.lines("runs").len(), 2);
    assert_eq!(home.processes_of("a"), [0; 0], "nothing is left of it");
    assert!(!home.path("too-far").exists());
}

fn a_time_out_ends_a_job_and_is_a_failure_like_any_other() {
    timed_out("true");
}

fn a_time_out_ends_a_job_that_ignores_sigterm() {
    timed_out("trap '' TERM INT HUP");
}

fn a_time_out_ends_children_in_the_background() {
    timed_out("sleep 1000 & (sleep 1000 & sleep 1000 &)");
}

fn a_time_out_ends_children_in_sessions_of_their_own() {
    timed_out(
        "setsid sh -c 'trap \"\" TERM; sleep 1000; sleep 1000' & setsid nohup sleep 1000 >/dev/null 2>&1 & true",
    );
}

fn job_timeout_of_the_configuration_is_the_default() {
    let home = Home::quick();
    home.queuectl(["config", "set", "job-timeout", "300ms"]).assert().success();
    home.enqueue_once("hangs", "sleep 1000");
    home.queuectl(["enqueue", "--id", "free", "--timeout", "0", "true"]).assert().success();
    home.drain();
    assert_eq!(home.attempts("hangs")[0].outcome, Some(Outcome::Timeout));
    assert_eq!(home.job("free").timeout, None);
}

fn no_job_ends_by_a_hidden_limit() {
    let home = Home::new();
    home.enqueue("a", "true");
    assert_eq!(home.job("a").timeout, None);
    assert_eq!(home.json(["list", "--json"])[0]["timeout_ms"], serde_json::Value::Null);
    home.queuectl(["config", "get", "job-timeout"]).assert().stdout("0\n");
}

/// Ends a process that a test has left in the background.
fn end(pid: i32) {
    send(pid, Signal::SIGKILL);
    wait_until(DEADLINE, "it has ended", || !alive(pid));
}

fn a_background_child_that_holds_the_pipe_does_not_hold_the_worker() {
    let home = Home::quick();
    home.enqueue("a", "sleep 1000 & echo $! > child; echo hi");
    home.enqueue("b", "true");
    home.drain();
    assert_eq!((home.state("a"), home.state("b")), (State::Completed, State::Completed));
    assert_eq!(home.stdout(["logs", "a"]), "hi\n");
    end(home.lines("child")[0].parse().unwrap());
}

fn what_a_completed_job_leaves_behind_lives_on() {
    // In a session of its own, and in the job's group.
    for (begin, is_told) in [("setsid ", false), ("", true)] {
        let home = Home::quick();
        home.enqueue("a", &format!("{begin}sleep 1000 >/dev/null 2>&1 & echo $! > child"));
        let mut worker = home.worker(["--drain"]);
        worker.wait_for_success();
        let child = home.lines("child")[0].parse().unwrap();
        assert!(alive(child));
        let said = worker.said();
        let told = said.contains("Job a has left processes in the background; they live on.");
        // The other is told of if it has not left the group yet.
        assert!(told || !is_told, "{said}");
        end(child);
    }
}

fn a_daemon_that_a_completed_job_leaves_behind_is_mentioned() {
    let home = Home::quick();
    let worker = home.worker(["--count", "1"]);
    // It is in no group of the job, and holds the pipe.
    home.enqueue(
        "a",
        "setsid sh -c 'echo $$ > child; exec sleep 1000' & until [ -s child ]; do sleep 0.01; done",
    );
    home.wait_for("a", State::Completed);
    worker.wait_until_it_says("Job a has left processes in the background; they live on.");
    end(home.lines("child")[0].parse().unwrap());
}

/// A slot's pipe is held by another slot's child for the instant before its exec.
fn jobs_that_leave_nothing_behind_are_not_suspected_of_it() {
    let home = Home::quick();
    home.enqueue_all((0..300).map(|n| json!({"id": format!("job-{n}"), "command": "true"})));
    let mut worker = home.worker(["--count", "1", "--concurrency", "8", "--drain"]);
    worker.wait_for_success();
    assert!(!worker.said().contains("in the background"), "{}", worker.said());
}

/// The watch looks in the middle of it all, and there is much to do.
fn a_flood_of_jobs_that_leave_nothing_behind_is_not_suspected_either() {
    let home = Home::quick();
    home.enqueue("daemon", "sleep 1000 & echo $! > child");
    home.enqueue_all((0..3000).map(|n| json!({"id": format!("job-{n}"), "command": "true"})));
    let mut worker = home.worker(["--count", "8", "--concurrency", "64", "--drain"]);
    worker.wait_for_success();
    let said = worker.said();
    let told: Vec<_> = said.lines().filter(|line| line.contains("in the background")).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("Job daemon has left"), "{told:#?}");
    end(home.lines("child")[0].parse().unwrap());
}

fn no_job_waits_behind_a_long_one_while_a_worker_is_idle() {
    let home = Home::quick().with("QUEUECTL_POLL_INTERVAL", "1h");
    let long = HELD;
    home.enqueue_all((0..1001).map(|n| match n {
        500 => json!({"id": "long", "command": long}),
        _ => json!({"id": format!("short-{n}"), "command": "true"}),
    }));
    let mut worker = home.worker(["--count", "2", "--drain"]);
    wait_until(DEADLINE, "all but the long one are done", || {
        home.counts().unfinished() == 1 && home.path("running").exists()
    });
    assert_eq!(home.state("long"), State::Processing);
    home.make_file("go");
    worker.wait_for_success();
    assert_eq!(home.counts()[State::Completed], 1001);
}

fn what_a_failed_job_leaves_behind_is_ended_before_the_next_start() {
    let home = Home::quick();
    let command = format!(
        "{ALIVE}; [ -e child ] && alive $(cat child) && touch two-at-once; \
         (trap '' TERM; sleep 1000; sleep 1000) & echo $! > child; exit 1"
    );
    home.queuectl(["enqueue", "--id", "a", "--max-retries", "2", &command]).assert().success();
    home.drain();
    assert_eq!((home.state("a"), home.attempts("a").len()), (State::Dead, 3));
    assert!(!home.path("two-at-once").exists());
    assert_eq!(home.processes_of("a"), [0; 0]);
}

fn a_job_that_closes_its_output_is_waited_for() {
    let home = Home::quick();
    home.enqueue("a", "exec >&- 2>&-; touch running; until [ -e go ]; do sleep 0.05; done; exit 3");
    let _worker = home.worker(["--max-jobs", "1"]);
    home.wait_for_file("running");
    assert_eq!(home.state("a"), State::Processing);
    home.make_file("go");
    wait_until(DEADLINE, "its end is recorded", || home.job("a").exit_code == Some(3));
}

fn a_job_that_writes_a_lot_to_both_streams_does_not_hang() {
    let home = Home::quick();
    home.enqueue(
        "a",
        "yes out | head -c 3000000; yes err | head -c 3000000 >&2; yes | head -c 3000000 & wait",
    );
    home.drain();
    assert_eq!(home.state("a"), State::Completed);
    assert_eq!(home.attempts("a")[0].output_bytes, 9_000_000);
}

fn the_jobs_of_a_worker_may_use_the_queue() {
    let home = Home::quick();
    let next = format!("{} enqueue --id next true", env!("CARGO_BIN_EXE_queuectl"));
    home.enqueue("first", &next);
    home.drain();
    assert_eq!((home.state("first"), home.state("next")), (State::Completed, State::Completed));
    assert_eq!(marked(&[&format!("QUEUECTL_HOME={}", home.queue_folder().display())]), [0; 0]);
}
