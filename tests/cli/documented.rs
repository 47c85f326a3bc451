//! Every command line that the specification shows, typed as it stands there, in both
//! spellings.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, both, wait_until};
use nix::sys::signal::Signal;
use predicates::prelude::*;
use predicates::str::{contains, is_match};
use queuectl_core::State;

trials![
    config_set_is_what_config_get_prints,
    enqueue_with_an_id_prints_it,
    worker_start_with_a_count_blocks_until_sigterm,
    worker_start_is_one_worker,
    status_has_a_line_for_every_state,
    list_shows_all_states,
    list_shows_one_state_and_refuses_unknown_ones,
    enqueue_without_an_id_makes_one,
    enqueue_takes_max_retries,
    enqueue_takes_json,
    enqueue_takes_json_in_double_quotes,
    enqueue_takes_json_without_an_id,
    worker_stop_stops_workers_and_succeeds_without_any,
    start_returns_and_leaves_workers_behind,
    stop_is_worker_stop,
    dlq_list_shows_id_command_attempts_and_error,
    dlq_retry_makes_a_job_pending_and_knows_what_is_not_there,
    dlq_clear_deletes_the_dead_and_says_how_many,
    config_get_prints_the_bare_value,
    config_set_refuses_what_it_does_not_know,
    config_list_has_one_line_a_key,
    config_get_db_path_prints_the_files_path,
    log_level_takes_any_case,
    settings_have_the_documented_spellings,
];

fn config_set_is_what_config_get_prints() {
    both(|spelling| {
        let home = Home::new();
        home.typed(spelling, "queuectl config set max-retries 5").assert().success();
        home.typed(spelling, "queuectl config get max-retries").assert().success().stdout("5\n");
    });
}

fn enqueue_with_an_id_prints_it() {
    both(|spelling| {
        let home = Home::new();
        let line = r#"queuectl enqueue "sleep 5 && echo 'Job done!'" --id job-1"#;
        home.typed(spelling, line).assert().success().stdout("Job added with ID: job-1\n");
        assert_eq!(home.job("job-1").command.as_str(), "sleep 5 && echo 'Job done!'");
    });
}

fn worker_start_with_a_count_blocks_until_sigterm() {
    both(|spelling| {
        let home = Home::quick();
        let mut worker = home.background(spelling, ["worker", "start", "--count", "2"]);
        wait_until(DEADLINE, "two workers live", || home.worker_pids().len() == 2);
        home.enqueue("a", "true");
        home.wait_for("a", State::Completed);
        assert!(!worker.has_ended(), "it stays in the foreground");
        worker.signal(Signal::SIGTERM);
        worker.wait_for_success();
    });
}

fn worker_start_is_one_worker() {
    both(|spelling| {
        let home = Home::quick();
        let worker = home.background(spelling, ["worker", "start"]);
        worker.wait_until_it_says("Loop started");
        assert_eq!(home.worker_pids().len(), 1);
        assert!(worker.said().contains("Starting 1 worker"), "{}", worker.said());
    });
    let home = Home::quick();
    home.queuectl(["config", "set", "worker-count", "3"]).assert().success();
    let _worker = home.worker([""; 0]);
    wait_until(DEADLINE, "the configured number of workers lives", || home.worker_pids().len() == 3);
}

fn status_has_a_line_for_every_state() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("a", "true");
        let mut assert = home.typed(spelling, "queuectl status").assert().success();
        for state in State::ALL {
            let count = u32::from(state == State::Pending);
            assert = assert.stdout(is_match(format!(r"(?m)^\s*{state}\s*:\s*{count}$")).unwrap());
        }
        assert
            .stdout(is_match(r"(?m)^\s*total\s*:\s*1$").unwrap())
            .stdout(is_match(r"(?mi)^\s*active workers\s*:\s*0$").unwrap())
            // A heading comes first.
            .stdout(is_match(r"\A[^:\n]+\n\s*pending").unwrap());
    });
}

fn list_shows_all_states() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("good", "true");
        home.enqueue_once("hopeless", "false");
        home.drain();
        home.enqueue("waiting", "true");
        home.typed(spelling, "queuectl list")
            .assert()
            .success()
            .stdout(is_match(r"\AID\s+Command\s+State\s+Retries\s+Created At").unwrap())
            .stdout(is_match(r"(?m)^good\s+true\s+completed\s+0/3\s+20").unwrap())
            .stdout(is_match(r"(?m)^hopeless\s+false\s+dead\s+0/0\s+20").unwrap())
            .stdout(is_match(r"(?m)^waiting\s+true\s+pending\s+0/3\s+20").unwrap());
    });
}

