//! What workers and their jobs do not inherit from where they were started.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use queuectl_core::State;
use std::fs;
use std::path::PathBuf;

trials![
    a_lock_of_the_shell_is_not_kept_by_workers_in_the_background,
    a_pipe_of_the_shell_ends_though_workers_live_in_the_background,
    a_job_has_no_descriptors_but_its_own_three,
    workers_in_the_background_are_in_the_root_folder,
    what_was_relative_is_meant_from_where_it_was_typed,
];

fn a_lock_of_the_shell_is_not_kept_by_workers_in_the_background() {
    both(|spelling| {
        let home = Home::quick();
        home.typed(spelling, "exec 9>lock; flock 9; queuectl worker start --detach").assert().success();
        home.typed(spelling, "flock --nonblock lock true").assert().success();
        assert_eq!(home.managers_and_workers().len(), 2);
        home.typed(spelling, "queuectl worker stop").assert().success();
    });
}

fn a_pipe_of_the_shell_ends_though_workers_live_in_the_background() {
    let home = Home::quick();
    let line = "{ queuectl worker start --detach 3>&1 4>&1 >started; } | cat";
    home.typed(Spelling::Dispatched, line).assert().success();
    assert_eq!(home.managers_and_workers().len(), 2);
    home.queuectl(["worker", "stop"]).assert().success();
}

fn a_job_has_no_descriptors_but_its_own_three() {
    for how in ["start --drain", "start --detach"] {
        let home = Home::quick();
        // `ls` has one more, for the folder that it lists.
        home.enqueue("a", "ls /proc/self/fd");
        let line = format!("exec 5>five 7<five 9>far; queuectl worker {how} 8>&1");
        home.typed(Spelling::Dispatched, &line).assert().success();
        home.wait_for("a", State::Completed);
        assert_eq!(home.stdout(["logs", "a"]), "0\n1\n2\n3\n", "worker {how}");
        home.queuectl(["worker", "stop"]).assert().success();
    }
}

fn folder_of(pid: i32) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/cwd")).unwrap()
}

fn workers_in_the_background_are_in_the_root_folder() {
    let home = Home::quick();
    home.queuectl(["worker", "start", "--detach", "--count", "2"]).assert().success();
    let pids = home.managers_and_workers();
    assert_eq!(pids.len(), 3);
    for pid in pids {
        assert_eq!(folder_of(pid), PathBuf::from("/"));
    }
    home.enqueue("a", "pwd");
    home.wait_for("a", State::Completed);
    assert_eq!(home.stdout(["logs", "a"]), format!("{}\n", home.path("").display()).replace("/\n", "\n"));
    home.queuectl(["worker", "stop"]).assert().success();
}

fn what_was_relative_is_meant_from_where_it_was_typed() {
    let home = Home::quick();
    let named = [
        "QUEUECTL_HOME=here; export QUEUECTL_HOME; Q=queuectl",
        "echo 'log-level = \"DEBUG\"' >mine.toml; Q='queuectl --config ./mine.toml --database sub/q.db'",
        "QUEUECTL_DATABASE=./other.db; export QUEUECTL_DATABASE; Q=queuectl",
    ];
    for (number, names) in named.into_iter().enumerate() {
        let line = format!(
            "mkdir -p sub; {names}
            $Q enqueue --id a --shell 'touch ran-{number}; queuectl enqueue --id b true' &&
            $Q worker start --detach && until [ -e ran-{number} ]; do sleep 0.05; done &&
            until $Q show b >/dev/null 2>&1; do sleep 0.05; done; $Q worker stop"
        );
        home.typed(Spelling::Dispatched, &line).assert().success();
    }
}
