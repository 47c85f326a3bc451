//! Every step of every program, cut off by SIGKILL or refused by the system.
//!
//! A tracer stops the program at the N-th call of a kind, N = 1, 2, … until
//! there is no N-th one. It counts in each thread. What a program starts is let
//! go at its `execve`: a worker's jobs run undisturbed.

use super::oracle::{Oracle, failing, watched};
use super::scale::{is_long, report};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, Worker, wait_until};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use queuectl_core::State;
use queuectl_runtime::{Drain, WorkerOptions};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::{Command, ExitStatus};
use std::time::Instant;

trials![
    // First, since it mostly waits.
    a_disk_that_fails_for_good_ends_a_worker_and_loses_nothing if Strace and Root,
    enqueue_killed_at_any_step_keeps_what_it_acknowledged if Strace,
    the_first_start_killed_at_any_step_can_be_repeated if Strace,
    cancel_killed_at_any_step_happened_or_did_not if Strace,
    a_retry_of_the_dead_killed_at_any_step_happened_or_did_not if Strace,
    clearing_the_dead_killed_at_any_step_happened_or_did_not if Strace,
    prune_killed_at_any_step_happened_or_did_not if Strace,
    config_set_killed_at_any_step_leaves_the_old_file_or_the_new if Strace,
    a_manager_killed_at_any_step_loses_nothing if Strace,
    a_worker_killed_at_any_step_loses_nothing if Strace,
    a_worker_killed_at_its_work_is_replaced if Strace and Root,
    a_failing_enqueue_never_says_what_is_not_true if Strace,
    a_failing_first_start_can_be_repeated if Strace,
    failing_commands_never_say_what_is_not_true if Strace,
    config_set_that_fails_leaves_the_old_file if Strace,
    a_worker_that_fails_once_at_its_start_loses_nothing if Strace,
    a_worker_that_fails_once_at_its_work_goes_on if Strace and Root,
    a_manager_that_fails_once_loses_nothing if Strace,
    a_disk_that_fails_once_at_a_commit_does_not_end_a_worker if Strace and Root,
    a_disk_that_is_full_for_good_loses_nothing if Strace and Root,
];

/// The calls at which a program is killed: writes, syncs, locks, starts, and
/// what makes, renames and removes files.
const STEPS: [&str; 20] = [
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "fcntl",
    "flock",
    "clone",
    "clone3",
    "vfork",
    "openat",
    "mkdir",
    "mknodat",
    "fchmod",
    "fchown",
    "rename",
    "renameat2",
    "unlink",
    "unlinkat",
];

/// A commit's sync, by either name.
const SYNC: &str = "fsync,?fdatasync";

