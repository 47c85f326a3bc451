//! Ways to keep a program from doing anything that do not show as stopped.

use crate::support::wait_until;
use crate::support::{DEADLINE, alive, send};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A process that does nothing until this is dropped.
pub enum Hang {
    /// The kernel lets none of its threads run.
    Frozen(PathBuf),
    /// A tracer that was stopped itself keeps every thread but the first in its next
    /// system call.
    Traced(Child),
}

impl Hang {
    /// Freezes a process, and nothing that it has started.
    pub fn freeze(pid: i32) -> Self {
        let folder = Path::new("/sys/fs/cgroup/freezer").join(format!("queuectl-test-{pid}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("cgroup.procs"), pid.to_string()).unwrap();
        fs::write(folder.join("freezer.state"), "FROZEN").unwrap();
        wait_until(DEADLINE, "it is frozen", || {
            fs::read_to_string(folder.join("freezer.state")).unwrap().trim() == "FROZEN"
        });
        Self::Frozen(folder)
    }

    /// Has all threads but the first wait for a tracer that does nothing.
    pub fn trace(pid: i32) -> Self {
        let threads: Vec<String> = fs::read_dir(format!("/proc/{pid}/task"))
            .unwrap()
            .map(|thread| thread.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|thread| *thread != pid.to_string())
            .collect();
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null"]);
        for thread in &threads {
            strace.args(["-p", thread]);
        }
        let tracer = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let is_traced = |thread: &String| {
            let status = fs::read_to_string(format!("/proc/{pid}/task/{thread}/status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        wait_until(DEADLINE, "its threads are traced", || threads.iter().all(is_traced));
        send(tracer.id().cast_signed(), Signal::SIGSTOP);
        assert!(alive(pid));
        Self::Traced(tracer)
    }
}

impl Drop for Hang {
    fn drop(&mut self) {
        match self {
            Self::Frozen(folder) => {
                let _gone = fs::write(folder.join("freezer.state"), "THAWED");
                wait_until(DEADLINE, "it has left the freezer", || fs::remove_dir(&folder).is_ok());
            }
            Self::Traced(tracer) => {
                let _gone = tracer.kill();
                let _gone = tracer.wait();
            }
        }
    }
}
