//! Finding and ending all that a job has started.
//!
//! A process is a job's if it inherited the job's marker, or if it is in the
//! group that was made for the job, inside its worker's session; where its
//! environment cannot be read, if it carries the job's stamp. Signals go
//! through a pidfd that was opened before the second look, so that a pid that
//! was reused in between is never hit.

#[cfg(target_os = "linux")]
mod environment;
#[cfg(target_os = "linux")]
mod hidden;
#[cfg(target_os = "linux")]
#[path = "processes/linux.rs"]
mod platform;
#[cfg(not(target_os = "linux"))]
#[path = "processes/portable.rs"]
mod platform;
mod scope;

pub(crate) use scope::{Extent, Scope};

use crate::limits::mask_of;
use crate::stop_signals::Signals;
use scope::OnSight;
use std::fmt;
use std::time::{Duration, Instant};

/// Some processes were still there at the end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct StillThere {
    /// How many.
    pub left: usize,
    /// Which, as far as that is known.
    pub pids: Vec<u32>,
}

/// Most processes that are named in a message.
const MOST_NAMED: usize = 8;

impl fmt::Display for StillThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.left == 1 { "process" } else { "processes" };
        write!(f, "{} {noun} could not be ended", self.left)?;
        for (number, pid) in self.pids.iter().take(MOST_NAMED).enumerate() {
            write!(f, "{}{pid}", if number == 0 { ", PID " } else { ", " })?;
        }
        if self.pids.len() > MOST_NAMED { f.write_str(", …") } else { Ok(()) }
    }
}

/// How long processes may take to die of KILL before they count as stuck.
const KILL_TAKES_AT_MOST: Duration = Duration::from_secs(5);

/// A deadline is asked for again so often: patience may end sooner than it seemed.
const DEADLINE_HOLDS_FOR: Duration = Duration::from_millis(250);

/// Ends them: TERM, then KILL at the deadline, until two looks in a row find none.
///
/// A deadline that is over begins with KILL. Where there is nothing to end, it
/// costs the two looks (about 0.5 ms each among a hundred processes).
pub(crate) fn end(scope: &Scope, mut deadline: impl FnMut() -> Instant) -> Result<(), StillThere> {
    let at_once = deadline() <= Instant::now();
    match still_there(scope, if at_once { OnSight::Kill } else { OnSight::Hold }) {
        Look::Nothing => {
            platform::kill_own_groups(scope);
            return Ok(());
        }
        Look::Found(found) if !at_once => found.terminate(),
        _ => {}
    }
    outlast(scope, deadline)
}

/// Ends them with KILL at once, until two looks in a row find none.
pub(crate) fn kill(scope: &Scope) -> Result<(), StillThere> {
    end(scope, Instant::now)
}

/// Waits until the deadline for those that were asked to end, then kills them.
pub(crate) fn outlast(scope: &Scope, mut deadline: impl FnMut() -> Instant) -> Result<(), StillThere> {
    loop {
        let patience_ends = deadline();
        if patience_ends <= Instant::now() {
            break;
        }
        match still_there(scope, OnSight::Hold) {
            Look::Nothing => break,
            Look::Found(found) => {
                _ = found.wait_for_end(patience_ends.min(Instant::now() + DEADLINE_HOLDS_FOR));
            }
            Look::Unknown => platform::pause(),
        }
    }
    let deadline = Instant::now() + KILL_TAKES_AT_MOST;
    loop {
        // Of a chain of processes that each fork and exit, a look may catch none in
        // time; the kernel reaches every member of a group at once.
        platform::kill_own_groups(scope);
        let left = match still_there(scope, OnSight::Kill) {
            Look::Nothing => return Ok(()),
            Look::Found(found) => {
                found.kill();
                if found.wait_for_end(Instant::now() + Duration::from_millis(50)) {
                    continue;
                }
                StillThere { left: found.len(), pids: found.pids() }
            }
            Look::Unknown => {
                platform::pause();
                StillThere { left: 1, pids: Vec::new() }
            }
        };
        if Instant::now() >= deadline {
            return Err(left);
        }
    }
}