/// What the system may answer to the calls of any program.
const REFUSALS: [(&str, &str); 22] = [
    ("pwrite64", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("pwrite64", "EINTR"),
    ("fsync", "EIO"),
    ("fsync", "ENOSPC"),
    ("fsync", "EINTR"),
    ("fdatasync", "EIO"),
    ("fdatasync", "EINTR"),
    ("ftruncate", "EIO"),
    ("ftruncate", "ENOSPC"),
    ("pread64", "EIO"),
    ("openat", "EMFILE"),
    ("openat", "EIO"),
    ("openat", "ENOSPC"),
    ("openat", "EINTR"),
    ("fcntl", "EIO"),
    ("fcntl", "EINTR"),
    ("fcntl", "EMFILE"),
    ("mkdir", "ENOSPC"),
    ("unlink", "EIO"),
    ("write", "ENOSPC"),
    ("write", "EINTR"),
];

/// What the system may answer to a program that starts others, beside [`REFUSALS`].
const REFUSALS_OF_STARTS: [(&str, &str); 10] = [
    ("clone", "EAGAIN"),
    ("clone3", "EAGAIN"),
    ("vfork", "EAGAIN"),
    ("pipe2", "EMFILE"),
    ("dup", "EMFILE"),
    ("dup2", "EINTR"),
    ("pidfd_open", "EMFILE"),
    ("poll", "EINTR"),
    ("ppoll", "EINTR"),
    ("waitid", "EINTR"),
];

/// What is done to a program.
#[derive(Clone, Copy)]
struct Fault {
    call: &'static str,
    /// What the call is answered with; without one the program is killed.
    error: Option<&'static str>,
    lasts: Lasts,
    /// At the how-manieth call.
    number: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lasts {
    Once,
    ForGood,
}

impl Fault {
    const fn kill(call: &'static str) -> Self {
        Self { call, error: None, lasts: Lasts::Once, number: 1 }
    }

    const fn refuse((call, error): (&'static str, &'static str), lasts: Lasts) -> Self {
        Self { call, error: Some(error), lasts, number: 1 }
    }

    const fn at(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// What the tracer is told.
    fn rules(self) -> Vec<String> {
        let Self { call, error, lasts, number } = self;
        let effect = error.map_or("signal=SIGKILL".to_owned(), |error| format!("error={error}"));
        let lasts = if lasts == Lasts::ForGood { "+" } else { "" };
        // What this machine has no such call for is not disturbed.
        vec![format!("trace=?{call}"), format!("inject=?{call}:{effect}:when={number}{lasts}")]
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, error, lasts, number } = self;
        let since = if *lasts == Lasts::ForGood { " and ever after" } else { "" };
        write!(f, "{} at {call} number {number}{since}", error.unwrap_or("SIGKILL"))
    }
}

/// All kills, one for each kind of call.
fn kills() -> Vec<Fault> {
    STEPS.into_iter().map(Fault::kill).collect()
}

/// What may be refused, once and for good. An interruption never lasts.
fn refusals(table: &[(&'static str, &'static str)]) -> Vec<Fault> {
    let once = table.iter().map(|&refusal| Fault::refuse(refusal, Lasts::Once));
    let lasting = table.iter().filter(|(call, error)| *error != "EINTR" && *call != "fcntl");
    once.chain(lasting.map(|&refusal| Fault::refuse(refusal, Lasts::ForGood))).collect()
}

/// What a program may be refused once that starts others.
fn single_refusals() -> Vec<Fault> {
    let tables = REFUSALS.into_iter().chain(REFUSALS_OF_STARTS);
    tables.map(|refusal| Fault::refuse(refusal, Lasts::Once)).collect()
}

/// All of them in the long form, every so manieth in the short one.
fn some_of(faults: Vec<Fault>, step: usize) -> Vec<Fault> {
    let step = if is_long() { 1 } else { step };
    faults.into_iter().step_by(step).collect()
}

/// A program that was disturbed, and what it has left running until this is dropped.
struct Disturbed {
    fault: String,
    status: ExitStatus,
    printed: String,
    said: String,
    trace: String,
    _program: Worker,
}

impl fmt::Display for Disturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; it said: {}{}", self.fault, self.status, self.printed, self.said)
    }
}

impl Disturbed {
    fn is_done(&self) -> bool {
        self.status.success()
    }

    /// Tells whether there was such a call.
    fn is_hit(&self) -> bool {
        was_hit(&self.trace)
    }

    /// Asserts what holds for every program that was refused something.
    fn expect_plain_words(&self, fault: Fault) {
        assert!(!self.said.contains("panicked"), "{self}");
        let is_of_the_loader = self.said.contains("error while loading shared libraries");
        // What is refused cannot say why.
        let is_mute = fault.call == "write";
        if self.is_done() || is_of_the_loader || is_mute {
            return;
        }
        assert!(self.status.code().is_some(), "{self}");
        assert!(self.said.contains("queuectl: error: "), "{self}");
    }
}

/// A user for whom a busy queue is not waited for long.
fn quick() -> Home {
    Home::quick().with("QUEUECTL_BUSY_TIMEOUT", "300ms")
}

/// The tracer, to be followed by what it is to trace.
fn tracer(home: &Home, rules: &[String]) -> Command {
    let mut tracer = home.program("strace");
    tracer.args(["-f", "-b", "execve", "-o"]).arg(home.path("trace"));
    for rule in rules {
        tracer.args(["-e", rule]);
    }
    tracer
}

