//! `queuectl logs`.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, both, wait_until};
use predicates::str::contains;
use queuectl_core::State;

trials![
    output_is_printed_byte_for_byte,
    one_stream_can_be_chosen,
    follow_prints_what_is_written_until_the_job_ends,
    follow_goes_on_through_retries,
    follow_waits_for_a_job_that_has_not_started,
    a_reader_that_leaves_ends_it_quietly,
    an_attempt_can_be_chosen,
    json_keeps_what_is_not_utf8,
    a_job_without_output_prints_nothing,
    output_beyond_the_limit_keeps_head_and_tail,
    no_output_is_kept_at_a_limit_of_zero,
    output_larger_than_a_pipe_is_complete,
];

fn output_is_printed_byte_for_byte() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", r"printf 'a\000b\377\033[31m\n\r\n no newline'");
        home.drain();
        home.run(spelling, ["logs", "a"])
            .assert()
            .success()
            .stdout(&b"a\0b\xff\x1b[31m\n\r\n no newline"[..]);
    });
}

fn one_stream_can_be_chosen() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "echo out; echo err >&2");
        home.drain();
        home.run(spelling, ["logs", "a", "--stream", "stdout"]).assert().success().stdout("out\n");
        home.run(spelling, ["logs", "a", "--stream", "stderr"]).assert().success().stdout("err\n");
        home.run(spelling, ["logs", "a"])
            .assert()
            .success()
            .stdout(contains("out\n"))
            .stdout(contains("err\n"));
        home.run(spelling, ["logs", "a", "--stream", "stdin"]).assert().code(2);
    });
}

fn follow_prints_what_is_written_until_the_job_ends() {
    let home = Home::quick();
    home.enqueue("a", "echo first; until [ -e go ]; do sleep 0.05; done; echo last");
    let _worker = home.worker([""; 0]);
    let mut logs = home.background(Spelling::Dispatched, ["logs", "-f", "a"]);
    wait_until(DEADLINE, "the first line is there while the job runs", || logs.printed() == "first\n");
    assert!(!logs.has_ended());
    home.make_file("go");
    logs.wait_for_success();
    assert_eq!(logs.printed(), "first\nlast\n");
}

fn follow_goes_on_through_retries() {
    let home = Home::quick();
    home.enqueue("a", "echo attempt $QUEUECTL_ATTEMPT; [ $QUEUECTL_ATTEMPT -ge 3 ]");
    let mut logs = home.background(Spelling::Direct, ["logs", "--follow", "a"]);
    let _worker = home.worker([""; 0]);
    logs.wait_for_success();
    assert_eq!(logs.printed(), "attempt 1\nattempt 2\nattempt 3\n");
}

fn follow_waits_for_a_job_that_has_not_started() {
    let home = Home::quick();
    home.enqueue("a", "echo hello");
    let mut logs = home.background(Spelling::Dispatched, ["logs", "-f", "a"]);
    home.drain();
    logs.wait_for_success();
    assert_eq!(logs.printed(), "hello\n");
}

fn a_reader_that_leaves_ends_it_quietly() {
    let home = Home::quick();
    home.enqueue("a", "yes | head -c 500000");
    home.drain();
    home.typed(Spelling::Dispatched, "queuectl logs a | head -c 1").assert().success().stdout("y").stderr("");
}

fn an_attempt_can_be_chosen() {
    let home = Home::quick();
    home.queuectl(["enqueue", "--id", "a", "--max-retries", "1", "echo run $QUEUECTL_ATTEMPT; exit 1"])
        .assert()
        .success();
    home.drain();
    home.queuectl(["logs", "a"]).assert().success().stdout("run 2\n");
    home.queuectl(["logs", "a", "--attempt", "1"]).assert().success().stdout("run 1\n");
    home.queuectl(["logs", "a", "--attempt", "9"]).assert().code(4);
}

fn json_keeps_what_is_not_utf8() {
    let home = Home::quick();
    home.enqueue("a", r"printf '\377\376'");
    home.drain();
    let parts = home.json(["logs", "a", "--json"]);
    assert_eq!((&parts[0]["stream"], &parts[0]["base64"]), (&"stdout".into(), &"//4=".into()));
}

fn a_job_without_output_prints_nothing() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.queuectl(["logs", "a"]).assert().success().stdout("");
    home.drain();
    home.queuectl(["logs", "a"]).assert().success().stdout("");
    home.queuectl(["logs", "a", "--json"]).assert().success().stdout("[]\n");
}

fn output_beyond_the_limit_keeps_head_and_tail() {
    let home = Home::quick();
    home.enqueue("a", "echo the beginning; yes 0123456789 | head -c 5000000; echo; echo the end");
    home.drain();
    assert_eq!(home.state("a"), State::Completed);
    let output = home.stdout(["logs", "a"]);
    assert!(output.starts_with("the beginning\n") && output.ends_with("\nthe end\n"));
    assert!(output.len() <= 1024 * 1024 && output.len() > 512 * 1024, "{} bytes are kept", output.len());
    let attempt = &home.attempts("a")[0];
    assert_eq!(attempt.output_bytes, 5_000_000 + 14 + 9);
    assert_eq!(attempt.dropped_bytes, attempt.output_bytes - output.len() as u64);
}

fn no_output_is_kept_at_a_limit_of_zero() {
    let home = Home::quick().with("QUEUECTL_OUTPUT_LIMIT", "0");
    home.enqueue("a", "echo hello");
    home.drain();
    home.queuectl(["logs", "a"]).assert().success().stdout("");
    assert_eq!((home.state("a"), home.attempts("a")[0].output_bytes), (State::Completed, 6));
}

fn output_larger_than_a_pipe_is_complete() {
    let home = Home::quick();
    home.enqueue("a", "seq 100000");
    home.drain();
    let expected: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(home.stdout(["logs", "a"]), expected);
}
