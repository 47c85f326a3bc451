//! Prints pieces of output.

use queuectl_cli::{Context, Failure, JsonArray, Output, Visible};
use queuectl_core::{Lease, Stream};
use queuectl_service::document::attempt::OutputDocument;
use queuectl_service::pages::each_part;
use queuectl_store::{OutputPart, Store};

/// How pieces are printed.
enum Form {
    /// As they are.
    Bytes,
    /// Safe for a terminal; each stream by itself, since a piece may end anywhere.
    Visible(Box<[Visible; 2]>),
    /// A document a line.
    Lines,
    /// One array.
    Array(JsonArray),
}

/// Prints pieces of output of one stream, or of both in the order of writing.
pub(crate) struct Printer {
    out: Output,
    stream: Option<Stream>,
    form: Form,
    /// The number of the attempt that is printed.
    attempt: usize,
    /// Whether the terminal stands in the middle of a line.
    within_line: bool,
}

impl Printer {
    /// For output that is complete.
    pub(crate) fn all(cx: &Context, stream: Option<Stream>, as_what: As) -> Self {
        let out = cx.output();
        let form = if as_what == As::Json { Form::Array(out.json_array()) } else { Form::of(out, as_what) };
        Self { out, stream, form, attempt: 1, within_line: false }
    }

    /// For output that is still being written.
    pub(crate) fn lines(cx: &Context, stream: Option<Stream>, as_what: As) -> Self {
        let out = cx.output();
        Self { out, stream, form: Form::of(out, as_what), attempt: 1, within_line: false }
    }

    /// Has what comes next be that of the attempt of this number.
    pub(crate) fn begin(&mut self, attempt: usize) {
        self.attempt = attempt;
    }

    /// Prints an attempt's output from part `from` on; gives the part that comes next.
    pub(crate) fn print_from(
        &mut self,
        store: &mut dyn Store,
        lease: Lease,
        from: i64,
    ) -> Result<i64, Failure> {
        if from == 0 {
            // What another attempt has begun does not go on here.
            self.end_streams()?;
        }
        let mut next = from;
        each_part(store, lease, from, |part| {
            if part.n > next {
                self.out.note("… output dropped here: there was more than output-limit");
            }
            next = part.n + 1;
            self.print(part)
        })
    }

    fn print(&mut self, part: &OutputPart) -> Result<(), Failure> {
        if self.stream.is_some_and(|wanted| wanted != part.stream) {
            return Ok(());
        }
        match &mut self.form {
            Form::Bytes => self.out.bytes(&part.bytes),
            Form::Visible(streams) => {
                let visible = &mut streams[usize::from(part.stream == Stream::Stderr)];
                let shown = visible.next(&part.bytes);
                self.on_terminal(&shown)
            }
            Form::Lines => self.out.json(&OutputDocument::new(self.attempt, part)),
            Form::Array(array) => array.push(&OutputDocument::new(self.attempt, part)),
        }
    }

    /// Ends what must be ended.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        self.end_streams()?;
        match self.form {
            Form::Array(array) => array.end(),
            Form::Visible(_) | Form::Bytes | Form::Lines => Ok(()),
        }
    }

    /// Has what is said next to the person begin a line of its own.
    pub(crate) fn end_line(&mut self) -> Result<(), Failure> {
        self.end_streams()?;
        if self.within_line { self.on_terminal("\n") } else { Ok(()) }
    }

    fn end_streams(&mut self) -> Result<(), Failure> {
        let Form::Visible(streams) = &mut self.form else { return Ok(()) };
        let shown: String = streams.iter_mut().map(Visible::end).collect();
        self.on_terminal(&shown)
    }

    fn on_terminal(&mut self, shown: &str) -> Result<(), Failure> {
        if let Some(last) = shown.chars().next_back() {
            self.within_line = last != '\n';
        }
        self.out.bytes(shown.as_bytes())
    }
}

/// As what a person wants output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// As text: safe where a person reads it, byte for byte where a program does.
    Text,
    /// Byte for byte everywhere.
    Raw,
    /// As documents.
    Json,
}

impl Form {
    fn of(out: Output, as_what: As) -> Self {
        match as_what {
            As::Json => Self::Lines,
            As::Text if out.is_terminal() => {
                let visible = || Visible::new(out.coloring());
                Self::Visible(Box::new([visible(), visible()]))
            }
            As::Text | As::Raw => Self::Bytes,
        }
    }
}
