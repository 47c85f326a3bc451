//! A terminal: a pseudo-terminal of a given width in which a program runs.

use super::wait::{DEADLINE, wait_until};
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use unicode_width::UnicodeWidthStr;

/// A program that runs in a terminal; killed when dropped.
pub struct Terminal {
    columns: u16,
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    keyboard: File,
}

impl Terminal {
    /// Runs a program in a terminal of so many columns.
    pub fn run(mut command: Command, columns: u16) -> Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).unwrap();
        let slave = || Stdio::from(terminal.slave.try_clone().unwrap());
        let child = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
        drop(command);
        drop(terminal.slave);
        let keyboard = File::from(terminal.master.try_clone().unwrap());
        let written = Arc::new(Mutex::new(Vec::new()));
        let reader = {
            let (written, mut master) = (Arc::clone(&written), File::from(terminal.master));
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                // Linux tells the end of a terminal by an error.
                while let Ok(count @ 1..) = master.read(&mut buffer) {
                    written.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..count]);
                }
            })
        };
        Self { columns, child, written, reader: Some(reader), keyboard }
    }

    /// Types this when the program has written a question.
    pub fn answer(&mut self, question: &str, answer: &str) {
        wait_until(DEADLINE, question, || self.written().contains(question));
        self.keyboard.write_all(answer.as_bytes()).unwrap();
    }

    /// What the program has written so far, with its escape sequences.
    pub fn written(&self) -> String {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&written).into_owned()
    }

    /// Waits until the program has ended.
    pub fn wait(mut self) -> Shown {
        let mut status = None;
        wait_until(DEADLINE, &format!("the program has ended; it wrote:\n{}", self.written()), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        // What it has left in the background may hold the terminal.
        let reader = self.reader.take().unwrap();
        wait_until(DEADLINE, "everything is read", || reader.is_finished());
        Shown { columns: self.columns, status: status.unwrap(), written: self.written() }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone_is_fine = self.child.kill();
        let _gone_is_fine = self.child.wait();
    }
}

/// What a program has shown in a terminal.
pub struct Shown {
    columns: u16,
    pub status: ExitStatus,
    /// As it was written, with its escape sequences.
    pub written: String,
}

impl Shown {
    /// Every line that was shown, without escape sequences; a line that was drawn
    /// again counts again.
    pub fn lines(&self) -> Vec<String> {
        let plain = without_escapes(&self.written);
        plain.split(['\n', '\r']).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Asserts that no line was wider than the terminal.
    pub fn assert_nothing_wraps(&self) {
        for line in self.lines() {
            assert!(line.width() <= usize::from(self.columns), "{} columns:\n{line}", self.columns);
        }
    }

    /// Asserts that the program has ended well.
    pub fn assert_success(self) -> Self {
        assert!(self.status.success(), "{}:\n{}", self.status, self.written);
        self
    }
}

/// Leaves out what moves the cursor or changes a colour.
fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            plain.push(character);
        } else if characters.next_if_eq(&'[').is_some() {
            while characters.next_if(|next| !('@'..='~').contains(next)).is_some() {}
            characters.next();
        }
    }
    plain
}
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
