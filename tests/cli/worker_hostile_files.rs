//! Workers whose files are taken away, swapped, or full.

use crate::support::trials::trials;
use crate::support::{ALIVE, DEADLINE, Home, Spelling, Worker, alive};
use queuectl_core::{Outcome, State};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;

trials![
    a_database_swapped_under_a_live_worker_never_runs_a_job_twice_at_once,
    a_worker_whose_lock_file_is_gone_stops_and_needs_no_repair,
    a_forced_stop_reaches_a_worker_that_cannot_write_its_results if Root,
];

/// The first run hangs until it is ended; the second tells if the first still lives.
fn hangs_once() -> String {
    format!(
        "{ALIVE}; if [ -e pid ]; then alive $(cat pid) && touch two-at-once; exit 0; fi; \
         echo $$ > pid; touch hangs; sleep 1000"
    )
}

/// A worker that runs the job `victim`, and looks at the queue when rung only.
fn in_the_middle(home: &Home) -> Worker {
    home.enqueue("victim", &hangs_once());
    home.worker_in_the_middle("hangs")
}

/// Waits until a worker has given up by itself.
fn ended_with_an_error(worker: &mut Worker, word: &str) {
    let code = worker.wait().code();
    assert_eq!(code, Some(1), "{}", worker.said());
    assert!(worker.said().contains(word), "{}", worker.said());
}

/// Asserts that the job completed, alone, uncharged for the run that was ended.
fn ran_again(home: &Home) {
    let job = home.job("victim");
    assert_eq!((job.state, job.attempts, job.crashes), (State::Completed, 1, 0));
    assert!(!home.path("two-at-once").exists(), "the old command was still alive");
    assert_eq!(home.processes_of("victim"), [0; 0]);
}

/// Puts a copy of the database in its place, as a restored backup would be.
fn swap_the_database(home: &Home) {
    let copy = home.queue_folder().join("copy.db");
    let connection = Connection::open(home.database()).unwrap();
    connection.busy_timeout(DEADLINE).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap();
    connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    fs::rename(copy, home.database()).unwrap();
}

fn a_database_swapped_under_a_live_worker_never_runs_a_job_twice_at_once() {
    let home = Home::new().with("QUEUECTL_POLL_INTERVAL", "1h").with("QUEUECTL_KILL_GRACE", "200ms");
    let mut worker = in_the_middle(&home);
    let old = home.processes_of("victim");
    assert!(!old.is_empty());
    swap_the_database(&home);
    let mut second = home.background(Spelling::Direct, ["worker", "start", "--drain"]);
    ended_with_an_error(&mut worker, "replaced");
    assert!(old.iter().all(|&pid| !alive(pid)));
    // It is refused while the first one lives, or begins when that has ended.
    let refused = !second.wait().success();
    assert!(!refused || second.said().contains("replaced"), "{}", second.said());
    home.drain();
    ran_again(&home);
}

fn a_worker_whose_lock_file_is_gone_stops_and_needs_no_repair() {
    let home = Home::new().with("QUEUECTL_POLL_INTERVAL", "1h").with("QUEUECTL_KILL_GRACE", "200ms");
    let mut worker = in_the_middle(&home);
    fs::remove_file(home.queue_folder().join("queue.db-workers")).unwrap();
    ended_with_an_error(&mut worker, "queue.db-workers");
    let job = home.job("victim");
    assert_eq!((job.state, job.attempts, job.crashes), (State::Pending, 0, 0));
    assert_eq!(home.attempts("victim")[0].outcome, Some(Outcome::Interrupted));
    assert_eq!(home.processes_of("victim"), [0; 0]);
    home.drain();
    ran_again(&home);
}

fn a_forced_stop_reaches_a_worker_that_cannot_write_its_results() {
    let home = Home::quick();
    // The result is too big for what room there is; a request to stop is not.
    let script = format!(
        "mkdir $QUEUECTL_HOME
        mount -t tmpfs -o size=2m tmpfs $QUEUECTL_HOME
        queuectl enqueue --id big 'touch big-runs; until [ -e big-go ]; do sleep 0.05; done; \
            head -c 600000 /dev/zero | tr \"\\\\0\" x'
        queuectl enqueue --id held 'echo $$ > pid; touch running; until [ -e go ]; do sleep 0.05; done'
        queuectl worker start --concurrency 2 2>worker-said & worker=$!
        until [ -e big-runs ] && [ -e running ]; do sleep 0.05; done
        dd if=/dev/zero of=$QUEUECTL_HOME/filler bs=4k 2>/dev/null || :
        truncate -s -100k $QUEUECTL_HOME/filler
        touch big-go
        until grep -q -i full worker-said; do sleep 0.05; done
        # The worker's next try may take the little room for a moment.
        until queuectl worker stop --force; do sleep 0.05; done
        {ALIVE}
        alive $(cat pid) && exit 60
        code=0; wait $worker || code=$?
        echo $code >code
        rm $QUEUECTL_HOME/filler
        touch go
        queuectl worker start --drain
        queuectl list --json >listed"
    );
    let quoted = script.replace('\'', "'\\''");
    home.typed(Spelling::Dispatched, &format!("unshare --mount sh -ec '{quoted}'")).assert().success();
    assert_eq!(home.lines("code"), ["1"], "what was lost is told");
    let listed: Value = serde_json::from_str(&home.lines("listed").join("\n")).unwrap();
    for job in listed.as_array().unwrap() {
        assert_eq!(
            (&job["state"], &job["attempts"], &job["crashes"]),
            (&json!("completed"), &json!(1), &json!(0))
        );
    }
}
