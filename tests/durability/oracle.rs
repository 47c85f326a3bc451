//! What really happened, kept outside the database.
//!
//! Each job of a test takes a lock on a file of its own and keeps it as long as
//! any of its processes lives; it writes down its start and its end. A run that
//! enqueues notes an id only after exit 0. From these, and not from what the
//! queue says of itself, follows whether a promise was broken.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, marked, seconds, wait_until};
use queuectl_core::{Filter, Job, JobId, Outcome, State};
use queuectl_store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

trials![
    the_oracle_finds_nothing_wrong_with_a_quiet_run,
    the_oracle_sees_a_job_that_is_not_there,
    the_oracle_sees_a_job_that_runs_twice_at_once,
    the_oracle_sees_a_start_with_an_old_lease,
];

/// Takes the job's lock and writes down its start. Whatever the job leaves
/// running keeps the lock, since it inherits the descriptor. (75 says that another run
/// has the lock; a `flock` that was killed says nothing.)
const BEGIN: &str = "exec 9>>\"$ORACLE/lock-$QUEUECTL_JOB_ID\"; \
     flock -n -E 75 9; \
     [ $? != 75 ] || echo \"twice $QUEUECTL_JOB_ID $QUEUECTL_JOB_LEASE\" >>\"$ORACLE/log\"; \
     echo \"start $QUEUECTL_JOB_ID $QUEUECTL_JOB_LEASE\" >>\"$ORACLE/log\"; ";

/// Writes down its end.
const END: &str = "; echo \"end $QUEUECTL_JOB_ID $QUEUECTL_JOB_LEASE\" >>\"$ORACLE/log\"";

/// A user whose jobs are watched.
pub struct Oracle {
    home: Home,
    acknowledged: Mutex<BTreeSet<String>>,
}

/// A promise that was broken, in words.
pub type Breach = String;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    what: String,
    id: String,
    lease: i64,
}

/// A command that the oracle watches: `body` runs between its start and its end.
pub fn watched(body: &str) -> String {
    let body = if body.is_empty() { ":" } else { body };
    format!("{BEGIN}{body}{END}")
}

/// A command that fails after its end was written down.
pub fn failing(body: &str) -> String {
    format!("{}; exit 1", watched(body))
}

/// A command that the oracle watches and whose queue has a limit: it takes one of so many
/// slots, and writes down if none is free. What is killed leaves its slot with its last
/// process; the body must leave nothing running.
pub fn gated(limit: u32, body: &str) -> String {
    let slots: String = (0..limit)
        .map(|slot| {
            format!("[ $slot != 75 ] || {{ exec 8>>\"$ORACLE/slot-$QUEUECTL_QUEUE-{slot}\"; flock -n -E 75 8; slot=$?; }}; ")
        })
        .collect();
    let exceeded =
        "[ $slot != 75 ] || echo \"exceeded $QUEUECTL_JOB_ID $QUEUECTL_JOB_LEASE\" >>\"$ORACLE/log\"; ";
    watched(&format!("slot=75; {slots}{exceeded}{body}"))
}

