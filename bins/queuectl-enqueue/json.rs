//! A job written as JSON.

use crate::draft::Draft;
use crate::lookalike;
use queuectl_cli::Failure;
use queuectl_cli::json::JOB_KEYS;
use queuectl_cli::text::{nearest, parse_duration, parse_time};
use queuectl_core::{CommandLine, JobId, NewJob, Timestamp};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Fields that mean something; the others of a printed job are what became of
/// it, and are ignored.
pub(crate) const FIELDS: [&str; 11] = [
    "id",
    "command",
    "cwd",
    "env",
    "queue",
    "priority",
    "max_retries",
    "timeout",
    "timeout_ms",
    "delay",
    "run_at",
];

/// What others call our fields.
const NAMES_OF_OTHERS: [(&str, &[&str]); 9] = [
    ("command", &["cmd", "cmdline", "command_line", "exec", "run", "script", "shell"]),
    ("id", &["job_id", "name", "key", "uuid"]),
    ("max_retries", &["retries", "retry", "max_retry", "max_attempts"]),
    ("cwd", &["dir", "folder", "workdir", "working_dir", "working_directory", "path"]),
    ("env", &["environment", "envs", "variables"]),
    ("delay", &["after", "delay_seconds", "delay_s", "wait"]),
    ("run_at", &["at", "when", "scheduled_at", "scheduled_for", "start_at", "eta"]),
    ("timeout", &["timeout_s", "timeout_seconds", "time_limit", "ttl"]),
    ("priority", &["prio", "nice", "weight"]),
];

/// What some programs put before the first character of a file.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The field of ours that others call so.
pub(crate) fn meant_by(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    NAMES_OF_OTHERS.iter().find(|(_, others)| others.contains(&name.as_str())).map(|(field, _)| *field)
}

/// Tells whether a text is a job as JSON: `{`, and the next that is not blank is
/// `"` or `}`. So `{ echo a; }` is shell text.
pub(crate) fn is_job(text: &str) -> bool {
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    let after = text.trim_start().strip_prefix('{').map(str::trim_start);
    after.is_some_and(|after| after.starts_with(['"', '}']))
}

/// Tells whether a word is what a shell leaves of one field of an unquoted job.
pub(crate) fn is_field(word: &str) -> bool {
    word.split_once(':').is_some_and(|(name, _)| FIELDS.contains(&name))
}

/// Where a job as JSON was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// On a command line, where quoting goes wrong.
    Typed,
    /// On a line of a file.
    InFile,
}

/// Understands a job written as JSON.
///
/// # Errors
///
/// What is wrong with it. It names the field.
pub(crate) fn parse(text: &str, written: Written) -> Result<Draft, Failure> {
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    let Unique(value) = serde_json::from_str(text).map_err(|error| {
        // On a command line it was asked before: it tells JSON from shell, too.
        let said = if written == Written::InFile { lookalike::refuse_line(text) } else { Ok(()) };
        said.err().unwrap_or_else(|| malformed(text, &error, written))
    })?;
    let Value::Object(fields) = value else {
        let failure = Failure::error(r#"a job is a JSON object, for example {"command":"sleep 2"}"#);
        return Err(failure.hint(hint_for(text, written)));
    };
    let mut draft = Draft::default();
    for (name, value) in &fields {
        if !FIELDS.contains(&name.as_str()) && !JOB_KEYS.contains(&name.as_str()) {
            return Err(unknown(name));
        }
        // What is null is not given.
        if !value.is_null() {
            take(&mut draft, name, value).map_err(|failure| failure.about(format!("the field {name}")))?;
        }
    }
    for (one, other) in [("timeout", "timeout_ms"), ("delay", "run_at")] {
        if [one, other].iter().all(|name| fields.get(*name).is_some_and(|value| !value.is_null())) {
            let message = format!("the fields {one} and {other} say the same thing; give one");
            return Err(Failure::error(message));
        }
    }
    Ok(draft)
}

fn take(draft: &mut Draft, name: &str, value: &Value) -> Result<(), Failure> {
    match name {
        "id" => draft.id = Some(JobId::new(text(value)?)?),
        "command" => draft.command = Some(CommandLine::new(text(value)?)?),
        "cwd" => draft.cwd = Some(PathBuf::from(text(value)?)),
        "env" => {
            let variables =
                value.as_object().ok_or_else(|| expected(r#"an object such as {"NAME":"value"}"#, value))?;
            for (name, value) in variables {
                let value = text(value).map_err(|failure| failure.about(name))?;
                draft.env.insert(name.clone(), value.to_owned());
            }
        }
        "queue" => {
            let name = JobId::new(text(value)?);
            let name =
                name.map_err(|_| expected("1 to 128 visible characters without white space", value))?;
            draft.queue = Some(name.as_str().to_owned());
        }
        "priority" => {
            let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
            draft.priority = Some(number.ok_or_else(|| expected("a whole number of 32 bits", value))?);
        }
        "max_retries" => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            let number = number.filter(|number| *number <= NewJob::MOST_RETRIES);
            let wanted = format!("a whole number from 0 to {}", NewJob::MOST_RETRIES);
            draft.max_retries = Some(number.ok_or_else(|| expected(&wanted, value))?);
        }
        "timeout" => draft.timeout = Some(span(value)?),
        "timeout_ms" => {
            let millis = value.as_u64().ok_or_else(|| expected("a whole number of milliseconds", value))?;
            let span = Duration::from_millis(millis);
            draft.timeout = Some(parse_duration(&span.as_secs_f64().to_string()).map_err(invalid)?);
        }
        "delay" => draft.delay = Some(span(value)?),
        "run_at" => draft.run_at = Some(time(value)?),
        // Of a printed job that waits for its retry the two are the same.
        "next_retry_at" => draft.run_at = draft.run_at.or(Some(time(value)?)),
        _ => {}
    }
    Ok(())
}

fn time(value: &Value) -> Result<Timestamp, Failure> {
    parse_time(text(value)?).map_err(|reason| Failure::error(format!("{reason}, not {value}")))
}

fn text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| expected("a text", value))
}

