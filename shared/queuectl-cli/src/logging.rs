//! The log: one line an event, on standard error.

use crate::text::escape;
use crate::verbosity::Verbosity;
use queuectl_service::dates::rfc3339;
use queuectl_settings::LogLevel;
use queuectl_store::Clock;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Begins the log of a program that runs for long: `<prefix> <message>`.
///
/// The first call counts, and must come before the store is opened. Each event
/// is one write of a whole line, so that the lines of several processes do not
/// mix; that a line could not be written can be told nowhere.
pub fn start_log(level: LogLevel, prefix: impl Into<String>) {
    start(of_settings(level), Line { prefix: prefix.into() }, io::stderr);
}

/// Has every line that is written from now on begin with its time, in UTC: those of
/// the log, and what is said beside it. For a log that is read later.
pub fn begin_lines_with_times() {
    HAVE_TIMES.store(true, Ordering::Relaxed);
}

static HAVE_TIMES: AtomicBool = AtomicBool::new(false);

/// What a line begins with: the time and a blank, or nothing.
pub(crate) fn beginning_of_line() -> String {
    if HAVE_TIMES.load(Ordering::Relaxed) {
        // Of this machine, as every log: the queue may be what is out of order.
        format!("{} ", rfc3339(Clock::of_this_machine().now()))
    } else {
        String::new()
    }
}

/// The same, but each line goes to a function: something is drawn on standard
/// error that a line must not break.
pub fn start_log_through(level: LogLevel, prefix: impl Into<String>, print: Arc<dyn Fn(&str) + Send + Sync>) {
    start(of_settings(level), Line { prefix: prefix.into() }, move || Printer(Arc::clone(&print)));
}

/// Hands each line to a function; an event is one write.
struct Printer(Arc<dyn Fn(&str) + Send + Sync>);

impl io::Write for Printer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        (self.0)(String::from_utf8_lossy(line).trim_end());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn of_settings(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

/// Begins the log of a program that does one thing and ends: only what may be a
/// mistake, unless the person wants to know more.
pub(crate) fn start_short_log(verbosity: Verbosity) {
    let level = match verbosity {
        Verbosity::Quiet => LevelFilter::ERROR,
        Verbosity::Normal => LevelFilter::WARN,
        Verbosity::Verbose => LevelFilter::DEBUG,
    };
    start(level, Line { prefix: "queuectl:".to_owned() }, io::stderr);
}

fn start<W>(level: LevelFilter, line: Line, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .event_format(line)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(writer);
    // An error means that a log was begun already.
    let _ = tracing_subscriber::registry().with(level).with(layer).try_init();
}

/// How an event is written.
struct Line {
    prefix: String,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = Message::default();
        event.record(&mut message);
        write!(writer, "{}", beginning_of_line())?;
        if HAVE_TIMES.load(Ordering::Relaxed) && !message.detail.is_empty() {
            message.text.push(' ');
            message.text.push_str(&message.detail);
        }
        writeln!(writer, "{}", line(&self.prefix, *event.metadata().level(), &message.text))
    }
}

fn line(prefix: &str, level: Level, message: &str) -> String {
    let kind = match level {
        Level::ERROR => "error: ",
        Level::WARN => "warning: ",
        _ => "",
    };
    format!("{prefix} {kind}{}", escape(message))
}

/// Gathers the message of an event, then its other fields: `name=value`.
#[derive(Default)]
struct Message {
    text: String,
    /// What only a log that is read later has: who watches sees it happen.
    detail: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => {
                let fields = std::mem::take(&mut self.text);
                write!(self.text, "{value:?}{fields}")
            }
            "detail" => write!(self.detail, "{value:?}"),
            name => write!(self.text, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_programs_prefix_and_says_what_is_wrong() {
        assert_eq!(
            line("[Worker PID 5]", Level::INFO, "Running job a..."),
            "[Worker PID 5] Running job a..."
        );
        assert_eq!(line("[Worker PID 5]", Level::WARN, "a\nb\u{1b}"), "[Worker PID 5] warning: a\\nb\\x1b");
        assert_eq!(line("[Manager PID 1]", Level::ERROR, "x"), "[Manager PID 1] error: x");
    }
}
