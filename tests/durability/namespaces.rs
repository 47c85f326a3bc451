//! Process namespaces: pids that come again, and containers that die.

use crate::oracle::{Oracle, watched};
use crate::scale::{report, rounds};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, Worker, alive, marked, seconds, send, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_core::{Outcome, State};
use std::fs;
use std::time::Instant;

trials![
    a_stranger_with_the_pid_of_a_dead_job_or_worker_is_never_signalled if Root,
    a_manager_that_is_process_1_leaves_no_zombies if Root,
    the_jobs_of_a_container_that_died_are_taken_over_after_10_seconds_and_never_beside_what_is_left if Root,
];

const WORKER_PROGRAM: &str = env!("CARGO_BIN_EXE_queuectl-worker");

/// Makes the pids of a dead worker and of its job come again, as one of these:
/// processes of sessions of their own, or the session of the one with the group
/// of the other in it, which is all that the dead ones were known by.
const STRANGERS: [&str; 2] = [
    "take $worker; exec_as_stranger setsid sleep 1000
     take $job; exec_as_stranger setsid sleep 1000",
    // `timeout` makes itself the first of a group of its own.
    "take $worker; exec_as_stranger setsid sh -c \
        'echo $(($0 - 1)) >/proc/sys/kernel/ns_last_pid; timeout 1000 sleep 1000 & wait' $job",
];

