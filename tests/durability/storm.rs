//! F1: signals fall on workers, managers, jobs and enqueuers, and nothing is lost,
//! nothing doubled, and no limit of a queue exceeded.
//!
//! `QUEUECTL_STORM_SEED` repeats the choices of an earlier storm, though not its
//! moments. A breach is shown with what the oracle and the workers have written
//! about its job.

use super::oracle::{Breach, Oracle, failing, gated, watched};
use super::scale::{report, rounds};
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, marked, wait_until};
use queuectl_core::State;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

trials![
    no_signal_to_anybody_loses_or_doubles_a_job_or_exceeds_a_limit,
    the_same_on_a_server if Postgres,
];

/// Queues with a limit.
const LIMITED: [(&str, u32); 2] = [("one", 1), ("two", 2)];

/// Managers there always are, and what each of them is asked for: 4 workers in
/// all, with 4 slots each.
const MANAGERS: usize = 2;
const START: [&str; 6] = ["worker", "start", "--count", "2", "--concurrency", "4"];

/// Enqueuers wait while so many jobs are unfinished, so that a long storm does not
/// end in a long calm.
const BACKLOG: i64 = 40;

/// A small pseudo-random generator (xorshift64*), so that a seed can be repeated.
struct Dice(u64);

impl Dice {
    /// A seed of 0 would give nothing but zeros.
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Whom a signal may hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Worker,
    Manager,
    Job,
    Enqueuer,
}

/// What falls on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    Kill,
    Terminate,
    Stop,
}

/// The storm: who works, who is stopped, what has fallen so far.
struct Storm<'a> {
    home: &'a Home,
    dice: Dice,
    managers: Vec<Child>,
    started: usize,
    /// How managers have ended.
    ends: BTreeMap<String, u64>,
    /// Stopped ones, and when they may go on.
    stopped: Vec<(Instant, OwnedFd)>,
    blows: BTreeMap<(Victim, Blow), u64>,
}

impl<'a> Storm<'a> {
    fn new(home: &'a Home, seed: u64) -> Self {
        Self {
            home,
            dice: Dice::new(seed),
            managers: Vec::new(),
            started: 0,
            ends: BTreeMap::new(),
            stopped: Vec::new(),
            blows: BTreeMap::new(),
        }
    }

    /// Lets signals fall, so many.
    fn rage(&mut self, rounds: u64) {
        let mut fallen = 0;
        while fallen < rounds {
            self.replace_managers();
            let pause = Duration::from_millis(self.dice.between(20, 80));
            let due = Instant::now() + pause;
            wait_until(DEADLINE, "the next signal is due", || Instant::now() >= due);
            self.continue_stopped(Instant::now());
            fallen += u64::from(self.strike());
        }
    }