/// Waits for a traced program's end.
fn ended(home: &Home, fault: String, mut program: Worker) -> Disturbed {
    let status = program.wait();
    let trace = fs::read_to_string(home.path("trace")).unwrap_or_default();
    Disturbed { fault, status, printed: program.printed(), said: program.said(), trace, _program: program }
}

/// Runs a program of ours to its end, under the tracer.
fn traced(home: &Home, rules: &[String], words: &[String]) -> Disturbed {
    let program = home.command(Spelling::Direct, words);
    let mut command = tracer(home, rules);
    command.arg("-q").arg(program.get_program()).args(program.get_args());
    ended(home, rules.join(" "), Worker::start(command, &home.root().join("said").join("traced")))
}

/// What a manager tells its worker.
fn instructions(home: &Home) -> String {
    let options = WorkerOptions {
        database: Some(home.database()),
        server: None,
        busy_timeout_ms: 300,
        manager_pid: std::process::id(),
        concurrency: 2,
        max_jobs: None,
        drain: Some(Drain::Everything),
        poll_interval_ms: 100,
        kill_grace_ms: 200,
        output_limit: 1 << 20,
        backoff_base: 0.0,
        backoff_max_ms: 0,
        crash_limit: 5,
    };
    serde_json::to_string(&options).unwrap() + "\n"
}

/// Runs a worker without a manager to its end, under the tracer.
fn traced_worker(home: &Home, rules: &[String]) -> Disturbed {
    // Open for writing as long as the worker lives: the end would mean a stop.
    let pipe = home.path("instructions");
    let _none_is_fine = fs::remove_file(&pipe);
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let mut manager = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    manager.write_all(instructions(home).as_bytes()).unwrap();
    let worker = home.command(Spelling::Direct, ["worker", "work"]);
    let tracer = tracer(home, rules);
    let mut command = home.program("/bin/sh");
    command.args(["-c", "exec \"$@\" <instructions", "sh"]).arg(tracer.get_program()).args(tracer.get_args());
    command.arg("-q").arg(worker.get_program()).args(worker.get_args());
    ended(home, rules.join(" "), Worker::start(command, &home.root().join("said").join("traced")))
}

fn was_hit(trace: &str) -> bool {
    trace.contains("(INJECTED)") || trace.contains("+++ killed by SIGKILL +++")
}

