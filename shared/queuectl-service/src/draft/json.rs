//! A job written as JSON.

use crate::draft::error::{DraftError, Written};
use crate::draft::fields::{BYTE_ORDER_MARK, probably_meant_by};
use crate::draft::lookalike;
use crate::draft::unique::Unique;
use crate::job_fields::JOB_KEYS;
use crate::job_fields::{ALTERNATIVES, Draft, Field};
use serde_json::Value;

/// Understands a job written as JSON.
///
/// # Errors
///
/// What is wrong with it. It names the field.
pub fn parse(text: &str, written: Written) -> Result<Draft, DraftError> {
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    let Unique(value) = serde_json::from_str(text).map_err(|error| {
        // On a command line it was asked before: it tells JSON from shell, too.
        let said = if written == Written::InFile { lookalike::refuse_line(text) } else { Ok(()) };
        said.err().unwrap_or_else(|| malformed(text, &error, written))
    })?;
    let Value::Object(fields) = value else {
        return Err(DraftError::NotAnObject { hint: lookalike::hint_for(text, written) });
    };
    let mut draft = Draft::default();
    for (name, value) in &fields {
        if Field::find(name).is_none() && !JOB_KEYS.contains(&name.as_str()) {
            let hint = match probably_meant_by(name) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("the fields are {}", Field::names().collect::<Vec<_>>().join(", ")),
            };
            return Err(DraftError::UnknownField { name: name.clone(), hint });
        }
        // What is null is not given.
        if !value.is_null() {
            draft.take(name, value).map_err(|problem| DraftError::Field { name: name.clone(), problem })?;
        }
    }
    for (one, other) in ALTERNATIVES {
        if [one, other].iter().all(|name| fields.get(*name).is_some_and(|value| !value.is_null())) {
            return Err(DraftError::SaidTwice { one, other });
        }
    }
    Ok(draft)
}

fn malformed(text: &str, error: &serde_json::Error, written: Written) -> DraftError {
    let message = error.to_string();
    // Without the place, which is told with the object and for one line.
    let reason = message.split(" at line ").next().unwrap_or_default().to_owned();
    DraftError::NotJson { reason, column: error.column(), hint: lookalike::hint_for(text, written) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explanation::Explanation;
    use queuectl_core::Timestamp;
    use std::time::Duration;

    fn parse(text: &str) -> Result<Draft, DraftError> {
        super::parse(text, Written::Typed)
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
        assert_eq!(parse("\u{feff}{\"command\":\"x\"}").unwrap().command.unwrap().as_str(), "x");
    }

    #[test]
    fn what_others_call_a_field_leads_to_ours() {
        for (theirs, ours) in
            [("cmd", "command"), ("retries", "max_retries"), ("workdir", "cwd"), ("at", "run_at")]
        {
            let said = Explanation::from(parse(&format!(r#"{{"{theirs}":"x"}}"#)).unwrap_err());
            assert_eq!(said.hint.unwrap(), format!("did you mean \"{ours}\"?"));
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
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        let said = Explanation::from(parse(r#"{"command":"x","max_retires":1}"#).unwrap_err());
        assert_eq!(said.hint.unwrap(), "did you mean \"max_retries\"?");
        let said = Explanation::from(parse(r#"{"command":" "}"#).unwrap_err());
        assert!(said.hint.unwrap().contains("queuectl enqueue 'make all'"), "a part says what to do");
    }
}
