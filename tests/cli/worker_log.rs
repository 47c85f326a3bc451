//! The log of workers in the background.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, wait_until};
use queuectl_core::State;
use serde_json::json;

trials![
    workers_that_do_not_start_say_why_without_times,
    the_log_names_the_queue_that_was_named,
    the_log_of_the_background_has_times_commands_and_durations,
    a_job_never_begins_after_its_end_in_the_log,
];

fn workers_that_do_not_start_say_why_without_times() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.queuectl(["move", "--to", "new.db"]).assert().success();
    let failed = home.queuectl(["start"]).assert().code(1);
    let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    let (_, log) = said.split_once("their log ends with: ").unwrap_or_else(|| panic!("{said}"));
    assert!(log.starts_with("queuectl: error: ") && log.contains("new.db"), "{said}");
    let year = jiff::Timestamp::now().strftime("%Y-").to_string();
    assert!(!log.contains(&year), "{said}");
}

fn the_log_names_the_queue_that_was_named() {
    let home = Home::quick();
    for database in ["one.db", "two.db"] {
        home.queuectl(["--database", database, "enqueue", "true"]).assert().success();
        home.queuectl(["worker", "start", "--drain", "--detach", "--database", database]).assert().success();
        let place = home.path(database).display().to_string();
        wait_until(DEADLINE, "the log tells what was drained", || {
            log_of(&home).lines().any(|line| line.contains(&place) && line.contains("Drained: 1 completed"))
        });
        for role in ["Manager", "Worker"] {
            let is_named = |line: &str| {
                line.contains(&format!("[{role} PID ")) && line.contains(&format!(" of {place}] "))
            };
            assert!(log_of(&home).lines().any(is_named), "{role}: {}", log_of(&home));
        }
    }
    assert!(log_of(&home).lines().all(|line| line.contains(".db] ")), "{}", log_of(&home));
}

fn log_of(home: &Home) -> String {
    std::fs::read_to_string(home.queue_folder().join("worker.log")).unwrap()
}

fn the_log_of_the_background_has_times_commands_and_durations() {
    let home = Home::quick();
    home.enqueue("good", "echo hello");
    home.enqueue_once("bad", "exit 3");
    home.queuectl(["worker", "start", "--detach"]).assert().success();
    wait_until(DEADLINE, "both jobs have ended", || home.counts().unfinished() == 0);
    home.queuectl(["worker", "stop"]).assert().success();
    wait_until(DEADLINE, "the manager has ended", || {
        log_of(&home).matches("Shutdown complete.").count() == 2
    });
    let log = log_of(&home);
    for line in log.lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{line}");
        assert!(rest.starts_with("[Manager PID ") || rest.starts_with("[Worker PID "), "{line}");
    }
    let end = |word: &str| log.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{log}"));
    assert!(end("good completed successfully. Took 0.").ends_with(" s: echo hello"), "{log}");
    assert!(end("bad failed (exit code 3)").ends_with(" s: exit 3"), "{log}");
}

fn a_job_never_begins_after_its_end_in_the_log() {
    let home = Home::quick();
    home.enqueue_all((0..300).map(|n| json!({"id": format!("job-{n}."), "command": "true"})));
    home.queuectl(["worker", "start", "--count", "2", "--concurrency", "3", "--detach"]).assert().success();
    wait_until(DEADLINE, "all have ended", || home.counts()[State::Completed] == 300);
    home.queuectl(["worker", "stop"]).assert().success();
    let log = log_of(&home);
    let lines: Vec<&str> = log.lines().collect();
    for n in 0..300 {
        let at = |text: String| lines.iter().position(|line| line.contains(&text));
        let (begin, end) = (at(format!("Running job job-{n}...")), at(format!("Job job-{n}. completed")));
        assert!(begin.is_some() && begin < end, "job-{n}: {begin:?} {end:?}");
    }
}