/// How often each call is made, by the thread that makes it most often.
fn counted(trace: &str) -> BTreeMap<String, u32> {
    let mut by_thread: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = rest.trim_start().split_once('(') {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((_, call), count) in by_thread {
        let known: &mut u32 = most.entry(call.to_owned()).or_default();
        *known = count.max(*known);
    }
    most
}

/// Where a call is disturbed: everywhere in the long form, which goes on until
/// there is no such call; in the short form at a few places.
///
/// A worker that looks at the process table opens hundreds of files: of what
/// comes after the hundredth call, every twentieth is disturbed.
fn places(count: u32, sample: u32) -> Vec<u32> {
    if is_long() {
        return (1..=100).chain((101..=2000).step_by(20)).collect();
    }
    match sample.min(count) {
        0 => Vec::new(),
        1 => vec![count.div_ceil(2)],
        sample => (0..sample).map(|n| 1 + n * (count - 1) / (sample - 1)).collect(),
    }
}

/// Does a round at each place of each fault; a round tells whether it was hit.
fn at_each_place(
    what: &str,
    counts: &BTreeMap<String, u32>,
    sample: u32,
    faults: &[Fault],
    mut round: impl FnMut(Fault) -> bool,
) {
    let began = Instant::now();
    let (mut rounds, mut hits) = (0, 0);
    for fault in faults {
        let count = counts.get(fault.call).copied().unwrap_or(0);
        for number in places(count, sample) {
            let is_hit = round(fault.at(number));
            rounds += 1;
            hits += u32::from(is_hit);
            if !is_hit && number >= count {
                break;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    report(&format!("injection: {what}: {rounds} rounds, {hits} of them hit, in {seconds:.1} s"));
    assert!(hits > 0, "{what}: nothing was hit");
}

/// A program that does one thing to the queue.
struct Subject<'a> {
    name: &'a str,
    /// Prepares a round of this name, and gives the words of the program.
    prepare: &'a dyn Fn(&Oracle, &str) -> Vec<String>,
    /// Asserts that what was printed is true, and that it was done whole or not at all.
    verify: &'a dyn Fn(&Oracle, &str, &Disturbed),
}

impl Subject<'_> {
    /// Does what the subject does, with a fault at each place.
    fn suffer(&self, oracle: &Oracle, sample: u32, faults: &[Fault]) {
        // The first one makes the queue.
        self.count(oracle, "first");
        let counts = self.count(oracle, "counted");
        let next = Cell::new(0);
        at_each_place(self.name, &counts, sample, faults, |fault| {
            next.set(next.get() + 1);
            let is_hit = self.round(oracle, &format!("round-{}", next.get()), fault);
            if is_long() {
                oracle.home().drain();
            }
            is_hit
        });
        oracle.expect_no_breach();
    }

    /// The same, each time for a user who has no queue.
    fn suffer_anew(&self, sample: u32, faults: &[Fault]) {
        let counts = self.count(&Oracle::new(quick()), "first");
        at_each_place(self.name, &counts, sample, faults, |fault| {
            let oracle = Oracle::new(quick());
            let is_hit = self.round(&oracle, "first", fault);
            assert!(oracle.enqueue("next", &watched(""), &[]), "{fault}");
            oracle.home().drain();
            let breaches = oracle.look();
            assert!(breaches.is_empty(), "{fault}: {breaches:?}");
            is_hit
        });
    }

    /// Does it once without a fault, and counts its calls.
    fn count(&self, oracle: &Oracle, name: &str) -> BTreeMap<String, u32> {
        let words = (self.prepare)(oracle, name);
        let undisturbed = traced(oracle.home(), &[], &words);
        assert!(undisturbed.is_done(), "{undisturbed}");
        (self.verify)(oracle, name, &undisturbed);
        counted(&undisturbed.trace)
    }

    fn round(&self, oracle: &Oracle, name: &str, fault: Fault) -> bool {
        let words = (self.prepare)(oracle, name);
        let disturbed = traced(oracle.home(), &fault.rules(), &words);
        if fault.error.is_some() {
            disturbed.expect_plain_words(fault);
        }
        (self.verify)(oracle, name, &disturbed);
        let breaches = oracle.look();
        assert!(breaches.is_empty(), "{fault}: {breaches:?}");
        disturbed.is_hit()
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Asserts that a program has printed this if it is done, and else this or nothing;
/// tells whether it was printed.
fn has_promised(disturbed: &Disturbed, line: &str) -> bool {
    let is_printed = disturbed.printed == format!("{line}\n");
    assert!(is_printed || (!disturbed.is_done() && disturbed.printed.is_empty()), "{disturbed}");
    is_printed
}

/// Where a job stands; none if it is not there.
fn state(oracle: &Oracle, id: &str) -> Option<State> {
    let id = queuectl_core::JobId::trusted(id.to_owned());
    oracle.home().store().job(&id).unwrap().map(|job| job.state)
}

/// `enqueue` of one job.
const ENQUEUE: Subject<'_> = Subject {
    name: "enqueue",
    prepare: &|_, name| words(["enqueue", "--id", name, "--shell", &watched("")]),
    verify: &|oracle, name, disturbed| {
        if has_promised(disturbed, &format!("Job added with ID: {name}")) {
            oracle.acknowledge(name);
        }
    },
};

/// `enqueue` of the lines of a file: all of them or none.
const ENQUEUE_FILE: Subject<'_> = Subject {
    name: "enqueue --file",
    prepare: &|oracle, name| {
        let line = |n| json!({"id": format!("{name}-{n}"), "command": watched("")}).to_string() + "\n";
        fs::write(oracle.home().path("jobs"), (0..3).map(line).collect::<String>()).unwrap();
        words(["enqueue", "--file", "jobs"])
    },
    verify: &|oracle, name, disturbed| {
        let ids: Vec<String> = (0..3).map(|n| format!("{name}-{n}")).collect();
        let added = ids.iter().filter(|id| state(oracle, id).is_some()).count();
        assert!(added == 0 || added == 3, "{added} of 3 jobs: {disturbed}");
        if has_promised(disturbed, "Jobs added: 3") {
            for id in &ids {
                oracle.acknowledge(id);
            }
        }
    },
};

/// `cancel` of a job that waits.
const CANCEL: Subject<'_> = Subject {
    name: "cancel",
    prepare: &|oracle, name| {
        assert!(oracle.enqueue(name, &watched(""), &[]));
        words(["cancel", name])
    },
    verify: &|oracle, name, disturbed| {
        let is_promised = has_promised(disturbed, &format!("Job {name} cancelled"));
        let states: &[State] =
            if is_promised { &[State::Cancelled] } else { &[State::Cancelled, State::Pending] };
        assert!(states.contains(&state(oracle, name).unwrap()), "{disturbed}");
    },
};

/// `dlq retry` of a dead job, which then does not fail.
const RETRY: Subject<'_> = Subject {
    name: "dlq retry",
    prepare: &|oracle, name| {
        let home = oracle.home();
        let command = format!("{}; [ -e retried ]", watched(""));
        assert!(oracle.enqueue(name, &command, &["--max-retries", "0"]));
        let _none_is_fine = fs::remove_file(home.path("retried"));
        home.drain();
        home.make_file("retried");
        words(["dlq", "retry", name])
    },
    verify: &|oracle, name, disturbed| {
        let is_promised = has_promised(disturbed, &format!("Job {name} is pending again"));
        let states: &[State] = if is_promised { &[State::Pending] } else { &[State::Pending, State::Dead] };
        assert!(states.contains(&state(oracle, name).unwrap()), "{disturbed}");
    },
};

