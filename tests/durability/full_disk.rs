//! A full disk: jobs are refused, results wait in memory, and the work goes on by
//! itself when there is room.
//!
//! The queue lies on a small file system of its own, which a filler fills up. At
//! the end the queue is taken out of it, so that the oracle can look at it.

use super::oracle::{Oracle, watched};
use super::scale::{report, rounds};
use crate::support::trials::trials;
use crate::support::{Home, Spelling};
use queuectl_core::State;
use std::fs;
use std::time::Instant;

trials![
    a_full_disk_refuses_jobs_and_keeps_the_results_of_those_that_run if Root,
    a_disk_that_fills_up_again_and_again_loses_nothing if Root,
    workers_in_the_background_outlast_a_full_disk_that_holds_their_log if Root,
];

/// The small disk, and what all scripts use. An id is noted after exit 0.
const BEGINNING: &str = r#"
    mkdir "$QUEUECTL_HOME"
    mount -t tmpfs -o size=16m tmpfs "$QUEUECTL_HOME"
    fill() { dd if=/dev/zero of="$QUEUECTL_HOME/filler" bs=4k 2>/dev/null || :; }
    make_room() { rm "$QUEUECTL_HOME/filler"; }
    add() {
        if queuectl-enqueue --id "$1" --shell "$2" >/dev/null 2>"said-$3"; then
            echo "$1" >>acknowledged
        else
            echo $? >>codes
            cat "said-$3" >>refused
            return 1
        fi
    }
    lines() { cat "$1" 2>/dev/null | wc -l; }
    completed() { queuectl-list --state completed --json | grep -c '"id"' || :; }
    until_more() { until [ "$(lines "$1")" -gt "$2" ]; do sleep 0.02; done; }
"#;

/// Takes the queue to where the oracle looks for it.
const END: &str = r#"
    mkdir out
    cp -a "$QUEUECTL_HOME"/queue.db* out/
"#;

/// Runs a script with a small disk; then everything must be as was promised.
fn on_a_small_disk(script: &str, variables: &[(&str, &str)]) -> Oracle {
    let oracle = Oracle::new(Home::quick());
    let home = oracle.home();
    let quoted = format!("{BEGINNING}{script}{END}").replace('\'', "'\\''");
    let mut program = home.typed(Spelling::Dispatched, &format!("unshare --mount sh -ec '{quoted}'"));
    for (name, value) in variables {
        program = program.env(name, value);
    }
    program.assert().success();
    for entry in fs::read_dir(home.path("out")).unwrap() {
        let file = entry.unwrap();
        fs::copy(file.path(), home.queue_folder().join(file.file_name())).unwrap();
    }
    for id in home.lines("acknowledged") {
        oracle.acknowledge(&id);
    }
    oracle.expect_no_breach();
    for code in home.lines("codes") {
        assert_eq!(code, "1", "{:?}", home.lines("refused"));
    }
    for line in home.lines("refused") {
        let is_plain = line.starts_with("queuectl: error: ") && line.contains("is full");
        assert!(is_plain || line.starts_with("hint: "), "{line}");
    }
    oracle
}

/// How often one disk fills up.
const TIMES: u64 = 3;

/// A job that is held until the file `go` is there.
fn held() -> String {
    watched("touch \"running-$QUEUECTL_JOB_ID\"; until [ -e go ]; do sleep 0.02; done; echo words")
}

/// Fails if one of the held jobs has run twice.
fn ran_once(oracle: &Oracle, ids: &[&str]) {
    for id in ids {
        assert_eq!(oracle.home().attempts(id).len(), 1, "the only result of {id} was kept");
        assert_eq!(oracle.home().state(id), State::Completed);
    }
}

fn a_full_disk_refuses_jobs_and_keeps_the_results_of_those_that_run() {
    let script = r#"
        for id in a b c d; do add held-$id "$HELD" first; done
        for n in 1 2 3 4 5 6; do add next-$n "$NEXT" first; done
        queuectl-worker start --count 2 --concurrency 2 2>worker-said & worker=$!
        for id in a b c d; do until [ -e running-held-$id ]; do sleep 0.02; done; done
        fill
        n=0
        while add late-$n "$NEXT" first; do n=$((n + 1)); done
        touch go
        until [ "$(grep -c "results are kept" worker-said)" -ge 2 ]; do sleep 0.02; done
        [ "$(completed)" -lt 4 ]
        make_room
        until [ "$(completed)" = "$(lines acknowledged)" ]; do sleep 0.05; done
        add after "$NEXT" first
        kill $worker
        wait $worker
    "#;
    let oracle = on_a_small_disk(script, &[("HELD", &held()), ("NEXT", &watched(""))]);
    ran_once(&oracle, &["held-a", "held-b", "held-c", "held-d"]);
    let said = oracle.home().lines("worker-said").join("\n");
    assert!(said.contains("The queue can be written again.") && !said.contains("panicked"), "{said}");
    assert!(!oracle.home().lines("refused").is_empty());
}

fn a_disk_that_fills_up_again_and_again_loses_nothing() {
    let began = Instant::now();
    let script = r#"
        person() {
            n=0
            while [ ! -e stop ]; do n=$((n + 1)); add $1-$n "$NEXT" $1 || sleep 0.02; done
        }
        person a & a=$!
        person b & b=$!
        queuectl-worker start --count 2 --concurrency 2 2>worker-said & worker=$!
        n=0
        while [ $n -lt $TIMES ]; do
            n=$((n + 1))
            until_more acknowledged "$(lines acknowledged)"
            refused=$(lines refused)
            fill
            until_more refused $((refused + 4))
            make_room
        done
        until_more acknowledged "$(lines acknowledged)"
        touch stop
        wait $a $b
        kill $worker
        wait $worker
    "#;
    let disks = rounds(1, 20);
    let command = watched("head -c 3000 /dev/zero | tr '\\0' x");
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..disks {
        let oracle = on_a_small_disk(script, &[("NEXT", &command), ("TIMES", &TIMES.to_string())]);
        let said = oracle.home().lines("worker-said").join("\n");
        assert!(!said.contains("panicked"), "{said}");
        accepted += oracle.acknowledged();
        refused += oracle.home().lines("codes").len();
    }
    let (times, seconds) = (disks * TIMES, began.elapsed().as_secs_f64());
    report(&format!(
        "full disk: {times} times, {accepted} jobs accepted and {refused} refused, none lost, in {seconds:.1} s"
    ));
}

fn workers_in_the_background_outlast_a_full_disk_that_holds_their_log() {
    let script = r#"
        add held "$HELD" first
        queuectl-worker start --detach
        until [ -e running-held ]; do sleep 0.02; done
        fill
        while add late-$(lines acknowledged) "$NEXT" first; do :; done
        touch go
        until grep -q "^end held " "$ORACLE/log"; do sleep 0.02; done
        while add late-$(lines acknowledged) "$NEXT" first; do :; done
        make_room
        until [ "$(completed)" = "$(lines acknowledged)" ]; do sleep 0.05; done
        add after "$NEXT" first
        until [ "$(completed)" = "$(lines acknowledged)" ]; do sleep 0.05; done
        queuectl-worker stop
        cat "$QUEUECTL_HOME"/*.log >worker-said
    "#;
    let oracle = on_a_small_disk(script, &[("HELD", &held()), ("NEXT", &watched(""))]);
    ran_once(&oracle, &["held"]);
    let said = oracle.home().lines("worker-said").join("\n");
    assert!(said.contains("Loop started") && !said.contains("panicked"), "{said}");
}
