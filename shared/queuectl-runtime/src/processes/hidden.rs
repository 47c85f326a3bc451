//! Processes whose environment cannot be read, by their stamps and their parents.

use crate::processes::environment::{Belongs, read_environment, run_in};
use crate::processes::scope::{Extent, Scope};
use crate::stamp::Stamp;
use queuectl_store::machine::{self, ProcessStat};

/// No process has more ancestors that are looked at.
const MOST_ANCESTORS: u32 = 64;

/// Tells whether a process is meant that hides its environment.
pub(super) fn belongs(scope: &Scope, pid: i32) -> Belongs {
    let is_meant = match scope.extent {
        Extent::Beginning => {
            Stamp::of_process(pid).is_some_and(|stamp| stamp.worker() == Stamp::of_worker(&scope.marker))
        }
        Extent::Whole => is_of_attempt(scope, pid),
    };
    if is_meant { Belongs::Yes } else { Belongs::No }
}

fn is_of_attempt(scope: &Scope, pid: i32) -> bool {
    let meant = Stamp::of_attempt(&scope.marker);
    let shell = scope.groups.first().map(|&(_, shell)| shell.cast_signed());
    // The shell is not reaped as long as its attempt is not over.
    let Some((shell, since)) = shell.and_then(|shell| Some((shell, stat(shell)?.began_at_ticks))) else {
        return Stamp::of_process(pid) == Some(meant);
    };
    // Most processes that hide their environment are much older, and the system's.
    if stat(pid).is_none_or(|process| process.began_at_ticks < since) {
        return false;
    }
    match Stamp::of_process(pid) {
        Some(stamp) if stamp == meant => true,
        // Its ancestors were started before the shell got its stamp.
        Some(stamp) if stamp == meant.worker() => {
            // Of an orphan nothing more is known than that the attempt may have started
            // it: it is ended, so that no job runs beside what may be its own.
            descends(scope, pid, shell, meant).unwrap_or(true)
        }
        Some(_) => false,
        // Where limits say nothing, only living parents do.
        None => descends(scope, pid, shell, meant).unwrap_or(false),
    }
}

/// Tells whether a process descends from an attempt; none if no ancestor says so.
fn descends(scope: &Scope, pid: i32, shell: i32, meant: Stamp) -> Option<bool> {
    let own = std::process::id().cast_signed();
    let mut environment = Vec::new();
    let mut parent = stat(pid)?.parent.cast_signed();
    for _ in 0..MOST_ANCESTORS {
        if parent == shell {
            return Some(true);
        }
        if parent <= 1 || parent == own {
            return None;
        }
        if read_environment(parent, &mut environment).is_ok()
            && let Some(run) = run_in(&environment)
        {
            return Some(run == scope.marker.as_bytes());
        }
        if let Some(stamp) = Stamp::of_process(parent).filter(|&stamp| stamp != meant.worker()) {
            return Some(stamp == meant);
        }
        parent = stat(parent)?.parent.cast_signed();
    }
    None
}

fn stat(pid: i32) -> Option<ProcessStat> {
    machine::process_stat(pid.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_younger_than_its_parent_and_knows_it() {
        let own = std::process::id().cast_signed();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let (parent, young) = (stat(own).unwrap(), stat(child.id().cast_signed()).unwrap());
        assert_eq!(young.parent.cast_signed(), own);
        assert!(young.began_at_ticks >= parent.began_at_ticks && parent.began_at_ticks > 0);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