fn list_shows_one_state_and_refuses_unknown_ones() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("a", "true");
        for state in State::ALL {
            let shown = is_match(r"(?m)^a\s+true\s").unwrap();
            let assert = home.typed(spelling, &format!("queuectl list --state {state}")).assert().success();
            if state == State::Pending {
                assert.stdout(shown);
            } else {
                assert.stdout(shown.not());
            }
        }
        let mut assert = home.typed(spelling, "queuectl list --state lost").assert().code(2).stdout("");
        for state in State::ALL {
            assert = assert.stderr(contains(state.as_str()));
        }
    });
}

fn enqueue_without_an_id_makes_one() {
    both(|spelling| {
        let home = Home::new();
        home.typed(spelling, r#"queuectl enqueue "echo 'Hello World'""#)
            .assert()
            .success()
            .stdout(is_match(r"\AJob added with ID: [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n\z").unwrap());
    });
}

fn enqueue_takes_max_retries() {
    both(|spelling| {
        let home = Home::new();
        home.typed(spelling, r#"queuectl enqueue "sleep 10" --id job-123 --max-retries 5"#)
            .assert()
            .success()
            .stdout("Job added with ID: job-123\n");
        assert_eq!(home.job("job-123").max_retries, 5);
    });
}

fn enqueue_takes_json() {
    both(|spelling| {
        let home = Home::new();
        home.typed(spelling, r#"queuectl enqueue '{"id":"job1","command":"sleep 2"}'"#).assert().success();
        assert_eq!(home.job("job1").command.as_str(), "sleep 2");
    });
}

fn enqueue_takes_json_in_double_quotes() {
    both(|spelling| {
        let home = Home::new();
        let line = r#"queuectl enqueue "{\"id\":\"job_ok\",\"command\":\"echo hello\",\"max_retries\":2}""#;
        home.typed(spelling, line).assert().success().stdout("Job added with ID: job_ok\n");
        let job = home.job("job_ok");
        assert_eq!((job.command.as_str(), job.max_retries), ("echo hello", 2));
    });
}

fn enqueue_takes_json_without_an_id() {
    both(|spelling| {
        let home = Home::new();
        home.typed(spelling, r#"queuectl enqueue '{"command":"python script.py","max_retries":5}'"#)
            .assert()
            .success()
            .stdout(is_match(r"\AJob added with ID: [0-9a-f-]{36}\n\z").unwrap());
        let job = home.json(["show", "@last", "--json"]);
        assert_eq!((&job["command"], &job["max_retries"]), (&"python script.py".into(), &5.into()));
    });
}

fn worker_stop_stops_workers_and_succeeds_without_any() {
    both(|spelling| {
        let home = Home::quick();
        home.typed(spelling, "queuectl worker stop").assert().success();
        let mut worker = home.worker(["--count", "2"]);
        wait_until(DEADLINE, "two workers live", || home.worker_pids().len() == 2);
        home.typed(spelling, "queuectl worker stop").assert().success();
        assert_eq!(home.worker_pids(), [0; 0], "stop returns when they have ended");
        worker.wait_for_success();
    });
}

fn start_returns_and_leaves_workers_behind() {
    let home = Home::quick();
    home.typed(Spelling::Dispatched, "queuectl start --count 2").assert().success();
    assert_eq!(home.worker_pids().len(), 2, "they live when the command returns");
    home.enqueue("a", "true");
    home.wait_for("a", State::Completed);
    home.typed(Spelling::Dispatched, "queuectl stop").assert().success();
    // The same, without the alias.
    home.typed(Spelling::Direct, "queuectl worker start --detach --count 2").assert().success();
    assert_eq!(home.worker_pids().len(), 2);
    home.typed(Spelling::Direct, "queuectl worker stop").assert().success();
}

fn stop_is_worker_stop() {
    let home = Home::quick();
    home.typed(Spelling::Dispatched, "queuectl stop").assert().success();
    let mut worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    home.typed(Spelling::Dispatched, "queuectl stop").assert().success();
    worker.wait_for_success();
}

/// A home with one dead job, `job-1`.
fn with_a_dead_job() -> Home {
    let home = Home::quick();
    home.queuectl(["enqueue", "--id", "job-1", "--max-retries", "1", "exit 3"]).assert().success();
    home.drain();
    assert_eq!(home.state("job-1"), State::Dead);
    home
}

fn dlq_list_shows_id_command_attempts_and_error() {
    let home = with_a_dead_job();
    for (spelling, line) in [
        (Spelling::Dispatched, "queuectl dlq list"),
        (Spelling::Direct, "queuectl dlq list"),
        (Spelling::Dispatched, "queuectl dlq-list"),
    ] {
        home.typed(spelling, line)
            .assert()
            .success()
            .stdout(is_match(r"(?m)^job-1\s+exit 3\s+2\s+exit code 3$").unwrap());
    }
}

fn dlq_retry_makes_a_job_pending_and_knows_what_is_not_there() {
    for (spelling, retry) in [
        (Spelling::Dispatched, "queuectl dlq retry"),
        (Spelling::Direct, "queuectl dlq retry"),
        (Spelling::Dispatched, "queuectl retry"),
    ] {
        let home = with_a_dead_job();
        home.typed(spelling, &format!("{retry} job-1")).assert().success();
        let job = home.job("job-1");
        assert_eq!((job.state, job.attempts, job.max_retries), (State::Pending, 0, 1));
        // It is not dead now.
        home.typed(spelling, &format!("{retry} job-1"))
            .assert()
            .code(4)
            .stderr(contains("job job-1 is pending"));
        home.typed(spelling, &format!("{retry} ghost"))
            .assert()
            .code(4)
            .stderr(contains("there is no job ghost"));
    }
}

fn dlq_clear_deletes_the_dead_and_says_how_many() {
    both(|spelling| {
        let home = with_a_dead_job();
        home.enqueue("other", "true");
        let clear = || home.typed(spelling, "queuectl dlq clear").write_stdin("").assert().success();
        clear().stdout("Cleared 1 dead job\n");
        assert_eq!((home.counts()[State::Dead], home.counts().total()), (0, 1));
        clear().stdout("Cleared 0 dead jobs\n");
    });
}

fn config_get_prints_the_bare_value() {
    let home = Home::new();
    for (spelling, get) in [
        (Spelling::Dispatched, "queuectl config get"),
        (Spelling::Direct, "queuectl config get"),
        (Spelling::Dispatched, "queuectl config-get --key"),
    ] {
        for (key, value) in
            [("max-retries", "3"), ("backoff-base", "2"), ("poll-interval", "2"), ("worker-count", "1")]
        {
            home.typed(spelling, &format!("{get} {key}")).assert().success().stdout(format!("{value}\n"));
        }
        home.typed(spelling, &format!("{get} color-of-the-sky"))
            .assert()
            .code(4)
            .stdout("")
            .stderr(contains("there is no setting `color-of-the-sky`"));
    }
}

fn config_set_refuses_what_it_does_not_know() {
    for (spelling, key, value) in [
        (Spelling::Dispatched, "queuectl config set", ""),
        (Spelling::Direct, "queuectl config set", ""),
        (Spelling::Dispatched, "queuectl config-set --key", "--value"),
    ] {
        let home = Home::new();
        home.typed(spelling, &format!("{key} max-retries {value} many"))
            .assert()
            .code(1)
            .stderr(contains("`many` is not a value of max-retries"));
        home.typed(spelling, &format!("{key} color {value} blue"))
            .assert()
            .code(1)
            .stderr(contains("there is no setting `color`"));
        assert!(!home.config_file().exists(), "nothing is written");
        home.typed(spelling, &format!("{key} max-retries {value} 7")).assert().success();
        home.queuectl(["config", "get", "max-retries"]).assert().stdout("7\n");
    }
}

fn config_list_has_one_line_a_key() {
    both(|spelling| {
        let home = Home::new();
        home.typed(spelling, "queuectl config set max-retries 5").assert().success();
        home.typed(spelling, "queuectl config list")
            .assert()
            .success()
            .stdout(predicate::str::starts_with("Current configuration:\n"))
            .stdout(contains("\n  max-retries: 5\n"))
            .stdout(contains("\n  backoff-base: 2\n"));
    });
}

fn config_get_db_path_prints_the_files_path() {
    both(|spelling| {
        let home = Home::new();
        let path = format!("{}\n", home.database().display());
        home.typed(spelling, "queuectl config get db-path").assert().success().stdout(path);
    });
}

fn log_level_takes_any_case() {
    both(|spelling| {
        let home = Home::new();
        for level in ["DEBUG", "info", "Warning", "ERROR"] {
            home.typed(spelling, &format!("queuectl config set log-level {level}")).assert().success();
        }
        home.typed(spelling, "queuectl config set log-level LOUD").assert().code(1);
    });
}

fn settings_have_the_documented_spellings() {
    both(|spelling| {
        let home = Home::new();
        for (key, same, value) in [
            ("exp-backoff-base", "backoff-base", "3"),
            ("backoff-base", "exp_backoff_base", "4"),
            ("backoff_base", "backoff-base", "5"),
            ("poll-interval", "poll_interval", "4"),
            ("worker-count", "worker_count", "4"),
            ("max_retries", "max-retries", "9"),
        ] {
            home.typed(spelling, &format!("queuectl config set {key} {value}")).assert().success();
            home.typed(spelling, &format!("queuectl config get {same}"))
                .assert()
                .stdout(format!("{value}\n"));
        }
    });
}
