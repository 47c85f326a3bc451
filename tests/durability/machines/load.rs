//! A steady load, and how fast it is carried before and after a fault.

use super::field::pass;
use crate::oracle::{Oracle, watched};
use crate::scale::{is_long, report, rounds};
use crate::support::{DEADLINE, Spelling, seconds, wait_until};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Jobs that are added at once, and how many wait before more are added.
const BATCH: usize = 25;
const BACKLOG: usize = 75;

/// What every job does; with 8 slots a machine with two processors is not full.
const WORK: &str = "sleep 0.15";

/// How many jobs had ended when.
type Samples = Vec<(Instant, usize)>;

/// Ends the load, whatever happens to the test.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Keeps the workers busy before, during and after a fault, and says how much
/// they did. They must have been started.
pub fn endure(oracle: &Oracle, label: &str, fault: impl FnOnce()) {
    let (is_over, samples) = (AtomicBool::new(false), Mutex::default());
    let (before, settle, after) = (seconds(rounds(2, 20)), seconds(rounds(1, 10)), seconds(rounds(3, 20)));
    let (began, ended) = thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| go_on_enqueuing(oracle, &is_over));
        scope.spawn(|| go_on_counting(oracle, &samples, &is_over));
        let mut ends = Ends::new(oracle);
        wait_until(DEADLINE, "the workers are under way", || ends.count() > BATCH);
        pass(before);
        let began = Instant::now();
        fault();
        let ended = Instant::now();
        pass(settle + after);
        (began, ended)
    });
    let samples = samples.into_inner().unwrap();
    let usual = rate(&samples, began.checked_sub(before).unwrap(), began);
    let meanwhile = rate(&samples, began, ended);
    let finally = rate(&samples, ended + settle, ended + settle + after);
    let window = seconds(rounds(2, 5));
    let back = samples
        .iter()
        .map(|&(at, _)| at)
        .filter(|&at| at >= ended && at + window <= ended + settle + after)
        .find(|&at| rate(&samples, at, at + window) >= 0.98 * usual)
        .map(|at| at - ended);
    report(&format!(
        "{label}: {usual:.1} jobs/s before, {meanwhile:.1} during {:.1?}, {finally:.1} ({:.1} %) from {settle:?} after; \
         98 % for {window:?} from {} on",
        ended - began,
        100.0 * finally / usual,
        back.map_or("never".into(), |back| format!("{back:.1?}")),
    ));
    assert!(finally > 0.0, "{label}: nobody works any more");
    if is_long() {
        assert!(back.is_some_and(|back| back <= seconds(10)), "{label}: not what it was within 10 s");
    }
}

/// Adds jobs until the load is over; whom the fault hits loses a batch.
fn go_on_enqueuing(oracle: &Oracle, is_over: &AtomicBool) {
    let mut ends = Ends::new(oracle);
    for batch in 0.. {
        wait_until(2 * DEADLINE, "there is room in the queue", || {
            is_over.load(Ordering::Relaxed) || oracle.acknowledged().saturating_sub(ends.count()) < BACKLOG
        });
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let ids: Vec<String> = (0..BATCH).map(|number| format!("job-{batch}-{number}")).collect();
        let job =
            |id: &String| json!({"id": id, "command": watched(WORK), "max_retries": 0}).to_string() + "\n";
        let lines: String = ids.iter().map(job).collect();
        let mut program = oracle.home().command(Spelling::Direct, ["enqueue", "--file", "-"]);
        program.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut program = program.spawn().unwrap();
        let written = program.stdin.take().unwrap().write_all(lines.as_bytes());
        if program.wait().unwrap().success() {
            written.unwrap();
            for id in &ids {
                oracle.acknowledge(id);
            }
        }
    }
}

fn go_on_counting(oracle: &Oracle, samples: &Mutex<Samples>, is_over: &AtomicBool) {
    let mut ends = Ends::new(oracle);
    while !is_over.load(Ordering::Relaxed) {
        let count = ends.count();
        samples.lock().unwrap().push((Instant::now(), count));
        pass(Duration::from_millis(100));
    }
}

/// Counts the jobs that have ended by their own account.
pub struct Ends {
    log: File,
    count: usize,
    /// The beginning of a line that is not whole yet.
    rest: String,
}

impl Ends {
    pub fn new(oracle: &Oracle) -> Self {
        Self { log: File::open(oracle.folder().join("log")).unwrap(), count: 0, rest: String::new() }
    }

    /// How many there are now. Reads only what is new.
    pub fn count(&mut self) -> usize {
        self.log.read_to_string(&mut self.rest).unwrap();
        let whole = self.rest.rfind('\n').map_or(0, |end| end + 1);
        self.count +=
            self.rest.drain(..whole).as_str().lines().filter(|line| line.starts_with("end ")).count();
        self.count
    }
}

/// Ends a second between two moments.
fn rate(samples: &Samples, from: Instant, to: Instant) -> f64 {
    let at = |moment: Instant| {
        samples.iter().take_while(|(at, _)| *at <= moment).last().map_or(0, |(_, ends)| *ends)
    };
    (at(to) - at(from)) as f64 / (to - from).as_secs_f64()
}