/// What a subject needs that deletes: three dead jobs, of which the oracle knows nothing.
fn three_dead_jobs(oracle: &Oracle) {
    let home = oracle.home();
    if home.counts()[State::Dead] == 3 {
        return;
    }
    home.enqueue_all((0..3).map(|_| json!({"command": "echo words; exit 1", "max_retries": 0})));
    home.drain();
    assert_eq!(home.counts()[State::Dead], 3);
}

/// Asserts that the dead were deleted with all that belongs to them, or not at all.
fn all_or_none_are_left(oracle: &Oracle, is_promised: bool, disturbed: &Disturbed) {
    let left = oracle.home().counts()[State::Dead];
    assert!(left == 0 || (left == 3 && !is_promised), "{left} are left: {disturbed}");
    let database = rusqlite::Connection::open(oracle.home().database()).unwrap();
    for table in ["attempt", "output"] {
        let lost = format!("SELECT count(*) FROM {table} WHERE seq NOT IN (SELECT seq FROM job)");
        let lost: i64 = database.query_row(&lost, [], |row| row.get(0)).unwrap();
        assert_eq!(lost, 0, "rows of {table} belong to no job: {disturbed}");
    }
}

/// `dlq clear` of three dead jobs.
const CLEAR: Subject<'_> = Subject {
    name: "dlq clear",
    prepare: &|oracle, _| {
        three_dead_jobs(oracle);
        words(["dlq", "clear"])
    },
    verify: &|oracle, _, disturbed| {
        let is_promised = has_promised(disturbed, "Cleared 3 dead jobs");
        all_or_none_are_left(oracle, is_promised, disturbed);
    },
};

/// `prune` of three dead jobs.
const PRUNE: Subject<'_> = Subject {
    name: "prune",
    prepare: &|oracle, _| {
        three_dead_jobs(oracle);
        words(["prune", "--state", "dead", "--older-than", "0s"])
    },
    verify: &|oracle, _, disturbed| {
        let is_promised = has_promised(disturbed, "Deleted 3 jobs");
        all_or_none_are_left(oracle, is_promised, disturbed);
    },
};

const OLD_SETTINGS: &str = "# Mine.\nmax-retries = 3\n";
const NEW_SETTINGS: &str = "# Mine.\nmax-retries = 7\n";

/// `config set` of a key that the file has.
const CONFIG_SET: Subject<'_> = Subject {
    name: "config set",
    prepare: &|oracle, _| {
        oracle.home().configure(OLD_SETTINGS);
        words(["config", "set", "max-retries", "7"])
    },
    verify: &|oracle, _, disturbed| {
        let is_promised = has_promised(disturbed, "max-retries = 7");
        let text = fs::read_to_string(oracle.home().config_file()).unwrap();
        assert!(text == NEW_SETTINGS || (text == OLD_SETTINGS && !is_promised), "{text:?}: {disturbed}");
    },
};

