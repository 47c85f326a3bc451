//! Wall clocks that are set years forward and back, while workers run and
//! between programs.
//!
//! Every program of such a user, and every job, reads the time from a file that
//! the test writes; the monotonic clock goes on as it does when a person sets
//! the time.

use crate::oracle::{Oracle, watched};
use crate::scale::{is_long, report, rounds};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Worker, alive, marked, send, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_core::State;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

trials![
    a_clock_set_two_years_forward_and_back_takes_no_job_from_its_worker if Faketime,
    a_clock_set_two_years_forward_and_back_hides_no_job_that_waits if Faketime,
    programs_whose_clocks_differ_by_years_work_together if Faketime,
    a_machine_that_was_suspended_for_two_years_goes_on if Faketime,
];

const FORWARD: &str = "+2y";
const BACK: &str = "-2y";
const NOW: &str = "+0";

/// A user whose clock can be set.
struct Traveller {
    oracle: Oracle,
    _clockwork: Clockwork,
}

/// What all processes of a traveller share; without it each would leave a shared
/// memory of its own behind. It is taken away when this is dropped.
struct Clockwork {
    child: Child,
    library: String,
    shared: String,
}

impl Clockwork {
    /// Only the program knows where its library is. None if it could not start:
    /// its names contain its pid, and another process may have left some.
    fn start() -> Option<Self> {
        let script = "printenv LD_PRELOAD FAKETIME_SHARED; exec cat";
        let mut child = Command::new("faketime")
            .args(["-f", NOW, "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        if let (Some(library), Some(shared)) = (lines.next(), lines.next()) {
            return Some(Self { child, library, shared });
        }
        child.wait().unwrap();
        None
    }
}

impl Drop for Clockwork {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _gone_is_fine = self.child.wait();
    }
}