impl Oracle {
    /// Watches over a user; `home` must not have been used.
    pub fn new(home: Home) -> Self {
        let folder = home.root().join("oracle");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("log"), "").unwrap();
        let home = home.with("ORACLE", folder.to_str().unwrap());
        Self { home, acknowledged: Mutex::default() }
    }

    /// The user.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Where the oracle writes.
    pub fn folder(&self) -> PathBuf {
        self.home.root().join("oracle")
    }

    /// Adds a job as a person would, and notes its id if the program said so with
    /// exit 0; tells whether it did.
    pub fn enqueue(&self, id: &str, command: &str, options: &[&str]) -> bool {
        let mut program = self.home.command(Spelling::Direct, ["enqueue", "--id", id]);
        let output = program.args(options).args(["--shell", command]).output().unwrap();
        let is_accepted = output.status.success();
        if is_accepted {
            self.acknowledge(id);
        }
        is_accepted
    }

    /// Notes that a program has promised to keep a job.
    pub fn acknowledge(&self, id: &str) {
        self.acknowledged.lock().unwrap().insert(id.to_owned());
    }

    /// How many jobs were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Runs what is left until everything is finished, and says which promises were
    /// broken; an empty list means none.
    pub fn judge(&self) -> Vec<Breach> {
        self.home.drain();
        let mut breaches = self.look();
        breaches.extend(self.look_for_changes_after_the_end());
        breaches.extend(self.look_for_what_is_left());
        breaches
    }

    /// Fails unless every promise was kept.
    pub fn expect_no_breach(&self) {
        let breaches = self.judge();
        assert!(breaches.is_empty(), "{} breaches:\n{}\n", breaches.len(), breaches.join("\n"));
    }

    /// Compares the queue with what really happened, and changes nothing.
    pub fn look(&self) -> Vec<Breach> {
        let mut store = self.store();
        let mut breaches: Vec<Breach> = store
            .check()
            .unwrap()
            .into_iter()
            .map(|finding| format!("the store is not sound: {finding}"))
            .collect();
        let jobs = all_jobs(store.as_mut());
        for id in self.acknowledged.lock().unwrap().iter() {
            if !jobs.contains_key(id) {
                breaches.push(format!("job {id} was acknowledged and is lost"));
            }
        }
        let entries = self.entries();
        for entry in entries.iter().filter(|entry| entry.what == "twice") {
            breaches.push(format!("job {} ran twice at once (lease {})", entry.id, entry.lease));
        }
        for entry in entries.iter().filter(|entry| entry.what == "exceeded") {
            breaches
                .push(format!("job {} ran beyond the limit of its queue (lease {})", entry.id, entry.lease));
        }
        let mut by_job: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in &entries {
            by_job.entry(&entry.id).or_default().push(entry);
        }
        for (id, entries) in &by_job {
            match jobs.get(*id) {
                Some(job) => breaches.extend(compare(store.as_mut(), job, entries)),
                // Its enqueue may have died after the commit, so nobody was told;
                // then it is there. What has run must be there.
                None => breaches.push(format!("job {id} has run and is not in the queue")),
            }
        }
        for (id, job) in &jobs {
            if job.state == State::Completed && !by_job.contains_key(id.as_str()) {
                breaches.push(format!("job {id} is completed and has never run"));
            }
        }
        breaches
    }

    fn look_for_changes_after_the_end(&self) -> Vec<Breach> {
        let before = (self.snapshot(), self.entries().len());
        self.home.drain();
        let after = (self.snapshot(), self.entries().len());
        if before == after { Vec::new() } else { vec!["something changed after the end".into()] }
    }

    fn look_for_what_is_left(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let marker = format!("TEST_HOME={}", self.home.root().display());
        let began = Instant::now();
        // What a completed job leaves behind may go on for a little while.
        wait_until(DEADLINE, "it is known what is left", || {
            marked(&[&marker]).is_empty() || began.elapsed() > seconds(5)
        });
        let processes = marked(&[&marker]);
        if !processes.is_empty() {
            let shown: String =
                processes.iter().map(|&pid| format!(" {pid} ({})", command_line(pid))).collect();
            breaches.push(format!("processes are left:{shown}"));
        }
        for entry in fs::read_dir(self.home.queue_folder()).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            // A server's queue has a lock file of another name.
            let is_ours = ["queue.db", "queue.db-wal", "queue.db-shm", "queue.db-reserve", "config.toml"]
                .contains(&name.as_str())
                || name.ends_with("-workers");
            if !is_ours {
                breaches.push(format!("the file {name} is left"));
            }
        }
        breaches
    }

    /// Everything the queue says, as text.
    fn snapshot(&self) -> String {
        let mut store = self.store();
        all_jobs(store.as_mut())
            .into_values()
            .map(|job| format!("{job:?} {:?}\n", store.attempts(job.seq).unwrap()))
            .collect()
    }

    fn store(&self) -> Box<dyn Store> {
        self.home.store()
    }

    fn entries(&self) -> Vec<Entry> {
        fs::read_to_string(self.folder().join("log"))
            .unwrap()
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                assert_eq!(words.len(), 3, "the oracle's own log: {line:?}");
                Entry { what: words[0].into(), id: words[1].into(), lease: words[2].parse().unwrap() }
            })
            .collect()
    }
}

