//! Finding and ending all that a job has started.
//!
//! A process is a job's if it inherited the job's marker, or if it is in the
//! group that was made for the job, inside its worker's session. Signals go
//! through a pidfd that was opened before the second look, so that a pid that
//! was reused in between is never hit.

use std::time::{Duration, Instant};

/// Which processes are meant.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// `QUEUECTL_RUN` begins with this …
    pub(crate) marker: String,
    /// … and goes on, or must end there.
    pub(crate) extent: Extent,
    /// Session and group of processes that belong here even without the marker.
    pub(crate) groups: Vec<(u32, u32)>,
}

/// How much of the marker must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: one attempt.
    Whole,
    /// Its beginning: all attempts of a worker.
    Beginning,
}

/// What is done with a process at the moment it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnSight {
    /// It is held, for whatever comes next.
    Hold,
    /// It is killed: each that forks and exits would be gone at the end of the look.
    Kill,
}

/// Some processes were still there at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{left} processes could not be ended")]
pub struct StillThere {
    /// How many.
    pub left: usize,
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
                found.len()
            }
            Look::Unknown => {
                platform::pause();
                1
            }
        };
        if Instant::now() >= deadline {
            return Err(StillThere { left });
        }
    }
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

#[cfg(target_os = "linux")]
mod platform {
    use super::{Extent, OnSight, Scope};
    use crate::marker;
    use nix::sys::signal::{Signal as KillSignal, killpg};
    use nix::unistd::{Pid, getpgid, getsid};
    use queuectl_store::machine;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::collections::HashMap;
    use std::fs::{self, File};
    use std::io::{self, Read};
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Instant;

    /// Processes that were found, each held by a pidfd.
    pub(super) struct Found(Vec<OwnedFd>);

    /// Where somebody is born during each pass, a look ends after so many in a row
    /// that found nobody who belongs; a pass takes less time than a process.
    const MOST_PASSES: u32 = 8;

    /// A process without an environment is asked so often: it may be about to get
    /// one, between the two halves of an exec.
    const MOST_QUESTIONS: u8 = 4;

    /// Whether a process is meant.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Belongs {
        Yes,
        No,
        /// It is in the middle of an exec, or has no environment at all.
        Unclear,
    }

    /// Looks at every process, and again at those that were born meanwhile, until a
    /// pass finds nobody new: a chain of processes that each fork and exit would
    /// pass a single one unseen.
    pub(super) fn find(scope: &Scope, on_sight: OnSight) -> io::Result<Found> {
        let own = std::process::id().cast_signed();
        let mut environment = Vec::with_capacity(16 * 1024);
        let mut found = Vec::new();
        let mut asked: HashMap<i32, u8> = HashMap::new();
        let mut passes_left = MOST_PASSES;
        while passes_left > 0 {
            passes_left -= 1;
            let mut somebody_new = false;
            for entry in fs::read_dir("/proc")? {
                let name = entry?.file_name();
                let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
                let questions = asked.entry(pid).or_insert(0);
                if pid == own || *questions >= MOST_QUESTIONS {
                    continue;
                }
                somebody_new = true;
                match hold(scope, pid, &mut environment) {
                    Ok((Belongs::Unclear, _)) => *questions += 1,
                    Ok((_, held)) => {
                        *questions = MOST_QUESTIONS;
                        if let Some(process) = held {
                            if on_sight == OnSight::Kill {
                                let _gone = pidfd_send_signal(&process, Signal::KILL);
                                passes_left = MOST_PASSES;
                            }
                            found.push(process);
                        }
                    }
                    // Out of descriptors: end those that are held, and look again.
                    Err(_) if !found.is_empty() => return Ok(Found(found)),
                    Err(error) => return Err(error),
                }
            }
            let is_answered = on_sight == OnSight::Hold && !found.is_empty();
            if !somebody_new || is_answered {
                break;
            }
        }
        Ok(Found(found))
    }

    /// Opens a pidfd if the process belongs to the scope, and looks again: only
    /// if it is still so, the pidfd leads to the process that was meant.
    fn hold(scope: &Scope, pid: i32, environment: &mut Vec<u8>) -> io::Result<(Belongs, Option<OwnedFd>)> {
        let belongs = belongs(scope, pid, environment)?;
        if belongs != Belongs::Yes {
            return Ok((belongs, None));
        }
        let Some(number) = rustix::process::Pid::from_raw(pid) else { return Ok((Belongs::No, None)) };
        let process = match pidfd_open(number, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(Errno::SRCH) => return Ok((Belongs::No, None)),
            Err(error) => return Err(error.into()),
        };
        if has_ended(&process, Some(&Timespec::default())) {
            return Ok((Belongs::No, None));
        }
        let belongs = self::belongs(scope, pid, environment)?;
        Ok((belongs, (belongs == Belongs::Yes).then_some(process)))
    }

    /// Holds one process by its pid.
    pub(super) fn hold_pid(pid: u32) -> Option<Found> {
        let pid = rustix::process::Pid::from_raw(pid.cast_signed())?;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(|process| Found(vec![process]))
    }

    /// Ends every member of the groups that surely are ours: their first process
    /// is not reaped, so that their numbers cannot be anybody else's.
    pub(super) fn kill_own_groups(scope: &Scope) {
        if scope.extent == Extent::Whole {
            for &(_, group) in &scope.groups {
                let _nobody_there = killpg(Pid::from_raw(group.cast_signed()), KillSignal::SIGKILL);
            }
        }
    }

    /// A short wait for whatever makes the process table unreadable to pass.
    pub(super) fn pause() {
        let _time_is_up = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
    }

    fn belongs(scope: &Scope, pid: i32, environment: &mut Vec<u8>) -> io::Result<Belongs> {
        if is_in_group(scope, pid) { Ok(Belongs::Yes) } else { is_marked(scope, pid, environment) }
    }

    fn is_in_group(scope: &Scope, pid: i32) -> bool {
        let pid = Some(Pid::from_raw(pid));
        let number = |id: nix::Result<Pid>| id.map_or(0, |id| id.as_raw().cast_unsigned());
        !scope.groups.is_empty() && {
            let group = number(getpgid(pid));
            let session = number(getsid(pid));
            scope.groups.iter().any(|&(ours, theirs)| theirs == group && ours == session && is_ours(ours))
        }
    }

    /// Tells whether a session is the one that a worker began. While one of its
    /// processes is left, nobody else gets its number as a pid: so a process that
    /// has this pid, and is not the worker, leads another session of that number.
    fn is_ours(session: u32) -> bool {
        // A dead worker may still wait to be reaped.
        session == std::process::id() || matches!(machine::process_state(session), None | Some('Z' | 'X'))
    }

    /// A process between fork and exec has its parent's environment, a zombie none.
    fn is_marked(scope: &Scope, pid: i32, environment: &mut Vec<u8>) -> io::Result<Belongs> {
        environment.clear();
        let read =
            File::open(format!("/proc/{pid}/environ")).and_then(|mut file| file.read_to_end(environment));
        if let Err(error) = read {
            return match Errno::from_io_error(&error) {
                // It is gone, or it is somebody else's.
                Some(Errno::NOENT | Errno::SRCH | Errno::ACCESS | Errno::PERM) => Ok(Belongs::No),
                _ => Err(error),
            };
        }
        if environment.is_empty() {
            // Neither zombies nor the kernel's own threads run a program.
            let runs_a_program = fs::read_link(format!("/proc/{pid}/exe")).is_ok();
            return Ok(if runs_a_program { Belongs::Unclear } else { Belongs::No });
        }
        let run = environment
            .split(|&byte| byte == 0)
            .find_map(|variable| variable.strip_prefix(marker::RUN.as_bytes())?.strip_prefix(b"="));
        let belongs = run.is_some_and(|run| match scope.extent {
            Extent::Whole => run == scope.marker.as_bytes(),
            Extent::Beginning => run.starts_with(scope.marker.as_bytes()),
        });
        Ok(if belongs { Belongs::Yes } else { Belongs::No })
    }

    /// Waits for the end of a process, without a limit if there is no timeout.
    fn has_ended(process: &OwnedFd, timeout: Option<&Timespec>) -> bool {
        let mut ended = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
        // What cannot be asked is looked for again.
        poll(&mut ended, timeout).is_ok_and(|count| count > 0)
    }

    impl Found {
        pub(super) fn len(&self) -> usize {
            self.0.len()
        }

        pub(super) fn terminate(&self) {
            self.send(Signal::TERM);
            // A stopped process would not hear it.
            self.send(Signal::CONT);
        }

        pub(super) fn kill(&self) {
            self.send(Signal::KILL);
        }

        fn send(&self, signal: Signal) {
            for process in &self.0 {
                // Gone already is as good.
                let _gone = pidfd_send_signal(process, signal);
            }
        }

        /// Tells whether all of them ended in time.
        pub(super) fn wait_for_end(&self, deadline: Instant) -> bool {
            self.0.iter().all(|process| {
                let left = deadline.saturating_duration_since(Instant::now());
                has_ended(process, Timespec::try_from(left).ok().as_ref())
            })
        }
    }
}