    /// Sees to it that there is always a worker.
    fn replace_managers(&mut self) {
        let ends = &mut self.ends;
        self.managers.retain_mut(|manager| {
            let ended = manager.try_wait().unwrap();
            if let Some(status) = ended {
                *ends.entry(status.to_string()).or_default() += 1;
            }
            ended.is_none()
        });
        while self.managers.len() < MANAGERS {
            let said = self.home.root().join("said").join(format!("manager-{:05}", self.started));
            self.started += 1;
            let mut command = self.home.command(Spelling::Direct, START);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(said).unwrap());
            self.managers.push(command.process_group(0).spawn().unwrap());
        }
    }

    /// One signal to a process; false if there was none of the kind.
    fn strike(&mut self) -> bool {
        let victim = self.dice.of(&[
            Victim::Worker,
            Victim::Worker,
            Victim::Worker,
            Victim::Job,
            Victim::Job,
            Victim::Job,
            Victim::Manager,
            Victim::Enqueuer,
        ]);
        let blow = self.dice.of(&[Blow::Kill, Blow::Kill, Blow::Terminate, Blow::Stop]);
        let among: Vec<i32> =
            self.everybody().into_iter().filter(|&pid| kind_of(pid) == Some(victim)).collect();
        if among.is_empty() {
            return false;
        }
        let pid = self.dice.of(&among);
        let Ok(process) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else { return false };
        // Only now the number is sure to be that of the one that is meant.
        if !self.everybody().contains(&pid) {
            return false;
        }
        let signal = match blow {
            Blow::Kill => Signal::KILL,
            Blow::Terminate => Signal::TERM,
            Blow::Stop => Signal::STOP,
        };
        let has_hit = pidfd_send_signal(&process, signal).is_ok();
        if blow == Blow::Stop {
            let pause = Duration::from_millis(self.dice.between(20, 600));
            self.stopped.push((Instant::now() + pause, process));
        }
        *self.blows.entry((victim, blow)).or_default() += u64::from(has_hit);
        has_hit
    }

    fn everybody(&self) -> Vec<i32> {
        marked(&[&format!("TEST_HOME={}", self.home.root().display())])
    }

    fn continue_stopped(&mut self, now: Instant) {
        self.stopped.retain(|(until, process)| {
            if *until <= now {
                // Gone is as good.
                let _gone = pidfd_send_signal(process, Signal::CONT);
            }
            *until > now
        });
    }

    /// Lets everybody go on, asks all to stop, and waits until they have.
    fn calm_down(&mut self) {
        let far = Instant::now() + Duration::from_mins(1);
        self.continue_stopped(far);
        for manager in &self.managers {
            let process = Pid::from_child(manager);
            let _gone = rustix::process::kill_process(process, Signal::TERM);
        }
        for mut manager in std::mem::take(&mut self.managers) {
            let mut ended = None;
            wait_until(DEADLINE, "the managers have ended", || {
                ended = manager.try_wait().unwrap();
                ended.is_some()
            });
            *self.ends.entry(ended.unwrap().to_string()).or_default() += 1;
        }
        // Those whose manager was killed stop by themselves.
        wait_until(DEADLINE, "the workers have ended", || {
            self.everybody().into_iter().all(|pid| kind_of(pid) != Some(Victim::Worker))
        });
    }

    /// What the workers have said, a name and a text each.
    fn said(&self) -> Vec<(String, String)> {
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry.unwrap();
            let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
            (entry.file_name().to_string_lossy().into_owned(), text)
        };
        let mut said: Vec<_> = fs::read_dir(self.home.root().join("said")).unwrap().map(read).collect();
        said.sort();
        said
    }

    /// A worker that panics is broken, even if nothing comes of it.
    fn panics(&self) -> Vec<Breach> {
        let said = self.said();
        let lines = said.iter().flat_map(|(_, text)| text.lines());
        lines.filter(|line| line.contains("panicked")).map(str::to_owned).collect()
    }

    /// What the workers and the oracle have written about the jobs of these breaches.
    fn evidence(&self, oracle: &Oracle, breaches: &[Breach]) -> String {
        let mut ids: Vec<&str> = breaches
            .iter()
            .flat_map(|breach| breach.split(' '))
            .filter(|word| word.starts_with("job-"))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let log = fs::read_to_string(oracle.folder().join("log")).unwrap();
        let mut evidence = String::new();
        for (name, text) in [("oracle".to_owned(), log)].into_iter().chain(self.said()) {
            let concerns = |line: &&str| line.split([' ', '.']).any(|word| ids.contains(&word));
            evidence.extend(text.lines().filter(concerns).map(|line| format!("{name}: {line}\n")));
        }
        evidence
    }
}

/// What a process of the storm is; none for those between two programs.
fn kind_of(pid: i32) -> Option<Victim> {
    let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
    if variables.split(|&byte| byte == 0).any(|variable| variable.starts_with(b"QUEUECTL_RUN=")) {
        return Some(Victim::Job);
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    let program = words.next()?;
    match (program.rsplit('/').next()?, words.next().as_deref()) {
        ("queuectl-worker", Some("work")) => Some(Victim::Worker),
        ("queuectl-worker", Some("start")) => Some(Victim::Manager),
        ("queuectl-enqueue", _) => Some(Victim::Enqueuer),
        _ => None,
    }
}

/// A job of some kind, with its options.
fn some_job(dice: &mut Dice) -> (String, &'static [&'static str]) {
    let seconds = format!("0.{:03}", dice.between(20, 200));
    if dice.below(3) == 0 {
        let (queue, limit) = dice.of(&LIMITED);
        let options: &[&str] = if queue == "one" { &["--queue", "one"] } else { &["--queue", "two"] };
        let command = gated(limit, &format!("sleep {seconds}"));
        return (if dice.below(4) == 0 { format!("{command}; exit 1") } else { command }, options);
    }
    match dice.below(10) {
        0..=2 => (watched(""), &[]),
        3 | 4 => (watched(&format!("sleep {seconds}")), &[]),
        5 => (failing(&format!("sleep {seconds}")), &["--max-retries", "2"]),
        6 => (failing("{ sleep 1000 & setsid sleep 1000 & }"), &["--max-retries", "2"]),
        7 => (failing("{ (trap '' TERM; exec sleep 1000) & }"), &["--max-retries", "1"]),
        8 => (watched(&format!("trap '' TERM HUP; sleep {seconds}; {{ setsid sleep {seconds} & }}")), &[]),
        _ => (watched("sleep 1000"), &["--timeout", "300ms", "--max-retries", "1"]),
    }
}

