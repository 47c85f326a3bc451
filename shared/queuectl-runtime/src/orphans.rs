//! Process 1 waits for the orphans of its namespace.
//!
//! In a container without an init the manager is process 1, and every process whose
//! parent has ended becomes its child. One that has ended too stays a zombie, and
//! keeps its pid, until it is waited for. Those that the manager has started itself
//! are waited for by the thread that started them, which must learn how they ended.

use crate::lock::lock;
#[cfg(target_os = "linux")]
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// How often orphans are looked for; a look costs one system call.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Children that are no orphans. Locked while one is started, so that none is ever
/// seen before it is on the list.
static OWN: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Starts a child that [`wait`] is to wait for.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut own = lock(&OWN);
    let child = command.spawn()?;
    own.push(child.id());
    Ok(child)
}

/// Waits for a child of [`spawn`].
pub(crate) fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let ended = child.wait();
    // Only now: until it is reaped, its pid is its own.
    let mut own = lock(&OWN);
    if let Some(at) = own.iter().position(|&pid| pid == child.id()) {
        own.swap_remove(at);
    }
    ended
}

/// Has orphans waited for from now on, if this is process 1. The thread ends with
/// the process.
pub(crate) fn look_after() -> io::Result<()> {
    if std::process::id() == 1 {
        thread::Builder::new().name("orphans".into()).spawn(|| {
            loop {
                reap();
                thread::park_timeout(LOOK_EVERY);
            }
        })?;
    }
    Ok(())
}

/// Namespaces of processes are Linux's own.
#[cfg(not(target_os = "linux"))]
fn reap() {}

/// Waits for all children that have ended, up to the first of this process's own.
#[cfg(target_os = "linux")]
fn reap() {
    let own = lock(&OWN);
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    while let Ok(status) = waitid(Id::All, ended | WaitPidFlag::WNOWAIT) {
        let Some(pid) = status.pid() else { return };
        if own.contains(&pid.as_raw().cast_unsigned()) || waitid(Id::Pid(pid), ended).is_err() {
            return;
        }
    }
}
