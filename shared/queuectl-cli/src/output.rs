//! What a program prints: data on standard output, words on standard error.

use crate::failure::Failure;
use crate::global::{GlobalArgs, LOG_LEVEL_VARIABLE};
use crate::logging::beginning_of_line;
use crate::table::Table;
use crate::text::escape;
use crate::typed_places::with_typed_places;
use crate::verbosity::Verbosity;
use crate::visible::Coloring;
use queuectl_service::document::said::WarningDocument;
use queuectl_service::document::write::to_string;
use rustix::event::{PollFd, PollFlags, Timespec};
use serde::Serialize;
use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};
use std::time::Duration;

/// Where a program prints, and how.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    terminal: bool,
    verbosity: Verbosity,
}

impl Output {
    /// Where to print, and how: as the flags say, then the variables.
    pub fn of(global: &GlobalArgs) -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let no_color = global.no_color || variable("NO_COLOR").is_some();
        let said = variable(LOG_LEVEL_VARIABLE);
        let level = global.log_level().map(OsStr::new).or(said.as_deref()).unwrap_or_default();
        let verbosity = if level.eq_ignore_ascii_case("DEBUG") {
            Verbosity::Verbose
        } else if level.eq_ignore_ascii_case("ERROR") {
            Verbosity::Quiet
        } else {
            Verbosity::Normal
        };
        Self::new(verbosity, if no_color { Colors::Never } else { Colors::OnTerminal })
    }

    /// Looks at standard output, and decides whether anything gets a colour.
    fn new(verbosity: Verbosity, colors: Colors) -> Self {
        let terminal = io::stdout().is_terminal();
        colored::control::set_override(terminal && colors == Colors::OnTerminal);
        Self { terminal, verbosity }
    }

    /// How many words to make.
    pub fn verbosity(self) -> Verbosity {
        self.verbosity
    }

    /// Tells whether a person is reading standard output.
    pub fn is_terminal(self) -> bool {
        self.terminal
    }

    /// How many columns a line may have; none in a pipe.
    pub fn columns(self) -> Option<usize> {
        if !self.terminal {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    }

    /// Prints a line of data as it is.
    pub fn line(self, text: impl fmt::Display) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Prints a bare value that a user has chosen: to a program as it is, to a person
    /// with what is hidden shown.
    pub fn value(self, value: &str) -> Result<(), Failure> {
        if self.terminal { self.line(escape(value)) } else { self.line(value) }
    }

    /// Whether what others have coloured may keep its colours.
    pub fn coloring(self) -> Coloring {
        if colored::control::SHOULD_COLORIZE.should_colorize() { Coloring::Kept } else { Coloring::LeftOut }
    }

    /// Prints bytes as they are, at once.
    pub fn bytes(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| Failure::of_output(&error))
    }

    /// Prints one JSON document on one line.
    pub fn json<T: Serialize>(self, document: &T) -> Result<(), Failure> {
        self.line(written(document)?)
    }

    /// Begins a JSON array whose elements come one by one.
    pub fn json_array(self) -> JsonArray {
        JsonArray { out: BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()), empty: true }
    }

    /// Prints a table that is complete.
    pub fn table(self, table: &Table) -> Result<(), Failure> {
        self.bytes(table.to_string().as_bytes())
    }

    /// Waits, at most until the reader of standard output leaves.
    #[expect(
        clippy::disallowed_methods,
        reason = "where standard output cannot be watched, only the time is left"
    )]
    pub fn pause(self, span: Duration) -> Result<(), Failure> {
        let stdout = io::stdout();
        let timespec = Timespec::try_from(span).ok();
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        match rustix::event::poll(&mut watched, timespec.as_ref()) {
            Ok(1..) if watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => {
                Err(Failure::closed_pipe())
            }
            Ok(1..) => {
                std::thread::sleep(span);
                Ok(())
            }
            // Time is up, or a signal came.
            _ => Ok(()),
        }
    }

    /// Tells whether anything is said but errors and data.
    pub(crate) fn is_read_by_a_person(self) -> bool {
        self.verbosity >= Verbosity::Normal && !Failure::is_json()
    }

    /// Says something to the person, unless they want to hear less; a program that
    /// reads JSON does not. What it leads to is at the places that were typed.
    pub fn note(self, text: impl fmt::Display) {
        self.note_as_it_is(with_typed_places(&text.to_string()));
    }

    /// The same of a line in which those places stand already.
    pub(crate) fn note_as_it_is(self, text: impl fmt::Display) {
        if self.is_read_by_a_person() {
            say(&escape(&text.to_string()));
        }
    }

    /// Warns the person, or the program that reads JSON.
    pub fn warn(self, text: impl fmt::Display) {
        if self.verbosity < Verbosity::Normal {
            return;
        }
        let warning = text.to_string();
        match to_string(&WarningDocument { warning: &warning }) {
            Ok(line) if Failure::is_json() => say(&line),
            _ => say(&format!("queuectl: warning: {}", escape(&warning))),
        }
    }
}

/// Whether anything gets a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colors {
    /// On a terminal.
    OnTerminal,
    /// Nowhere: `--no-color`, or `NO_COLOR` is set.
    Never,
}

fn written<T: Serialize>(document: &T) -> Result<String, Failure> {
    to_string(document).map_err(|error| Failure::of_document(&error))
}

/// That standard error is closed can be told nowhere.
fn say(line: &str) {
    let _ = io::stderr().write_all(format!("{}{line}\n", beginning_of_line()).as_bytes());
}

const BUFFER_BYTES: usize = 64 * 1024;

/// A JSON array on standard output, one element a line, never held in memory.
#[derive(Debug)]
pub struct JsonArray {
    out: BufWriter<StdoutLock<'static>>,
    empty: bool,
}

impl JsonArray {
    /// Prints the next element.
    pub fn push<T: Serialize>(&mut self, element: &T) -> Result<(), Failure> {
        let element = written(element)?;
        let before = if self.empty { "[\n" } else { ",\n" };
        self.empty = false;
        self.write(before)?;
        self.write(&element)
    }

    /// Prints the end of the array.
    pub fn end(mut self) -> Result<(), Failure> {
        self.write(if self.empty { "[]\n" } else { "\n]\n" })?;
        self.out.flush().map_err(|error| Failure::of_output(&error))
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes()).map_err(|error| Failure::of_output(&error))
    }
}