/// Without a process table to read, a job is its process group: what leaves the
/// group is not found.
#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{OnSight, Scope};
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;
    use std::time::{Duration, Instant};

    pub(super) struct Found(Vec<Pid>);

    pub(super) fn find(scope: &Scope, _on_sight: OnSight) -> std::io::Result<Found> {
        let groups = scope.groups.iter().map(|&(_, group)| Pid::from_raw(group.cast_signed()));
        Ok(Found(groups.filter(|&group| killpg(group, None).is_ok()).collect()))
    }

    /// A worker leads a group of its own.
    pub(super) fn hold_pid(pid: u32) -> Option<Found> {
        let group = Pid::from_raw(pid.cast_signed());
        killpg(group, None).is_ok().then(|| Found(vec![group]))
    }

    /// The groups are all that is ever found here.
    pub(super) fn kill_own_groups(_scope: &Scope) {}

    pub(super) fn pause() {}

    impl Found {
        pub(super) fn len(&self) -> usize {
            self.0.len()
        }

        pub(super) fn terminate(&self) {
            self.send(Signal::SIGTERM);
            self.send(Signal::SIGCONT);
        }

        pub(super) fn kill(&self) {
            self.send(Signal::SIGKILL);
        }

        fn send(&self, signal: Signal) {
            for &group in &self.0 {
                let _gone = killpg(group, signal);
            }
        }

        #[expect(
            clippy::disallowed_methods,
            reason = "without pidfds there is nothing to wait for but the time"
        )]
        pub(super) fn wait_for_end(&self, deadline: Instant) -> bool {
            loop {
                if self.0.iter().all(|&group| killpg(group, None).is_err()) {
                    return true;
                }
                if Instant::now() >= deadline {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
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
            // Nobody would wait for so long, but for the third answer.
            if questions < 3 { began + Duration::from_hours(1) } else { Instant::now() }
        });
        assert_eq!(ended, Ok(()));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_process_held_by_its_pid_is_killed_and_its_pid_is_nobodys() {
        let (mut child, _) = stubborn();
        let held = hold(child.id()).unwrap();
        held.kill_without_waiting();
        child.wait().unwrap();
        wait_until("its pid is free", || hold(child.id()).is_none());
    }
}
