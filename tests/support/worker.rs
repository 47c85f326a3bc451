//! A `worker start` in another terminal.

use super::processes::kill_marked;
use super::wait::{DEADLINE, wait_until};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A program in the background, the first of its own process group; killed
/// with all that it started when dropped.
pub struct Worker {
    child: Child,
    marker: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Worker {
    /// Starts a program; what it says goes into files of this name.
    pub fn start(mut command: Command, files: &PathBuf) -> Self {
        let marker = format!("TEST_WORKER={}", files.display());
        let (stdout, stderr) = (files.with_extension("out"), files.with_extension("err"));
        let child = command
            .env("TEST_WORKER", files)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, marker, stdout, stderr }
    }

    /// The process that was started: the manager.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Sends a signal to the manager alone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Does what a terminal does at Ctrl+C: SIGINT to the whole foreground group.
    pub fn press_control_c(&self) {
        killpg(Pid::from_raw(self.pid()), Signal::SIGINT).unwrap();
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout).unwrap_or_default()).into_owned()
    }

    /// Waits until it has said something.
    pub fn wait_until_it_says(&self, text: &str) {
        wait_until(DEADLINE, &format!("it says {text:?}; so far:\n{}", self.said()), || {
            self.said().contains(text)
        });
    }

    /// Tells whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_until(DEADLINE, &format!("the program has ended; it said:\n{}", self.said()), || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// Waits until it has ended well.
    pub fn wait_for_success(&mut self) {
        let status = self.wait();
        assert!(status.success(), "{status}; it said:\n{}", self.said());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("A worker of the failed test has said:\n{}", self.said());
        }
        let _gone_is_fine = self.child.kill();
        let _gone_is_fine = self.child.wait();
        kill_marked(&self.marker);
    }
}