/// What is wrong with one job, by what it wrote down itself.
fn compare(store: &mut dyn Store, job: &Job, entries: &[&Entry]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let id = &job.id;
    let starts: Vec<i64> =
        entries.iter().filter(|entry| entry.what == "start").map(|entry| entry.lease).collect();
    if !starts.windows(2).all(|pair| pair[0] < pair[1]) {
        breaches.push(format!("the leases of job {id} do not grow from start to start: {starts:?}"));
    }
    if let Some(beyond) = starts.iter().find(|&&lease| lease > job.lease) {
        breaches.push(format!("job {id} ran with lease {beyond}, and its last is {}", job.lease));
    }
    let attempts = store.attempts(job.seq).unwrap();
    let leases: BTreeSet<i64> = attempts.iter().map(|attempt| attempt.lease.number).collect();
    if leases.len() != attempts.len() {
        breaches.push(format!("job {id} has two records of one attempt"));
    }
    for pair in attempts.windows(2) {
        if pair[0].ended_at.is_none_or(|end| end > pair[1].started_at) {
            breaches.push(format!(
                "attempts {} and {} of job {id} overlap",
                pair[0].lease.number, pair[1].lease.number
            ));
        }
    }
    for attempt in &attempts {
        let (lease, outcome) = (attempt.lease.number, attempt.outcome);
        let wrote = |what: &str| entries.iter().any(|entry| entry.what == what && entry.lease == lease);
        if outcome == Some(Outcome::Exit(0)) && !wrote("end") {
            breaches.push(format!("attempt {lease} of job {id} is recorded as a success and did not end"));
        }
        if outcome.is_none() && job.state != State::Processing {
            breaches.push(format!("attempt {lease} of job {id} has no end"));
        }
    }
    if job.state == State::Completed {
        let last = attempts.last();
        if last.is_none_or(|attempt| {
            attempt.outcome != Some(Outcome::Exit(0)) || attempt.lease.number != job.lease
        }) {
            breaches.push(format!("job {id} is completed, and its last attempt is {last:?}"));
        }
    }
    if !job.state.is_finished() && job.state != State::Processing && job.worker.is_some() {
        breaches.push(format!("job {id} waits and has a worker"));
    }
    breaches
}

/// The command line of a process, as far as it is there.
fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}

fn all_jobs(store: &mut dyn Store) -> BTreeMap<String, Job> {
    let mut jobs = BTreeMap::new();
    let mut page = Filter { limit: 1000, ..Filter::default() };
    loop {
        let found = store.jobs(&page).unwrap();
        let Some(last) = found.last() else { return jobs };
        page.order = page.order.behind(last.seq);
        jobs.extend(found.into_iter().map(|job| (job.id.to_string(), job)));
    }
}

fn quiet() -> Oracle {
    Oracle::new(Home::quick())
}

fn the_oracle_finds_nothing_wrong_with_a_quiet_run() {
    let oracle = quiet();
    for n in 0..5 {
        assert!(oracle.enqueue(&format!("good-{n}"), &watched("sleep 0.01"), &[]));
    }
    assert!(oracle.enqueue("bad", &failing(""), &["--max-retries", "2"]));
    oracle.expect_no_breach();
    assert_eq!(oracle.acknowledged(), 6);
    assert_eq!(oracle.home().state("bad"), State::Dead);
    assert_eq!(oracle.home().attempts("bad").len(), 3);
}

fn the_oracle_sees_a_job_that_is_not_there() {
    let oracle = quiet();
    oracle.enqueue("there", &watched(""), &[]);
    oracle.acknowledge("not-there");
    assert_eq!(oracle.judge(), ["job not-there was acknowledged and is lost"]);
}

fn the_oracle_sees_a_job_that_runs_twice_at_once() {
    let oracle = quiet();
    let body = "touch running; until [ -e go ]; do sleep 0.01; done";
    oracle.enqueue("a", &watched(body), &[]);
    let mut worker = oracle.home().worker(["--drain"]);
    oracle.home().wait_for_file("running");
    // The same job, as a program would start it that does not know of the first.
    let mut second = oracle.home().program("/bin/sh");
    second.args(["-c", &watched("")]).env("ORACLE", oracle.folder());
    second.env("QUEUECTL_JOB_ID", "a").env("QUEUECTL_JOB_LEASE", "2");
    assert!(second.status().unwrap().success());
    oracle.home().make_file("go");
    worker.wait_for_success();
    let breaches = oracle.look();
    assert!(breaches.contains(&"job a ran twice at once (lease 2)".to_owned()), "{breaches:?}");
}

fn the_oracle_sees_a_start_with_an_old_lease() {
    let oracle = quiet();
    oracle.enqueue("a", &watched(""), &[]);
    oracle.home().drain();
    let log = oracle.folder().join("log");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, format!("{text}{text}")).unwrap();
    wait_until(DEADLINE, "the queue is at rest", || {
        oracle.home().store().job(&JobId::trusted("a".into())).unwrap().is_some()
    });
    assert_eq!(oracle.look(), ["the leases of job a do not grow from start to start: [1, 1]"]);
}
