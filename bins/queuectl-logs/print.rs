//! Prints pieces of output.

use queuectl_cli::json::OutputDocument;
use queuectl_cli::{Context, Failure, JsonArray, Output, each_part};
use queuectl_core::{Lease, Stream};
use queuectl_store::{OutputPart, Store};

/// How pieces are printed.
enum Form {
    /// As they are.
    Bytes,
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
}

impl Printer {
    /// For output that is complete.
    pub(crate) fn all(cx: &Context, stream: Option<Stream>, json: bool) -> Self {
        let out = cx.output();
        let form = if json { Form::Array(out.json_array()) } else { Form::Bytes };
        Self { out, stream, form, attempt: 1 }
    }

    /// For output that is still being written.
    pub(crate) fn lines(cx: &Context, stream: Option<Stream>, json: bool) -> Self {
        Self { out: cx.output(), stream, form: if json { Form::Lines } else { Form::Bytes }, attempt: 1 }
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
            Form::Lines => self.out.json(&OutputDocument::new(self.attempt, part)),
            Form::Array(array) => array.push(&OutputDocument::new(self.attempt, part)),
        }
    }

    /// Ends what must be ended.
    pub(crate) fn end(self) -> Result<(), Failure> {
        match self.form {
            Form::Array(array) => array.end(),
            Form::Bytes | Form::Lines => Ok(()),
        }
    }
}
