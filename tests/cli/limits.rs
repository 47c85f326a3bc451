//! What the limits of a shell (`ulimit`) do to the programs: an error that says which
//! one, never a death without a word, and the same limits for jobs as before.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::{Outcome, State};
use std::fs;

trials![
    a_file_that_may_not_grow_is_an_error_that_names_it,
    output_into_a_file_that_may_not_grow_is_an_error,
    a_configuration_that_may_not_grow_stays_as_it_was,
    a_backup_that_may_not_grow_leaves_nothing,
    workers_keep_results_until_their_files_may_grow_again,
    a_worker_whose_lock_file_may_not_grow_says_so,
    workers_in_the_background_outlast_a_log_that_may_not_grow,
    a_long_day_under_a_small_limit_needs_no_help,
    jobs_have_the_limit_and_die_of_it_as_ever,
    few_descriptors_or_little_memory_are_errors_too,
];

/// Types a line in a shell with limits; `ulimit -f` counts 512 bytes.
fn limited(home: &Home, limits: &str, line: &str) -> Assert {
    home.typed(Spelling::Dispatched, &format!("{limits}; {line}")).assert()
}

/// Types a line that may write no file at all; what it says, on both streams, and its
/// code go through a pipe.
fn unwritable(home: &Home, line: &str) -> Assert {
    let line = format!("(ulimit -f 0; {line}; echo code $?) 2>&1 | cat");
    home.typed(Spelling::Dispatched, &line).assert()
}

/// A queue with a job whose text is so long.
fn with_long_jobs(bytes: usize, jobs: usize) -> Home {
    let home = Home::quick();
    for number in 0..jobs {
        home.enqueue(&format!("long-{number}"), &format!("true {}", "x".repeat(bytes)));
    }
    home
}

fn a_file_that_may_not_grow_is_an_error_that_names_it() {
    both(|spelling| {
        let home = with_long_jobs(100_000, 3);
        let enqueue = if spelling == Spelling::Dispatched { "queuectl enqueue" } else { "queuectl-enqueue" };
        // Room for the index of the log, and not for the job.
        let limit = "ulimit -f 100";
        limited(&home, limit, &format!("exec {enqueue} \"true $(printf %60000s | tr ' ' x)\""))
            .code(1)
            .stdout("")
            .stderr(contains("queue.db").and(contains("cannot grow")).and(contains("`ulimit -f`")))
            .stderr(contains("\nhint: raise that limit"));
        unwritable(&home, &format!("{enqueue} true"))
            .success()
            .stdout(contains("queue.db cannot grow").and(contains("code 1\n")));
        home.run(spelling, ["enqueue", "true"]).assert().success();
    });
}

fn output_into_a_file_that_may_not_grow_is_an_error() {
    let home = Home::quick();
    home.enqueue("wordy", "head -c 200000 /dev/zero | tr '\\0' x");
    home.drain();
    fs::write(home.path("out"), "x".repeat(100 * 512)).unwrap();
    for words in ["logs wordy", "show wordy --json", "list --json", "--list", "help"] {
        // Room for the index of the log, and none in the file that is written to.
        let line = format!("queuectl {words} 2>&1 >>out");
        home.typed(Spelling::Dispatched, &format!("(ulimit -f 100; {line}; echo code $?) | cat"))
            .assert()
            .success()
            .stdout(contains("cannot write to standard output: File too large"))
            .stdout(contains("hint").and(contains("raise that limit")).and(contains("code 1\n")));
    }
}

fn a_configuration_that_may_not_grow_stays_as_it_was() {
    let home = Home::new();
    home.configure("max-retries = 4\n");
    unwritable(&home, "queuectl config set max-retries 5")
        .success()
        .stdout(contains("config.toml").and(contains("File too large")))
        .stdout(contains("hint: raise that limit").and(contains("code 1\n")));
    assert_eq!(fs::read_to_string(home.config_file()).unwrap(), "max-retries = 4\n");
    assert_eq!(fs::read_dir(home.queue_folder()).unwrap().count(), 2, "something was left");
}

fn a_backup_that_may_not_grow_leaves_nothing() {
    let home = with_long_jobs(100_000, 5);
    limited(&home, "ulimit -f 150", "exec queuectl backup copy.db")
        .code(1)
        .stdout("")
        .stderr(contains("copy.db cannot grow").and(contains("hint: raise that limit")));
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 0);
}