/// A duration is a text with a unit, or a number of seconds.
fn span(value: &Value) -> Result<Duration, Failure> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(expected("a duration such as \"30s\", or a number of seconds", value)),
    };
    parse_duration(&text).map_err(|reason| invalid(format!("{reason}, not {value}")))
}

fn invalid(reason: impl fmt::Display) -> Failure {
    Failure::error(reason.to_string())
}

fn expected(what: &str, found: &Value) -> Failure {
    Failure::error(format!("expected {what}, not {}", queuectl_cli::text::shorten(&found.to_string(), 60)))
}

fn unknown(name: &str) -> Failure {
    let failure = Failure::error(format!("there is no field {name:?} in a job"));
    match meant_by(name).or_else(|| nearest(name, FIELDS).first().copied()) {
        Some(meant) => failure.hint(format!("did you mean \"{meant}\"?")),
        None => failure.hint(format!("the fields are {}", FIELDS.join(", "))),
    }
}

fn malformed(text: &str, error: &serde_json::Error, written: Written) -> Failure {
    let message = error.to_string();
    // Without the place, which is told with the object and for one line.
    let reason = message.split(" at line ").next().unwrap_or_default();
    Failure::error(format!("this is not a JSON job: {reason} (column {})", error.column()))
        .hint(hint_for(text, written))
}

/// What to do with a file in which JSON is longer than a line or a list, if this is how
/// that begins: no shell can run such a line either.
pub(crate) fn hint_for_long(line: &str) -> Option<&'static str> {
    match line.trim() {
        list if list == "[" || lookalike::is_list(list) => Some(OF_LIST),
        "{" => Some(
            "a file has one job a line; make that of longer objects with `jq -c . FILE | queuectl enqueue --file -`",
        ),
        _ => None,
    }
}

const OF_LIST: &str =
    "a file has one job a line; make that of a list with `jq -c '.[]' FILE | queuectl enqueue --file -`";

fn hint_for(text: &str, written: Written) -> &'static str {
    match (written, hint_for_long(text)) {
        (Written::Typed, _) => {
            r#"put it into single quotes: '{"command":"sleep 2"}'; for a shell command that begins like this, add --shell"#
        }
        (Written::InFile, Some(long)) => long,
        (Written::InFile, None) if text.trim_start().starts_with('[') => OF_LIST,
        (Written::InFile, None) => {
            r#"each line is one job, for example {"id":"a","command":"sleep 2"}; for a file of plain shell lines add --lines"#
        }
    }
}