impl Traveller {
    /// Failed jobs wait for eleven days and longer.
    fn new() -> Self {
        let mut clockwork = None;
        wait_until(DEADLINE, "faketime has started", || {
            clockwork = Clockwork::start();
            clockwork.is_some()
        });
        let clockwork = clockwork.unwrap();
        let home = Home::quick();
        let clock = home.root().join("clock");
        let home = home
            .with("LD_PRELOAD", &clockwork.library)
            .with("FAKETIME_SHARED", &clockwork.shared)
            .with("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
            .with("FAKETIME_NO_CACHE", "1")
            .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .with("FAKETIME_DONT_RESET", "1")
            .with("NO_FAKE_STAT", "1")
            .with("QUEUECTL_BACKOFF_BASE", "1000000")
            .with("QUEUECTL_BACKOFF_MAX", "30d");
        let traveller = Self { oracle: Oracle::new(home), _clockwork: clockwork };
        traveller.set_clock(NOW);
        traveller
    }

    fn home(&self) -> &Home {
        self.oracle.home()
    }

    /// Sets the clock of everything that runs and of whatever starts later.
    fn set_clock(&self, offset: &str) {
        let clock = self.home().root().join("clock");
        let new = clock.with_extension("new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(new, clock).unwrap();
    }

    /// The year in which this user's programs live.
    fn year(&self) -> i32 {
        let output = self.home().program("date").arg("+%Y").output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    fn enqueue(&self, id: &str, command: &str, options: &[&str]) {
        assert!(self.oracle.enqueue(id, command, options));
    }

    fn worker(&self) -> Worker {
        let worker = self.home().worker(["--concurrency", "2"]);
        worker.wait_until_it_says("Loop started");
        worker
    }

    /// Nothing that a program prints is absurd, whatever the clock was.
    fn prints_sane_times(&self, this_year: i32) {
        for document in ["list --json", "worker list --json", "status --json"] {
            let text = self.home().stdout(document.split(' '));
            for (at, _) in text.match_indices("_at\":\"") {
                let time = &text[at + 6..at + 30];
                let year: i32 = time[..4].parse().unwrap_or(0);
                assert!((this_year - 3..=this_year + 3).contains(&year), "{document}: {time}");
            }
        }
        for table in ["list", "worker list", "status"] {
            let text = self.home().stdout(table.split(' '));
            assert!(!text.contains("1970") && !text.contains("9999"), "{text}");
        }
    }

    /// Asks the oracle. Attempts on either side of a clock's step seem to overlap,
    /// by that clock.
    fn judge(&self, workers: &mut [&mut Worker]) {
        for worker in workers {
            assert!(!worker.has_ended() && !worker.said().contains("panicked"), "{}", worker.said());
            worker.signal(Signal::SIGTERM);
            worker.wait_for_success();
        }
        let mut breaches = self.oracle.judge();
        breaches.retain(|breach| !breach.contains("overlap"));
        assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    }
}

/// Runs until it is told to go on.
fn held() -> String {
    watched("touch running; until [ -e go ]; do sleep 0.02; done")
}

/// Fails once.
fn fails_once() -> String {
    watched("[ $QUEUECTL_JOB_LEASE -gt 1 ] || exit 1")
}

fn a_clock_set_two_years_forward_and_back_takes_no_job_from_its_worker() {
    let traveller = Traveller::new();
    let (home, year) = (traveller.home(), traveller.year());
    traveller.enqueue("held", &held(), &["--timeout", "1h", "--max-retries", "0"]);
    let mut worker = traveller.worker();
    home.wait_for_file("running");
    let mut other = traveller.worker();
    let mut number = 0;
    let count = rounds(2, 50);
    for _ in 0..count {
        for (offset, wanted) in [(FORWARD, year + 2), (BACK, year - 2), (NOW, year)] {
            traveller.set_clock(offset);
            assert_eq!(traveller.year(), wanted);
            // Each of the two workers has looked around when these have run.
            for _ in 0..4 {
                let id = format!("other-{number}");
                number += 1;
                traveller.enqueue(&id, &watched("sleep 0.05"), &[]);
                home.wait_for(&id, State::Completed);
                let job = home.job("held");
                assert_eq!((job.state, job.lease), (State::Processing, 1), "at {offset}");
            }
            traveller.prints_sane_times(year);
        }
    }
    home.make_file("go");
    home.wait_for("held", State::Completed);
    assert_eq!((home.job("held").attempts, home.job("held").crashes), (1, 0));
    traveller.judge(&mut [&mut worker, &mut other]);
    report(&format!(
        "{count} times two years forward, four back and two forward again; {number} jobs beside"
    ));
}

fn a_clock_set_two_years_forward_and_back_hides_no_job_that_waits() {
    let traveller = Traveller::new();
    let home = traveller.home();
    let mut worker = traveller.worker();
    let wait = |label: &str| {
        let (failed, delayed) = (format!("failed-{label}"), format!("delayed-{label}"));
        traveller.enqueue(&failed, &fails_once(), &[]);
        traveller.enqueue(&delayed, &watched(""), &["--delay", "30d"]);
        home.wait_for(&failed, State::Failed);
        assert_eq!(home.state(&delayed), State::Pending);
        [failed, delayed]
    };
    let run = |ids: &[String]| ids.iter().for_each(|id| home.wait_for(id, State::Completed));
    let count = rounds(1, 20);
    for round in 0..count {
        // They fall due when the clock is set forward …
        let before = wait(&format!("{round}-before"));
        traveller.set_clock(FORWARD);
        run(&before);
        // … and what began to wait by a clock that was set back since then waits for nobody.
        let beyond = wait(&format!("{round}-beyond"));
        traveller.set_clock(NOW);
        run(&beyond);
        let after = wait(&format!("{round}-after"));
        traveller.set_clock(BACK);
        run(&after);
        traveller.set_clock(NOW);
    }
    traveller.judge(&mut [&mut worker]);
    report(&format!("{} jobs that waited for days over a clock's steps of two years", 6 * count));
}

fn programs_whose_clocks_differ_by_years_work_together() {
    let traveller = Traveller::new();
    let (home, year) = (traveller.home(), traveller.year());
    let clocks = [FORWARD, NOW, BACK];
    let mut count = 0;
    for theirs in clocks {
        for ours in clocks.into_iter().filter(|&ours| is_long() || ours != theirs && ours != NOW) {
            traveller.set_clock(theirs);
            let label = format!("{}{}", &theirs[..1], count);
            let good = format!("good-{label}");
            let dead = format!("dead-{label}");
            let unwanted = format!("unwanted-{label}");
            traveller.enqueue(&good, &watched(""), &[]);
            traveller.enqueue(&dead, &fails_once(), &["--max-retries", "0"]);
            traveller.enqueue(&unwanted, &watched(""), &["--delay", "30d"]);
            traveller.set_clock(ours);
            home.queuectl(["cancel", &unwanted]).assert().success();
            home.queuectl(["worker", "start", "--drain"]).assert().code(1);
            assert_eq!((home.state(&good), home.state(&dead)), (State::Completed, State::Dead));
            traveller.set_clock(theirs);
            home.queuectl(["dlq", "retry", &dead]).assert().success();
            home.queuectl(["prune", "--state", "completed", "--older-than", "3000d"]).assert().success();
            traveller.set_clock(ours);
            home.queuectl(["worker", "start", "--drain"]).assert().success();
            assert_eq!(home.state(&dead), State::Completed);
            assert_eq!(home.state(&unwanted), State::Cancelled);
            traveller.prints_sane_times(year);
            count += 1;
        }
    }
    traveller.judge(&mut []);
    report(&format!("{count} pairs of clocks between an enqueuer and a worker"));
}

fn a_machine_that_was_suspended_for_two_years_goes_on() {
    let traveller = Traveller::new();
    let home = traveller.home();
    traveller.enqueue("held", &held(), &["--max-retries", "0"]);
    let mut worker = traveller.worker();
    home.wait_for_file("running");
    let mut other = traveller.worker();
    traveller.enqueue("failed", &fails_once(), &[]);
    traveller.enqueue("delayed", &watched(""), &["--delay", "30d"]);
    home.wait_for("failed", State::Failed);
    // A machine's sleep stops everything at once, and sets the clock on.
    let stopped = stop_everything(home);
    traveller.set_clock(FORWARD);
    for &pid in stopped.iter().rev() {
        send(pid, Signal::SIGCONT);
    }
    for id in ["failed", "delayed"] {
        home.wait_for(id, State::Completed);
    }
    let job = home.job("held");
    assert_eq!((job.state, job.lease), (State::Processing, 1));
    home.make_file("go");
    home.wait_for("held", State::Completed);
    assert_eq!((home.job("held").attempts, home.job("held").crashes), (1, 0));
    traveller.judge(&mut [&mut worker, &mut other]);
    report(&format!("{} processes stopped at once, two years later continued", stopped.len()));
}

/// Stops every process of a user; gives those that were stopped.
fn stop_everything(home: &Home) -> Vec<i32> {
    let marker = format!("TEST_HOME={}", home.root().display());
    let is_stopped = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains("State:\tT") || !alive(*pid)
    };
    let mut stopped = Vec::new();
    wait_until(DEADLINE, "everything has stopped", || {
        let running: Vec<i32> = marked(&[&marker]).into_iter().filter(|pid| !is_stopped(pid)).collect();
        for &pid in &running {
            if kill(Pid::from_raw(pid), Signal::SIGSTOP).is_ok() && !stopped.contains(&pid) {
                stopped.push(pid);
            }
        }
        running.is_empty()
    });
    stopped.retain(|&pid| alive(pid));
    stopped
}
