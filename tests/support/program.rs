//! A program that is run to its end.

use super::wait::DEADLINE;
use assert_cmd::assert::Assert;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

/// Writes a script that can be run.
///
/// Another process writes it: a program that is started beside this test would inherit
/// the open file for a moment, and nobody can run what is open for writing.
pub fn write_script(path: &Path, script: &str) {
    let words = ["-c", "cat >\"$0\" && chmod 755 \"$0\""];
    let script = Stdio::from(file(script.as_bytes()));
    let status = Command::new("/bin/sh").args(words).arg(path).stdin(script).status().unwrap();
    assert!(status.success(), "{} cannot be written", path.display());
}

/// A program that is run to its end, with its output in files: what it leaves in
/// the background keeps nobody waiting.
pub struct Program {
    command: Command,
    stdin: Vec<u8>,
}

impl Program {
    pub fn new(command: Command) -> Self {
        Self { command, stdin: Vec::new() }
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub fn write_stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    /// Runs it; gives what it printed and how it ended.
    pub fn assert(mut self) -> Assert {
        let (mut stdout, mut stderr) = (file(b""), file(b""));
        self.command
            .stdin(Stdio::from(file(&self.stdin)))
            .stdout(Stdio::from(stdout.try_clone().unwrap()))
            .stderr(Stdio::from(stderr.try_clone().unwrap()));
        let mut child = self.command.spawn().unwrap();
        let (ended, waiting) = mpsc::channel();
        // A program that hangs is killed with the home it was started in.
        thread::spawn(move || ended.send(child.wait()));
        let Ok(status) = waiting.recv_timeout(DEADLINE) else {
            let said = String::from_utf8_lossy(&contents(&mut stderr)).into_owned();
            panic!("after {DEADLINE:?} {:?} has not ended; it said:\n{said}", self.command);
        };
        let output =
            Output { status: status.unwrap(), stdout: contents(&mut stdout), stderr: contents(&mut stderr) };
        Assert::new(output).append_context("command", format!("{:?}", self.command.get_args()))
    }
}

fn file(contents: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(contents).unwrap();
    file.rewind().unwrap();
    file
}

fn contents(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}