fn a_stranger_with_the_pid_of_a_dead_job_or_worker_is_never_signalled() {
    let count = rounds(1, 10);
    for strangers in STRANGERS.iter().cycle().take(2 * count as usize) {
        let oracle = Oracle::new(Home::quick());
        let first = "echo $$ >job; echo $PPID >worker; touch hangs; while :; do sleep 0.05; done";
        let command = watched(&format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {first}; fi"));
        assert!(oracle.enqueue("victim", &command, &["--max-retries", "0"]));
        let script = format!(
            "take() {{ echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid; }}
            exec_as_stranger() {{ \"$@\" & }}
            queuectl-worker start & manager=$!
            until [ -e hangs ]; do sleep 0.05; done
            worker=$(cat worker); job=$(cat job)
            kill -9 $manager $worker
            kill -9 -$job
            while [ -e /proc/$worker ] || [ -e /proc/$job ]; do sleep 0.05; done
            {strangers}
            until grep -q sleep /proc/$worker/cmdline && grep -q sleep /proc/$job/cmdline; do sleep 0.05; done
            queuectl worker start --drain --exit-zero
            alive() {{ grep -qs \"^State:.[RSD]\" /proc/$1/status; }}
            alive $worker && echo worker >>lives
            alive $job && echo job >>lives
            true"
        );
        let quoted = script.replace('\'', "'\\''");
        let line = format!("unshare --pid --fork --mount-proc --kill-child sh -c '{quoted}'");
        oracle.home().typed(Spelling::Dispatched, &line).assert().success();
        assert_eq!(oracle.home().lines("lives"), ["worker", "job"], "strangers were signalled: {strangers}");
        let outcomes = oracle.home().outcomes("victim");
        assert_eq!(outcomes, [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))]);
        oracle.expect_no_breach();
    }
    report(&format!(
        "{} rounds: strangers got the pids of a dead worker and its job, none was hit",
        2 * count
    ));
}

/// A worker in a pid namespace of its own, on the same queue.
struct Container {
    outside: Worker,
}

impl Container {
    fn start(home: &Home, name: &str) -> Self {
        let mut command = home.program("unshare");
        command.args([
            "--pid",
            "--fork",
            "--mount-proc",
            "sh",
            "-c",
            "\"$0\" start & while :; do sleep 0.2; done",
        ]);
        command.arg(WORKER_PROGRAM).env("CONTAINER", name);
        Self { outside: Worker::start(command, &home.root().join("said").join(name)) }
    }

    /// Its first process, as it is seen from outside.
    fn init(&self) -> i32 {
        first_child(self.outside.pid())
    }

    /// Its manager and its worker, but no job, as they are seen from outside.
    fn workers(home: &Home, name: &str) -> Vec<i32> {
        let markers = [format!("TEST_HOME={}", home.root().display()), format!("CONTAINER={name}")];
        let is_worker = |pid: &i32| {
            fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|program| program.ends_with("queuectl-worker"))
        };
        marked(&markers.each_ref().map(String::as_str)).into_iter().filter(is_worker).collect()
    }
}

/// Orphans become children of process 1, and stay zombies until that has waited.
fn a_manager_that_is_process_1_leaves_no_zombies() {
    let home = Home::quick();
    let orphans =
        "for n in 1 2 3 4; do (sleep 0.1 & sleep 0.3 & setsid sleep 0.2 >/dev/null 2>&1 &); done; sleep 0.1";
    for number in 0..5 {
        home.enqueue(&format!("job-{number}"), orphans);
    }
    home.enqueue("poison", "[ $QUEUECTL_JOB_LEASE != 1 ] || kill -9 $PPID; true");
    let mut command = home.program("unshare");
    command.args([
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        WORKER_PROGRAM,
        "start",
        "--count",
        "2",
    ]);
    let outside = Worker::start(command, &home.root().join("said").join("container"));
    for number in 0..5 {
        home.wait_for(&format!("job-{number}"), State::Completed);
    }
    home.wait_for("poison", State::Completed);
    let init = first_child(outside.pid());
    // All are gone that may go: what is left are the two workers.
    wait_until(DEADLINE, "process 1 has no children but its workers", || {
        let children = children(init);
        children.len() == 2 && children.iter().all(|&pid| alive(pid))
    });
    send(init, Signal::SIGTERM);
    let mut outside = outside;
    outside.wait_for_success();
    assert!(!outside.said().contains("died (exit"), "{}", outside.said());
}

fn children(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_task =
        |task: &str| fs::read_to_string(format!("/proc/{pid}/task/{task}/children")).unwrap_or_default();
    let texts = tasks.map(|task| of_task(task.unwrap().file_name().to_str().unwrap()));
    texts
        .flat_map(|text| text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

fn first_child(pid: i32) -> i32 {
    let mut first = None;
    wait_until(DEADLINE, "it has a child", || {
        first = children(pid).first().copied();
        first.is_some()
    });
    first.unwrap()
}

fn hangs_once() -> String {
    let first = "touch hangs-$QUEUECTL_JOB_ID; while :; do sleep 0.05; done";
    watched(&format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {first}; fi"))
}

fn kill_all(pids: &[i32]) {
    for &pid in pids {
        // A worker ends with its manager.
        let _gone_is_fine = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    wait_until(DEADLINE, "they have ended", || !pids.iter().any(|&pid| alive(pid)));
}

fn the_jobs_of_a_container_that_died_are_taken_over_after_10_seconds_and_never_beside_what_is_left() {
    let oracle = Oracle::new(Home::quick());
    let home = oracle.home();
    // Two containers, one job each; the second is to lose its worker alone.
    let once = ["--max-retries", "0"];
    let mut containers = Vec::new();
    for name in ["whole", "half"] {
        assert!(oracle.enqueue(name, &hangs_once(), &once));
        containers.push(Container::start(home, name));
        home.wait_for_file(&format!("hangs-{name}"));
    }
    let mut outside = home.worker(["--concurrency", "2"]);
    for number in 0..8 {
        let id = format!("meanwhile-{number}");
        assert!(oracle.enqueue(&id, &watched("sleep 0.05"), &once));
        home.wait_for(&id, State::Completed);
        for name in ["whole", "half"] {
            let job = home.job(name);
            assert_eq!(
                (job.state, job.lease),
                (State::Processing, 1),
                "{name} was taken from a living worker"
            );
        }
    }
    let began = Instant::now();
    kill_all(&[containers[0].init()]);
    kill_all(&Container::workers(home, "half"));
    assert_eq!((home.processes_of("whole").len(), home.processes_of("half").is_empty()), (0, false));
    outside.wait_until_it_says("cannot be seen from here");
    for name in ["whole", "half"] {
        home.wait_for(name, State::Completed);
        let outcomes = home.outcomes(name);
        assert_eq!(outcomes, [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))], "{name}");
        let took = began.elapsed();
        assert!(took >= seconds(10), "{name} was taken over after {took:?}");
        report(&format!("the job of a dead container ({name}) completed after {took:.1?}"));
    }
    outside.wait_until_it_says("its jobs were taken back");
    drop(containers);
    outside.signal(Signal::SIGTERM);
    outside.wait_for_success();
    oracle.expect_no_breach();
}