/// A JSON value in which no object has the same key twice.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = elements.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Unique(value))) = entries.next_entry::<String, Unique>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("the field {name:?} is there twice")));
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Draft, Failure> {
        super::parse(text, Written::Typed)
    }

    #[test]
    fn a_brace_begins_a_job_only_before_a_quote_or_a_brace() {
        for text in [r#"{"command":"x"}"#, "{}", " {\n \"a\"", "{ }", "{\""] {
            assert!(is_job(text), "{text}");
        }
        for text in ["{ echo a; }", "echo {}", "{", "[1]", "\"{\"", "{'a':1}", ""] {
            assert!(!is_job(text), "{text}");
        }
    }

    #[test]
    fn every_field_is_taken() {
        let draft = parse(
            r#"{"id":"a","command":"b","cwd":"/","env":{"A":"1"},"queue":"q","priority":-3,
                "max_retries":0,"timeout":"1m","delay":1.5}"#,
        )
        .unwrap();
        assert_eq!((draft.id.unwrap().as_str(), draft.command.unwrap().as_str()), ("a", "b"));
        assert_eq!((draft.priority, draft.max_retries), (Some(-3), Some(0)));
        assert_eq!(
            (draft.timeout, draft.delay),
            (Some(Duration::from_mins(1)), Some(Duration::from_millis(1500)))
        );
        assert_eq!(draft.env["A"], "1");
        let millis = parse(r#"{"command":"b","timeout_ms":1500}"#).unwrap().timeout;
        assert_eq!(millis, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn what_became_of_a_printed_job_is_ignored_and_null_is_not_given() {
        let draft =
            parse(r#"{"command":"b","state":"dead","attempts":4,"output":null,"id":null,"timeout_ms":null}"#);
        let draft = draft.unwrap();
        assert!(draft.id.is_none() && draft.timeout.is_none());
    }

    #[test]
    fn a_time_counts_and_so_does_that_of_a_retry() {
        let at = Some(Timestamp::from_millis(1_893_456_000_000));
        for field in ["run_at", "next_retry_at"] {
            let draft = parse(&format!(r#"{{"command":"b","{field}":"2030-01-01T00:00:00.000Z"}}"#));
            assert_eq!(draft.unwrap().run_at, at, "{field}");
        }
        let flags = Draft { delay: Some(Duration::ZERO), ..Draft::default() };
        let json = parse(r#"{"command":"b","run_at":"2030-01-01T00:00:00Z"}"#).unwrap();
        assert_eq!(flags.over(json).run_at, None, "a flag is stronger");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_job() {
        assert!(is_job("\u{feff}{\"command\":\"x\"}"));
        assert_eq!(parse("\u{feff}{\"command\":\"x\"}").unwrap().command.unwrap().as_str(), "x");
    }

    #[test]
    fn what_others_call_a_field_leads_to_ours() {
        for (theirs, ours) in
            [("cmd", "command"), ("retries", "max_retries"), ("workdir", "cwd"), ("at", "run_at")]
        {
            let failure = parse(&format!(r#"{{"{theirs}":"x"}}"#)).unwrap_err().to_string();
            assert!(failure.contains(&format!("did you mean \"{ours}\"?")), "{failure}");
        }
        for (field, _) in NAMES_OF_OTHERS {
            assert!(FIELDS.contains(&field));
        }
    }

    #[test]
    fn an_error_names_the_field() {
        for (text, part) in [
            (r#"{"command":"x","max_retires":1}"#, "max_retires"),
            (r#"{"command":"x","max_retries":-1}"#, "the field max_retries"),
            (r#"{"command":"x","max_retries":1000001}"#, "the field max_retries"),
            (r#"{"command":"x","max_retries":1.5}"#, "the field max_retries"),
            (r#"{"command":"x","max_retries":"1"}"#, "the field max_retries"),
            (r#"{"command":"x","timeout":"soon"}"#, "the field timeout"),
            (r#"{"command":"x","timeout":-1}"#, "the field timeout"),
            (r#"{"command":"x","timeout_ms":99999999999999999}"#, "the field timeout_ms"),
            (r#"{"command":"x","timeout":1,"timeout_ms":1}"#, "timeout_ms"),
            (r#"{"command":"x","delay":"5M"}"#, "5months"),
            (r#"{"command":"x","run_at":"tomorrow"}"#, "the field run_at"),
            (r#"{"command":"x","run_at":1900000000}"#, "the field run_at"),
            (r#"{"command":"x","run_at":"2030-01-01T00:00:00"}"#, "with its zone"),
            (r#"{"command":"x","run_at":"2030-01-01T00:00:00Z","delay":1}"#, "delay and run_at"),
            (r#"{"command":"x","priority":3000000000}"#, "the field priority"),
            (r#"{"command":"  "}"#, "the field command"),
            (r#"{"command":1}"#, "the field command"),
            (r#"{"id":"a b","command":"x"}"#, "the field id"),
            (r#"{"command":"x","env":{"A":1}}"#, "the field env: A"),
            (r#"{"command":"x","command":"y"}"#, "\"command\" is there twice"),
            (r#"{"command":"x","env":{"A":"1","A":"2"}}"#, "\"A\" is there twice"),
            (r#"{"command":"x"} y"#, "column"),
            (r#"{"command":"x""#, "not a JSON job"),
            ("{id:1}", "not a JSON job"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.message().contains(part), "{text}: {failure}");
        }
        let hint = parse(r#"{"command":"x","max_retires":1}"#).unwrap_err().to_string();
        assert!(hint.contains("did you mean \"max_retries\"?"), "{hint}");
    }
}
