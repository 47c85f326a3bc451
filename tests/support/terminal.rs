//! A program that a person runs in a terminal.

use super::wait::{DEADLINE, wait_until};
use nix::pty::openpty;
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;

/// Runs a program to its end with its output on a terminal; gives what it would draw
/// there, with plain line ends.
pub fn on_a_terminal(mut command: Command) -> String {
    let terminal = openpty(None, None).unwrap();
    let mut drawn = File::from(terminal.master);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::from(terminal.slave.try_clone().unwrap()))
        .stderr(File::from(terminal.slave))
        .spawn()
        .unwrap();
    // It holds the other end of the terminal, which must close with the program.
    drop(command);
    let reading = thread::spawn(move || {
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        // A terminal nobody has open any more cannot be read.
        while let Ok(length @ 1..) = drawn.read(&mut piece) {
            bytes.extend_from_slice(&piece[..length]);
        }
        bytes
    });
    wait_until(DEADLINE, "the program has ended", || child.try_wait().unwrap().is_some());
    String::from_utf8(reading.join().unwrap()).unwrap().replace("\r\n", "\n")
}
