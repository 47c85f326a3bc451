//! Ends what dead and hanging workers of this machine have started, whatever the store does.
//!
//! Other machines cannot see those processes, and start the same jobs when a lease has
//! run out. So each process of ours that is left here (a manager, a worker, a guardian) looks
//! again and again at the lock file, which says enough: who died, whose lease has run
//! out, how their processes are known. The store is told later, by a rescue, which
//! finds nothing left to end.

use crate::marker;
use crate::processes::{self, Extent, Scope};
use queuectl_core::WorkerId;
use queuectl_store::{Bug, Entry, Found, LockFile, Result, boot_clock, machine};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked, where no lease runs out before.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Processes that were killed are looked for again so soon.
const LOOK_WHILE_ENDING_EVERY: Duration = Duration::from_millis(20);

/// A rescue has usually ended a dead worker's processes within this.
const RESCUE_TAKES: Duration = Duration::from_millis(100);

/// A worker whose lease has run out, and of which nothing was found, starts nothing before it has renewed its
/// lease; and that takes longer than this to run out again.
const QUIET_HOLDS_FOR: Duration = Duration::from_secs(5);

/// Guards of workers leave it to their managers to look first, and do not all look at once.
const YIELDS_FOR: Duration = Duration::from_millis(200);

/// Processes that do not die of KILL in this time are stuck.
const KILL_TAKES_AT_MOST: Duration = Duration::from_secs(5);

/// Looks after the workers in one lock file.
pub(crate) struct LeaseGuard {
    path: PathBuf,
    /// The worker that looks: its own fence is nearer.
    own: Option<WorkerId>,
    yields_for: Duration,
    /// The file at the path, and those that stood there before it and are not done with.
    files: Vec<LockFile>,
    ending: HashMap<Key, Ending>,
}

/// A worker among those of all queues: of a queue that was made anew, numbers begin anew.
type Key = (String, WorkerId);

/// A worker whose processes are being ended.
struct Ending {
    since: Instant,
    was_said_to_be_stuck: bool,
    /// Dead in a pid namespace that cannot be seen from here: nothing more can be done.
    is_out_of_sight: bool,
}

/// What a look has shown.
pub(crate) struct Outlook {
    /// When to look again.
    pub(crate) again_after: Duration,
    /// Whether processes are being ended that may die any moment.
    pub(crate) is_ending: bool,
    /// Workers that live, or of whose processes some may be left.
    pub(crate) remaining: Vec<Entry>,
}

/// What is to be done about a worker.
enum Finding {
    /// Nothing before this time has passed.
    Well(Option<Duration>),
    /// Its processes are being ended.
    Ending,
    /// Nothing of it is left.
    Ended,
    /// Nothing of it can be seen from here.
    OutOfSight,
}

impl LeaseGuard {
    /// A guard over a lock file, which need not be there yet.
    pub(crate) fn new(path: PathBuf, own: Option<WorkerId>) -> Self {
        let yields_for = own.map_or(Duration::ZERO, |own| YIELDS_FOR + YIELDS_FOR * (own.0 % 8) as u32 / 4);
        Self { path, own, yields_for, files: Vec::new(), ending: HashMap::new() }
    }

    /// Looks at all workers, and ends what is to be ended. Waits for nothing.
    pub(crate) fn look(&mut self) -> Outlook {
        let mut outlook = Outlook { again_after: LOOK_EVERY, is_ending: false, remaining: Vec::new() };
        if Bug::NoGuard.is_planted() {
            return outlook;
        }
        if let Err(error) = self.open_what_stands_there() {
            tracing::debug!("{error}");
        }
        let mut files = std::mem::take(&mut self.files);
        files.retain(|file| {
            let before = outlook.remaining.len();
            if let Err(error) = self.look_at(file, &mut outlook) {
                tracing::warn!("{error}");
            }
            outlook.remaining.len() > before || file.verify().is_ok()
        });
        self.files = files;
        let is_remaining =
            |key: &Key| outlook.remaining.iter().any(|entry| (&entry.run, entry.worker) == (&key.0, key.1));
        self.ending.retain(|key, ending| ending.is_out_of_sight || is_remaining(key));
        outlook
    }

