//! Disturbs one call of a program, and says what came of it.

use crate::scale::{is_long, report};
use crate::support::{Home, Spelling, Worker};
use nix::sys::stat::Mode;
use queuectl_runtime::{Drain, WorkerOptions};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::{Command, ExitStatus};
use std::time::Instant;

/// The calls at which a program is killed: writes, syncs, locks, starts, and
/// what makes, renames and removes files.
pub const STEPS: [&str; 20] = [
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
pub const SYNC: &str = "fsync,?fdatasync";

/// What the system may answer to the calls of any program.
pub const REFUSALS: [(&str, &str); 22] = [
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
pub const REFUSALS_OF_STARTS: [(&str, &str); 10] = [
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
pub struct Fault {
    pub call: &'static str,
    /// What the call is answered with; without one the program is killed.
    pub error: Option<&'static str>,
    pub lasts: Lasts,
    /// At the how-manieth call.
    pub number: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    Once,
    ForGood,
}

impl Fault {
    pub const fn kill(call: &'static str) -> Self {
        Self { call, error: None, lasts: Lasts::Once, number: 1 }
    }

    pub const fn refuse((call, error): (&'static str, &'static str), lasts: Lasts) -> Self {
        Self { call, error: Some(error), lasts, number: 1 }
    }

    pub const fn at(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// What the tracer is told.
    pub fn rules(self) -> Vec<String> {
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
pub fn kills() -> Vec<Fault> {
    STEPS.into_iter().map(Fault::kill).collect()
}

/// What may be refused, once and for good. An interruption never lasts.
pub fn refusals(table: &[(&'static str, &'static str)]) -> Vec<Fault> {
    let once = table.iter().map(|&refusal| Fault::refuse(refusal, Lasts::Once));
    let lasting = table.iter().filter(|(call, error)| *error != "EINTR" && *call != "fcntl");
    once.chain(lasting.map(|&refusal| Fault::refuse(refusal, Lasts::ForGood))).collect()
}

/// What a program may be refused once that starts others.
pub fn single_refusals() -> Vec<Fault> {
    let tables = REFUSALS.into_iter().chain(REFUSALS_OF_STARTS);
    tables.map(|refusal| Fault::refuse(refusal, Lasts::Once)).collect()
}

/// All of them in the long form, every so manieth in the short one.
pub fn some_of(faults: Vec<Fault>, step: usize) -> Vec<Fault> {
    let step = if is_long() { 1 } else { step };
    faults.into_iter().step_by(step).collect()
}

/// A program that was disturbed, and what it has left running until this is dropped.
pub struct Disturbed {
    pub fault: String,
    pub status: ExitStatus,
    pub printed: String,
    pub said: String,
    pub trace: String,
    pub _program: Worker,
}

impl fmt::Display for Disturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; it said: {}{}", self.fault, self.status, self.printed, self.said)
    }
}

impl Disturbed {
    pub fn is_done(&self) -> bool {
        self.status.success()
    }

    /// Tells whether there was such a call.
    pub fn is_hit(&self) -> bool {
        was_hit(&self.trace)
    }

    /// Asserts what holds for every program that was refused something.
    pub fn expect_plain_words(&self, fault: Fault) {
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
pub fn quick() -> Home {
    Home::quick().with("QUEUECTL_BUSY_TIMEOUT", "300ms")
}

/// The tracer, to be followed by what it is to trace.
pub fn tracer(home: &Home, rules: &[String]) -> Command {
    let mut tracer = home.program("strace");
    tracer.args(["-f", "-b", "execve", "-o"]).arg(home.path("trace"));
    for rule in rules {
        tracer.args(["-e", rule]);
    }
    tracer
}

/// Waits for a traced program's end.
pub fn ended(home: &Home, fault: String, mut program: Worker) -> Disturbed {
    let status = program.wait();
    let trace = fs::read_to_string(home.path("trace")).unwrap_or_default();
    Disturbed { fault, status, printed: program.printed(), said: program.said(), trace, _program: program }
}

/// Runs a program of ours to its end, under the tracer.
pub fn traced(home: &Home, rules: &[String], words: &[String]) -> Disturbed {
    let program = home.command(Spelling::Direct, words);
    let mut command = tracer(home, rules);
    command.arg("-q").arg(program.get_program()).args(program.get_args());
    ended(home, rules.join(" "), Worker::start(command, &home.root().join("said").join("traced")))
}

/// What a manager tells its worker.
pub fn instructions(home: &Home) -> String {
    let options = WorkerOptions {
        as_root: false,
        database: Some(home.database()),
        server: None,
        busy_timeout_ms: 300,
        connect_timeout_ms: 300,
        state_folder: None,
        manager_pid: std::process::id(),
        concurrency: 2,
        queues: Vec::new(),
        max_jobs: None,
        drain: Some(Drain::Everything),
        poll_interval_ms: 100,
        kill_grace_ms: 200,
        lease_ms: 30_000,
        output_limit: 1 << 20,
        backoff_base: 0.0,
        backoff_max_ms: 0,
        crash_limit: 5,
    };
    serde_json::to_string(&options).unwrap() + "\n"
}

/// Runs a worker without a manager to its end, under the tracer.
pub fn traced_worker(home: &Home, rules: &[String]) -> Disturbed {
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

pub fn was_hit(trace: &str) -> bool {
    trace.contains("(INJECTED)") || trace.contains("+++ killed by SIGKILL +++")
}

/// How often each call is made, by the thread that makes it most often.
pub fn counted(trace: &str) -> BTreeMap<String, u32> {
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
pub fn places(count: u32, sample: u32) -> Vec<u32> {
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
pub fn at_each_place(
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

pub fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}