fn enqueue_killed_at_any_step_keeps_what_it_acknowledged() {
    let oracle = Oracle::new(quick());
    ENQUEUE.suffer(&oracle, 5, &kills());
    let oracle = Oracle::new(quick());
    ENQUEUE_FILE.suffer(&oracle, 3, &kills());
}

fn the_first_start_killed_at_any_step_can_be_repeated() {
    ENQUEUE.suffer_anew(4, &kills());
}

fn cancel_killed_at_any_step_happened_or_did_not() {
    CANCEL.suffer(&Oracle::new(quick()), 3, &kills());
}

fn a_retry_of_the_dead_killed_at_any_step_happened_or_did_not() {
    RETRY.suffer(&Oracle::new(quick()), 2, &kills());
}

fn clearing_the_dead_killed_at_any_step_happened_or_did_not() {
    CLEAR.suffer(&Oracle::new(quick()), 3, &kills());
}

fn prune_killed_at_any_step_happened_or_did_not() {
    PRUNE.suffer(&Oracle::new(quick()), 3, &kills());
}

fn config_set_killed_at_any_step_leaves_the_old_file_or_the_new() {
    let oracle = Oracle::new(quick());
    let counts = CONFIG_SET.count(&oracle, "counted");
    at_each_place(CONFIG_SET.name, &counts, 3, &kills(), |fault| settings_round(&oracle, fault));
    oracle.home().direct(["config", "check"]).assert().success();
}

/// The same round without a queue to look at.
fn settings_round(oracle: &Oracle, fault: Fault) -> bool {
    let words = (CONFIG_SET.prepare)(oracle, "");
    let disturbed = traced(oracle.home(), &fault.rules(), &words);
    if fault.error.is_some() {
        disturbed.expect_plain_words(fault);
    }
    (CONFIG_SET.verify)(oracle, "", &disturbed);
    disturbed.is_hit()
}

/// Jobs for a worker: two that succeed and one that fails twice.
fn some_jobs(oracle: &Oracle, name: &str) {
    let job =
        |n: u32, command: String| json!({"id": format!("{name}-{n}"), "command": command, "max_retries": 1});
    let jobs: Vec<Value> = vec![job(0, watched("echo words")), job(1, failing("")), job(2, watched(""))];
    let ids: Vec<String> = jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    oracle.home().enqueue_all(jobs);
    for id in &ids {
        oracle.acknowledge(id);
    }
}

/// Ends what the oracle looks at. A doorbell whose removal was refused is left
/// beside the queue, where it harms nobody.
fn judge(oracle: &Oracle, faults: &[Fault]) {
    if faults.iter().any(|fault| fault.call == "unlink" && fault.error.is_some()) {
        oracle.home().drain();
        for entry in fs::read_dir(oracle.home().queue_folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("queue.db-bell-") {
                fs::remove_file(path).unwrap();
            }
        }
    }
    oracle.expect_no_breach();
}

/// Disturbs workers or their manager at each place; whatever comes of them, a
/// later worker ends everything.
fn workers_suffer(what: &str, sample: u32, faults: &[Fault], run: impl Fn(&Home, &[String]) -> Disturbed) {
    let oracle = Oracle::new(quick());
    let home = oracle.home();
    some_jobs(&oracle, "counted");
    let undisturbed = run(home, &[]);
    assert!(undisturbed.is_done(), "{undisturbed}");
    let counts = counted(&undisturbed.trace);
    let next = Cell::new(0);
    at_each_place(what, &counts, sample, faults, |fault| {
        next.set(next.get() + 1);
        some_jobs(&oracle, &format!("round-{}", next.get()));
        let disturbed = run(home, &fault.rules());
        if fault.error.is_some() {
            disturbed.expect_plain_words(fault);
        }
        if disturbed.is_done() {
            assert_eq!(home.counts().unsettled(), 0, "{disturbed}");
        }
        home.drain();
        let breaches = oracle.look();
        assert!(breaches.is_empty(), "{fault}: {breaches:?}");
        disturbed.is_hit()
    });
    judge(&oracle, faults);
}