    /// Opens the file at the path, if it is another than before.
    fn open_what_stands_there(&mut self) -> Result<()> {
        if self.files.last().is_none_or(|file| file.verify().is_err()) {
            self.files.extend(LockFile::at(&self.path)?);
        }
        Ok(())
    }

    fn look_at(&mut self, file: &LockFile, outlook: &mut Outlook) -> Result<()> {
        for found in file.entries()? {
            if found.is_closed() || Some(found.entry.worker) == self.own {
                continue;
            }
            let finding = if file.is_held(found.entry.worker)? {
                self.look_at_living(file, &found)
            } else {
                // It notes that it ends well before it lets go of its lock.
                let again = file.entry(found.region)?;
                let Some(dead) = again.filter(|again| again.entry == found.entry && !again.is_closed())
                else {
                    continue;
                };
                self.look_at_dead(file, &dead)?
            };
            match finding {
                Finding::Well(due) => {
                    let due = due.unwrap_or(LOOK_EVERY).max(LOOK_WHILE_ENDING_EVERY);
                    outlook.again_after = outlook.again_after.min(due);
                }
                Finding::Ending if !self.is_stuck(&found.entry) => {
                    outlook.is_ending = true;
                    outlook.again_after = LOOK_WHILE_ENDING_EVERY;
                }
                Finding::Ending => {}
                Finding::Ended | Finding::OutOfSight => continue,
            }
            outlook.remaining.push(found.entry);
        }
        Ok(())
    }

    /// Ends a worker, and all it has started, that should have ended its jobs by itself.
    fn look_at_living(&mut self, file: &LockFile, found: &Found) -> Finding {
        let (Some(lease), Some(silence)) = (found.entry.lease, found.silence) else {
            return Finding::Well(None);
        };
        if Bug::LeaseOverrun.is_planted() {
            return Finding::Well(None);
        }
        let entry = &found.entry;
        let left_until = |patience: Duration| Finding::Well(Some(patience.saturating_sub(silence)));
        if silence < lease.ends_jobs_after() {
            return left_until(lease.ends_jobs_after());
        }
        let is_stopped = is_visible(entry) && matches!(machine::process_state(entry.pid), Some('T' | 't'));
        let scope = scope(entry, Vec::new());
        // A process that was stopped cannot end anything; any other is given the time for
        // it. It has usually ended its jobs then, and waits for a server that answers. One
        // look at all processes tells; many guards need not take it at the same time.
        if !is_stopped {
            let patience = lease.has_ended_jobs_after() + self.yields_for;
            if silence < patience {
                return left_until(patience);
            }
            if found.quiet_for.is_some_and(|quiet| quiet < QUIET_HOLDS_FOR) {
                return Finding::Well(None);
            }
            let looked_at = boot_clock();
            if !processes::are_there(&scope) {
                if let Err(error) = file.note_quiet(found.region, looked_at) {
                    tracing::debug!("{error}");
                }
                return Finding::Well(None);
            }
        }
        // First, so that it starts nothing more. Words come last: the log may lie on the
        // very disk that does not answer.
        kill_worker(file, entry);
        _ = processes::kill_on_sight(&scope);
        if self.begin_to_end(entry) {
            tracing::warn!(
                "Worker {} (PID {}) {} and has not renewed its lease for {} s; it is killed with all it runs, \
                 before others run that.",
                entry.worker,
                entry.pid,
                if is_stopped { "stands still" } else { "hangs" },
                silence.as_secs(),
            );
        }
        Finding::Ending
    }

    /// Ends what a dead worker has left.
    fn look_at_dead(&mut self, file: &LockFile, found: &Found) -> Result<Finding> {
        let entry = &found.entry;
        if Bug::EarlyRescue.is_planted() || self.is_out_of_sight(entry) {
            return Ok(Finding::OutOfSight);
        }
        // Pids that were noted in another namespace are other processes' here; the marker
        // is the same everywhere, and a namespace below ours can be seen.
        let groups = if is_visible(entry) {
            let notes = file.notes(found.region)?;
            notes.iter().filter(|note| note.pid != 0).map(|note| (entry.pid, note.pid)).collect()
        } else {
            Vec::new()
        };
        let is_new = self.begin_to_end(entry);
        if !processes::kill_on_sight(&scope(entry, groups)) {
            if is_new {
                tracing::warn!(
                    "Worker {} (PID {}) is dead; what it has started is ended.",
                    entry.worker,
                    entry.pid
                );
            }
            return Ok(Finding::Ending);
        }
        if !is_visible(entry) {
            if let Some(ending) = self.ending.get_mut(&key(entry)) {
                ending.is_out_of_sight = true;
            }
            return Ok(Finding::OutOfSight);
        }
        // The notes stay: the rescue reads there which jobs had started.
        file.note_ended(entry.worker, found.region)?;
        Ok(Finding::Ended)
    }