fn workers_keep_results_until_their_files_may_grow_again() {
    let home = with_long_jobs(1, 1);
    home.drain();
    home.enqueue(
        "a",
        "touch running; until [ -e go ]; do sleep 0.05; done; head -c 600000 /dev/zero | tr '\\0' x",
    );
    home.enqueue("b", "true");
    let script = "ulimit -S -f 300
        queuectl worker start 2>worker-said & manager=$!
        until [ -e running ]; do sleep 0.05; done
        touch go
        until grep -q 'cannot grow.*ulimit -f' worker-said; do sleep 0.05; done
        for pid in $(queuectl worker list --json | grep -o '\"pid\": *[0-9]*' | grep -o '[0-9]*$'); do
            prlimit --fsize=unlimited --pid $pid
        done
        until [ \"$(queuectl list --state completed --json | grep -c '\"id\"')\" = 3 ]; do sleep 0.05; done
        kill $manager
        wait $manager";
    home.typed(Spelling::Dispatched, script).assert().success();
    assert_eq!(home.attempts("a").len(), 1, "the only result was kept");
    let said = home.lines("worker-said").join("\n");
    assert!(said.contains("results are kept") && said.contains("can be written again"), "{said}");
}

fn a_worker_whose_lock_file_may_not_grow_says_so() {
    let home = Home::quick();
    home.enqueue("a", "true");
    // The first worker's notes have 24 KiB; the index of the log has 32.
    let lock_file = home.queue_folder().join("queue.db-workers");
    let mut other = home.worker([""; 0]);
    home.wait_for("a", State::Completed);
    assert!(lock_file.exists());
    limited(&home, "ulimit -f 70", "exec queuectl worker start --count 1")
        .code(1)
        .stderr(contains("queue.db-workers: File too large").and(contains("hint: raise that limit")));
    assert!(!other.has_ended());
}

fn workers_in_the_background_outlast_a_log_that_may_not_grow() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.drain();
    fs::write(home.queue_folder().join("worker.log"), "x".repeat(600 * 512)).unwrap();
    limited(&home, "ulimit -f 500", "queuectl start").success();
    home.enqueue("b", "true");
    home.wait_for("b", State::Completed);
    home.queuectl(["stop"]).assert().success().stdout(contains("Stopped 1 worker"));
}

fn a_long_day_under_a_small_limit_needs_no_help() {
    let home = Home::quick();
    // Much more goes through the log than a file may have.
    let jobs =
        (0..200).map(|n| serde_json::json!({"id": format!("j{n}"), "command": "head -c 5000 /dev/zero"}));
    home.enqueue_all(jobs);
    limited(&home, "ulimit -f 4000", "exec queuectl worker start --drain").success();
    assert_eq!(home.counts()[State::Completed], 200);
}

fn jobs_have_the_limit_and_die_of_it_as_ever() {
    let home = Home::quick();
    home.enqueue_once("writes", "ulimit -f >limit; head -c 300000 /dev/zero >file; exit $?");
    home.enqueue_once("dies", "exec head -c 3000000 /dev/zero >other");
    home.enqueue_once("ignores", "grep ^SigIgn /proc/self/status >ignored");
    limited(&home, "ulimit -f 4000", "exec queuectl worker start --drain").code(1);
    assert_eq!(home.lines("limit"), ["4000"]);
    assert_eq!(home.state("writes"), State::Completed);
    assert_eq!(home.attempts("dies")[0].outcome, Some(Outcome::Signal(25)));
    let ignored = home.lines("ignored").join("");
    let mask = u64::from_str_radix(ignored.split_whitespace().last().unwrap(), 16).unwrap();
    assert_eq!(mask & (1 << 24), 0, "SIGXFSZ is ignored in jobs: {ignored}");
}

fn few_descriptors_or_little_memory_are_errors_too() {
    let home = Home::quick();
    home.enqueue("a", "true");
    for limits in ["ulimit -n 8", "ulimit -n 12", "ulimit -v 20000"] {
        for line in ["worker start --drain", "worker start --detach"] {
            limited(&home, limits, &format!("exec queuectl {line}"))
                .code(1)
                .stderr(contains("queuectl: error: ").and(contains("panicked").not()));
        }
        limited(&home, limits, "exec queuectl list").success();
    }
    home.drain();
    assert_eq!(home.state("a"), State::Completed);
}