/// Adds jobs until the storm is over.
fn go_on_enqueuing(oracle: &Oracle, who: usize, seed: u64, is_over: &AtomicBool) {
    let mut dice = Dice::new(seed ^ (who as u64 + 1));
    for number in 0.. {
        let has_room = || oracle.home().counts().unfinished() < BACKLOG;
        wait_until(DEADLINE, "there is room in the queue", || is_over.load(Ordering::Relaxed) || has_room());
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let (command, options) = some_job(&mut dice);
        oracle.enqueue(&format!("job-{who}-{number}"), &command, options);
    }
}

fn no_signal_to_anybody_loses_or_doubles_a_job_or_exceeds_a_limit() {
    weather(Home::quick());
}

fn the_same_on_a_server() {
    weather(Home::quick().on_server(Server::shared()));
}

/// A storm, and what is left of it.
fn weather(home: Home) {
    let seed = std::env::var("QUEUECTL_STORM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) ^ now_nanos());
    report(&format!("storm: QUEUECTL_STORM_SEED={seed}"));
    let began = Instant::now();
    let oracle = Oracle::new(home);
    for (queue, limit) in LIMITED {
        let limit = limit.to_string();
        oracle.home().queuectl(["queue", "set", queue, "--limit", &limit]).assert().success();
    }
    // So that there is a queue to look at.
    assert!(oracle.enqueue("first", &watched(""), &[]));
    let is_over = AtomicBool::new(false);
    let mut storm = Storm::new(oracle.home(), seed);
    thread::scope(|scope| {
        for who in 0..2 {
            let (oracle, is_over) = (&oracle, &is_over);
            scope.spawn(move || go_on_enqueuing(oracle, who, seed, is_over));
        }
        let raged =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| storm.rage(rounds(100, 10_000))));
        is_over.store(true, Ordering::Relaxed);
        // An enqueuer may be stopped too.
        storm.continue_stopped(Instant::now() + Duration::from_mins(1));
        if let Err(panic) = raged {
            std::panic::resume_unwind(panic);
        }
    });
    let raged = began.elapsed().as_secs_f64();
    storm.calm_down();
    let calm = began.elapsed().as_secs_f64();
    // Faster than the judge would do it, one job at a time.
    let all_at_once = ["worker", "start", "--drain", "--exit-zero", "--concurrency", "32"];
    oracle.home().queuectl(all_at_once).assert().success();
    let mut breaches = oracle.judge();
    breaches.extend(storm.panics());
    let counts = oracle.home().counts();
    let blows: String =
        storm.blows.iter().map(|((victim, blow), times)| format!(" {blow:?}/{victim:?} {times},")).collect();
    report(&format!(
        "storm: {raged:.1} s of signals, all quiet after {calm:.1} s, judged after {:.1} s; {} jobs acknowledged, {} completed, {} dead;{blows} managers ended: {:?}",
        began.elapsed().as_secs_f64(),
        oracle.acknowledged(),
        counts[State::Completed],
        counts[State::Dead],
        storm.ends,
    ));
    assert!(
        breaches.is_empty(),
        "seed {seed}: {} breaches:\n{}\n\n{}",
        breaches.len(),
        breaches.join("\n"),
        storm.evidence(&oracle, &breaches)
    );
}

#[expect(clippy::disallowed_methods, reason = "a seed, which only has to be another each time")]
fn now_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()).wrapping_mul(since.as_secs())
}