/// Looks once for processes with one of these markers, and holds those it finds.
/// What cannot be read, or carries none, is not among them.
pub(crate) fn carriers(markers: &[&str]) -> Vec<(usize, Held)> {
    let found = platform::carriers(markers).unwrap_or_default();
    found.into_iter().map(|(index, process)| (index, Held(process))).collect()
}

/// The stop signals that a process catches, also one that has ended and is not
/// reaped; none where that cannot be read.
pub(crate) fn caught_by(pid: u32) -> Signals {
    Signals::in_mask(mask_of(&pid.to_string(), "SigCgt:").unwrap_or(0))
}

/// Kills those there are now and waits for none of them; tells whether there were surely
/// none.
pub(crate) fn kill_on_sight(scope: &Scope) -> bool {
    platform::kill_own_groups(scope);
    match still_there(scope, OnSight::Kill) {
        Look::Nothing => true,
        Look::Found(found) => {
            found.kill();
            false
        }
        Look::Unknown => false,
    }
}

impl Held {
    /// The stop signals that it catches.
    pub(crate) fn catches(&self) -> Signals {
        self.0.pids().into_iter().map(caught_by).fold(Signals::default(), Signals::with)
    }
}

/// Tells whether there are any; in doubt there are.
pub(crate) fn are_there(scope: &Scope) -> bool {
    !matches!(still_there(scope, OnSight::Hold), Look::Nothing)
}

/// Sends TERM to all there are now.
pub(crate) fn ask_to_end(scope: &Scope) {
    if let Ok(found) = platform::find(scope, OnSight::Hold) {
        found.terminate();
    }
}

/// A process that was held by its pid at one moment.
pub(crate) struct Held(platform::Found);

/// Holds the process that has this pid now; none if there is none.
pub(crate) fn hold(pid: u32) -> Option<Held> {
    platform::hold_pid(pid).map(Held)
}

impl Held {
    /// Waits a little for its end; tells whether it is still there.
    pub(crate) fn outlives(&self, a_while: Duration) -> bool {
        !self.0.wait_for_end(Instant::now() + a_while)
    }

    /// Kills it, and leaves it to others to wait for its end.
    pub(crate) fn kill_without_waiting(&self) {
        self.0.kill();
    }
}

/// What a look has shown.
enum Look {
    Nothing,
    Found(platform::Found),
    /// The process table could not be read, for want of a descriptor for
    /// example: that must never pass for nothing.
    Unknown,
}

/// Looks twice: a process that is being born can be missed once.
fn still_there(scope: &Scope, on_sight: OnSight) -> Look {
    for _ in 0..2 {
        match platform::find(scope, on_sight) {
            Ok(found) if found.len() > 0 => return Look::Found(found),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!("The process table cannot be read: {error}");
                return Look::Unknown;
            }
        }
    }
    Look::Nothing
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::fixture::wait_until;
    use crate::marker;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    /// A process that does not hear TERM, and what finds it.
    fn stubborn() -> (Child, Scope) {
        let marker = format!("test/{}/{}", std::process::id(), fastrand::u64(..));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 0.02; done"]);
        let mut child =
            command.env(marker::RUN, &marker).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut said, &mut String::new()).unwrap();
        (child, Scope { marker, extent: Extent::Whole, groups: Vec::new() })
    }

    #[test]
    fn a_deadline_that_comes_nearer_while_it_is_waited_for_is_noticed() {
        let (mut child, scope) = stubborn();
        let began = Instant::now();
        let mut questions = 0;
        let ended = end(&scope, || {
            questions += 1;
            // This would be waited for too long, but for the third answer.
            if questions < 3 { began + Duration::from_hours(1) } else { Instant::now() }
        });
        assert_eq!(ended, Ok(()));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_process_held_by_its_pid_is_killed_and_its_pid_is_free() {
        let (mut child, _) = stubborn();
        let held = hold(child.id()).unwrap();
        held.kill_without_waiting();
        child.wait().unwrap();
        wait_until("its pid is free", || hold(child.id()).is_none());
    }
}