fn drain_words() -> Vec<String> {
    words(["worker", "start", "--drain"])
}

fn a_manager_killed_at_any_step_loses_nothing() {
    workers_suffer("manager killed", 2, &kills(), |home, rules| traced(home, rules, &drain_words()));
}

fn a_worker_killed_at_any_step_loses_nothing() {
    workers_suffer("worker killed", 2, &kills(), traced_worker);
}

fn a_worker_that_fails_once_at_its_start_loses_nothing() {
    workers_suffer("worker fails once", 1, &some_of(single_refusals(), 3), traced_worker);
}

fn a_manager_that_fails_once_loses_nothing() {
    workers_suffer("manager fails once", 1, &some_of(single_refusals(), 4), |home, rules| {
        traced(home, rules, &drain_words())
    });
}

fn a_failing_enqueue_never_says_what_is_not_true() {
    ENQUEUE.suffer(&Oracle::new(quick()), 2, &refusals(&REFUSALS));
    ENQUEUE_FILE.suffer(&Oracle::new(quick()), 1, &some_of(refusals(&REFUSALS), 3));
    if is_long() {
        locks_that_fail_for_good_are_an_error();
    }
}

fn a_failing_first_start_can_be_repeated() {
    ENQUEUE.suffer_anew(1, &some_of(refusals(&REFUSALS), 3));
}

/// SQLite asks for about 10 s whether its locks have come back, at each place:
/// so it is one place, and the only fault of its kind.
fn locks_that_fail_for_good_are_an_error() {
    let oracle = Oracle::new(quick());
    let counts = ENQUEUE.count(&oracle, "counted");
    let fault = Fault::refuse(("fcntl", "EIO"), Lasts::ForGood);
    assert!(ENQUEUE.round(&oracle, "refused", fault.at(counts["fcntl"] / 3)));
    oracle.expect_no_breach();
}

fn failing_commands_never_say_what_is_not_true() {
    for subject in [CANCEL, RETRY, CLEAR, PRUNE] {
        subject.suffer(&Oracle::new(quick()), 1, &some_of(refusals(&REFUSALS), 5));
    }
}

fn config_set_that_fails_leaves_the_old_file() {
    let oracle = Oracle::new(quick());
    let counts = CONFIG_SET.count(&oracle, "counted");
    let mut faults = refusals(&REFUSALS);
    let renames = [("rename", "EIO"), ("renameat2", "EIO"), ("fchmod", "EIO"), ("flock", "EINTR")];
    faults.extend(refusals(&renames));
    at_each_place("config set fails", &counts, 1, &faults, |fault| settings_round(&oracle, fault));
    oracle.home().direct(["config", "check"]).assert().success();
}

/// A tracer of a worker that is at its work already.
fn trace_worker(home: &Home, rules: &[String]) -> Worker {
    let pid = home.worker_pids()[0].to_string();
    let mut command = tracer(home, rules);
    command.args(["-p", &pid]);
    let tracer = Worker::start(command, &home.root().join("said").join("tracer"));
    tracer.wait_until_it_says(&format!("Process {pid} attached"));
    tracer
}

/// A manager with a worker that waits for jobs.
fn idle_worker(home: &Home) -> Worker {
    let worker = home.worker(["--concurrency", "2"]);
    worker.wait_until_it_says("Loop started");
    worker
}

/// A worker that is disturbed at its work: the jobs that come in then are all
/// ended, by it or by its replacement. Gives what the tracer has seen.
fn at_work(oracle: &Oracle, name: &str, rules: &[String]) -> String {
    let home = oracle.home();
    let mut manager = idle_worker(home);
    let tracer = trace_worker(home, rules);
    some_jobs(oracle, name);
    let mut has_ended = false;
    wait_until(DEADLINE, &format!("{rules:?}: all jobs are settled"), || {
        has_ended = manager.has_ended();
        has_ended || home.counts().unsettled() == 0
    });
    assert!(!has_ended, "{rules:?}: {}", manager.said());
    manager.signal(Signal::SIGTERM);
    let status = manager.wait();
    assert!(
        status.success() && !manager.said().contains("panicked"),
        "{rules:?}: {status}: {}",
        manager.said()
    );
    drop(tracer);
    let breaches = oracle.look();
    assert!(breaches.is_empty(), "{rules:?}: {breaches:?}");
    fs::read_to_string(home.path("trace")).unwrap()
}

