//! What a job and a configuration find around them.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, send, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use queuectl_core::State;
use serde_json::json;
use std::os::unix::fs::{PermissionsExt as _, symlink};

trials![
    a_job_has_the_umask_and_the_limits_of_its_worker,
    a_job_runs_in_the_folder_that_links_led_to_when_it_was_enqueued,
    a_terminal_that_is_closed_is_not_heard_of_by_a_job,
    a_change_of_the_configuration_leaves_its_lock_file_which_may_go,
    count_is_how_many_workers_and_concurrency_how_many_jobs_each,
];

fn a_job_has_the_umask_and_the_limits_of_its_worker() {
    let home = Home::quick();
    let line = "umask 077; ulimit -n 300; queuectl enqueue --id a 'umask; ulimit -Sn; ulimit -c; touch made'";
    home.typed(Spelling::Dispatched, line).assert().success();
    let line = "umask 027; ulimit -Sn 200; ulimit -c 0; queuectl -q worker start --drain";
    home.typed(Spelling::Dispatched, line).assert().success();
    assert_eq!(home.stdout(["logs", "a"]), "0027\n200\n0\n");
    assert_eq!(home.path("made").metadata().unwrap().permissions().mode() & 0o777, 0o640);
    // More slots than files: the soft limit is raised as far as is needed, for jobs too.
    home.enqueue("b", "ulimit -Sn");
    let line = "ulimit -Sn 60; queuectl -q worker start --drain --concurrency 20";
    home.typed(Spelling::Dispatched, line).assert().success();
    let limit: u64 = home.stdout(["logs", "b"]).trim().parse().unwrap();
    assert!(limit > 60, "{limit}");
}

fn a_job_runs_in_the_folder_that_links_led_to_when_it_was_enqueued() {
    let home = Home::quick();
    for folder in ["first", "second"] {
        std::fs::create_dir(home.path(folder)).unwrap();
    }
    symlink(home.path("first"), home.path("link")).unwrap();
    home.typed(Spelling::Dispatched, "cd link && queuectl enqueue --id here pwd").assert().success();
    home.typed(Spelling::Dispatched, "queuectl enqueue --cwd link --id named '/bin/pwd -P'")
        .assert()
        .success();
    std::fs::remove_file(home.path("link")).unwrap();
    symlink(home.path("second"), home.path("link")).unwrap();
    home.drain();
    let real = |name: &str| format!("{}\n", home.path(name).canonicalize().unwrap().display());
    assert_eq!(home.stdout(["logs", "here"]), real("first"));
    // What is named is kept as it was named, and followed when the job starts.
    assert_eq!(home.stdout(["logs", "named"]), real("second"));
}

fn a_terminal_that_is_closed_is_not_heard_of_by_a_job() {
    let home = Home::quick();
    home.enqueue(
        "a",
        "echo $$ >pid; until [ -e go ]; do sleep 0.05; done; (: </dev/tty) 2>/dev/null || echo none",
    );
    let worker = home.worker([""; 0]);
    wait_until(DEADLINE, "the job runs", || !home.lines("pid").is_empty());
    let pid: i32 = home.lines("pid")[0].parse().unwrap();
    let of = |pid: i32| nix::unistd::getsid(Some(Pid::from_raw(pid))).unwrap();
    assert_ne!(of(pid), of(worker.pid()), "it is in another session than the terminal's");
    assert_eq!(home.state("a"), State::Processing);
    home.make_file("go");
    home.wait_for("a", State::Completed);
    assert_eq!(home.stdout(["logs", "a"]), "none\n");
    send(worker.pid(), Signal::SIGTERM);
}

fn a_change_of_the_configuration_leaves_its_lock_file_which_may_go() {
    let home = Home::quick();
    home.queuectl(["config", "set", "max-retries", "5"]).assert().success();
    let lock = home.queue_folder().join("config.toml.lock");
    assert_eq!(std::fs::read(&lock).unwrap(), b"");
    std::fs::remove_file(&lock).unwrap();
    home.queuectl(["config", "get", "max-retries"]).assert().success().stdout("5\n");
    assert!(!lock.exists(), "reading needs no lock");
    home.queuectl(["config", "set", "max-retries", "6"]).assert().success();
    assert!(lock.exists());
}

fn count_is_how_many_workers_and_concurrency_how_many_jobs_each() {
    let home = Home::quick();
    let job = |n: usize| json!({"id": format!("job-{n}"), "command": "until [ -e go ]; do sleep 0.05; done"});
    home.enqueue_all((0..8).map(job));
    let mut worker = home.worker(["--count", "2", "--concurrency", "3", "--drain"]);
    wait_until(DEADLINE, "six jobs run", || home.counts()[State::Processing] == 6);
    let workers = home.json(["worker", "list", "--json"]);
    let workers: Vec<_> = workers.as_array().unwrap().iter().collect();
    assert_eq!(workers.len(), 2);
    for worker in workers {
        assert_eq!((&worker["concurrency"], &worker["jobs_now"]), (&json!(3), &json!(3)), "{worker}");
    }
    assert_eq!(home.counts()[State::Pending], 2);
    home.make_file("go");
    worker.wait_for_success();
}