    /// Tells whether this is the first time.
    fn begin_to_end(&mut self, entry: &Entry) -> bool {
        let is_new = !self.ending.contains_key(&key(entry));
        self.ending.entry(key(entry)).or_insert_with(|| Ending {
            since: Instant::now(),
            was_said_to_be_stuck: false,
            is_out_of_sight: false,
        });
        is_new
    }

    /// Tells whether its processes have had enough time to die.
    fn is_stuck(&mut self, entry: &Entry) -> bool {
        let Some(ending) = self.ending.get_mut(&key(entry)) else { return false };
        let is_stuck = ending.since.elapsed() >= KILL_TAKES_AT_MOST;
        if is_stuck && !std::mem::replace(&mut ending.was_said_to_be_stuck, true) {
            tracing::error!(
                "What worker {} (PID {}) has started does not die of SIGKILL, and others may run it",
                entry.worker,
                entry.pid
            );
        }
        is_stuck
    }

    fn is_out_of_sight(&self, entry: &Entry) -> bool {
        self.ending.get(&key(entry)).is_some_and(|ending| ending.is_out_of_sight)
    }
}

/// Stands guard in a thread of its own: looks whenever it is asked to and, where other
/// machines may take jobs over, also in between. Ends with the sender.
///
/// # Errors
///
/// If there can be no more threads.
pub(crate) fn stand(lock_file: PathBuf, is_shared: bool) -> io::Result<Sender<()>> {
    let (sender, asked) = channel();
    let mut guard = LeaseGuard::new(lock_file, None);
    let stand_guard = move || {
        let mut again_after = is_shared.then_some(Duration::ZERO);
        loop {
            let heard = match again_after {
                Some(after) => asked.recv_timeout(after),
                None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match heard {
                // A rescue that can ask the store is under way, and does the same.
                Ok(()) => {
                    again_after = Some(RESCUE_TAKES);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let outlook = guard.look();
            again_after = (is_shared || outlook.is_ending).then_some(outlook.again_after);
        }
    };
    thread::Builder::new().name("guard".into()).spawn(stand_guard)?;
    Ok(sender)
}

/// Ends what the workers of this process have left, and waits for that; tells whether
/// nothing is left.
pub(crate) fn end_what_is_left(lock_file: PathBuf) -> bool {
    let own = std::process::id();
    let mut guard = LeaseGuard::new(lock_file, None);
    loop {
        let outlook = guard.look();
        if !outlook.is_ending {
            return outlook.remaining.iter().all(|entry| entry.manager_pid != own);
        }
        thread::park_timeout(outlook.again_after);
    }
}

fn key(entry: &Entry) -> Key {
    (entry.run.clone(), entry.worker)
}

fn is_visible(entry: &Entry) -> bool {
    entry.pid_namespace == machine::pid_namespace()
}

fn scope(entry: &Entry, groups: Vec<(u32, u32)>) -> Scope {
    Scope { marker: marker::of_worker(&entry.run, entry.worker), extent: Extent::Beginning, groups }
}

/// Kills a worker's process, if that is still the one that was entered.
fn kill_worker(file: &LockFile, entry: &Entry) {
    let Some(process) = is_visible(entry).then(|| processes::hold(entry.pid)).flatten() else { return };
    // Its pid is its own as long as it lives; and it lives if it began when it was entered.
    let is_its_own = match entry.began_at_ticks {
        0 => file.is_held(entry.worker).unwrap_or(false),
        began => machine::began_at_ticks(entry.pid) == Some(began),
    };
    if is_its_own {
        process.kill_without_waiting();
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