fn workers_suffer_at_work(what: &str, sample: u32, faults: &[Fault]) {
    let oracle = Oracle::new(quick());
    let counts = counted(&at_work(&oracle, "counted", &[]));
    let next = Cell::new(0);
    at_each_place(what, &counts, sample, faults, |fault| {
        next.set(next.get() + 1);
        was_hit(&at_work(&oracle, &format!("round-{}", next.get()), &fault.rules()))
    });
    judge(&oracle, faults);
}

fn a_worker_killed_at_its_work_is_replaced() {
    workers_suffer_at_work("worker killed at its work", 1, &kills());
}

fn a_worker_that_fails_once_at_its_work_goes_on() {
    // To SQLite a page that cannot be read is a damaged one, and nothing that passes.
    let passing = single_refusals().into_iter().filter(|fault| fault.call != "pread64").collect();
    workers_suffer_at_work("worker fails once at its work", 1, &some_of(passing, 3));
}

/// A worker that runs the job `held`, with the fault from its end on.
fn disturbed_at_the_result(home: &Home, fault: Fault) -> (Worker, Worker) {
    let worker = home.worker(["--drain"]);
    home.wait_for_file("running");
    let tracer = trace_worker(home, &fault.rules());
    home.make_file("go");
    (worker, tracer)
}

fn with_a_held_job() -> Oracle {
    let oracle = Oracle::new(quick());
    let body = "touch running; until [ -e go ]; do sleep 0.01; done";
    assert!(oracle.enqueue("held", &watched(body), &[]));
    assert!(oracle.enqueue("next", &watched(""), &[]));
    oracle
}

fn a_disk_that_fails_once_at_a_commit_does_not_end_a_worker() {
    for fault in [(SYNC, "EIO"), ("pwrite64", "EIO")] {
        let oracle = with_a_held_job();
        let home = oracle.home();
        let (mut worker, _tracer) = disturbed_at_the_result(home, Fault::refuse(fault, Lasts::Once));
        worker.wait_for_success();
        let said = worker.said();
        assert!(
            said.contains("the disk fails") && said.contains("The queue can be written again."),
            "{said}"
        );
        assert!(!said.contains("A worker died"), "{said}");
        assert_eq!(home.attempts("held").len(), 1, "the result of the only run was kept");
        assert_eq!(home.state("held"), State::Completed);
        oracle.expect_no_breach();
    }
}

/// Waits for a worker that cannot go on, which must have said so.
fn expect_failure(worker: &mut Worker, word: &str) {
    let status = worker.wait();
    let said = worker.said();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("queuectl: error: ") && said.contains(word), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

fn a_disk_that_fails_for_good_ends_a_worker_and_loses_nothing() {
    let oracle = with_a_held_job();
    let fault = Fault::refuse((SYNC, "EIO"), Lasts::ForGood);
    let (mut worker, _tracer) = disturbed_at_the_result(oracle.home(), fault);
    expect_failure(&mut worker, "the disk fails");
    oracle.home().drain();
    oracle.expect_no_breach();
}

fn a_disk_that_is_full_for_good_loses_nothing() {
    let oracle = with_a_held_job();
    let fault = Fault::refuse(("pwrite64", "ENOSPC"), Lasts::ForGood);
    let (mut worker, _tracer) = disturbed_at_the_result(oracle.home(), fault);
    worker.wait_until_it_says("results are kept");
    // The first request waits for what it cannot write; the second does not.
    worker.signal(Signal::SIGTERM);
    worker.wait_until_it_says("Received shutdown signal");
    worker.signal(Signal::SIGTERM);
    expect_failure(&mut worker, "full");
    oracle.home().drain();
    oracle.expect_no_breach();
}
