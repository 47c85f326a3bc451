//! The values that fields of a job can have in JSON.

use crate::amounts::{InvalidAmount, parse_duration};
use crate::dates::parse_time;
use crate::draft::error::FieldProblem;
use crate::words::cut;
use queuectl_core::{NewJob, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// So much is shown of a value that is none.
const MOST_CHARACTERS: usize = 60;

pub(crate) fn text(value: &Value) -> Result<&str, FieldProblem> {
    value.as_str().ok_or_else(|| expected("a text", value))
}

/// A yes or no.
pub(crate) fn flag(value: &Value) -> Result<bool, FieldProblem> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

/// Variables: an object of texts.
pub(crate) fn variables(value: &Value) -> Result<BTreeMap<String, String>, FieldProblem> {
    let object = value.as_object().ok_or_else(|| expected(r#"an object such as {"NAME":"value"}"#, value))?;
    let variable = |(name, value): (&String, &Value)| match text(value) {
        Ok(value) => Ok((name.clone(), value.to_owned())),
        Err(problem) => Err(FieldProblem::Variable { name: name.clone(), problem: Box::new(problem) }),
    };
    object.iter().map(variable).collect()
}

/// A priority.
pub(crate) fn number(value: &Value) -> Result<i32, FieldProblem> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| expected("a whole number of 32 bits", value))
}

/// A number of retries.
pub(crate) fn retries(value: &Value) -> Result<u32, FieldProblem> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| *number <= NewJob::MOST_RETRIES);
    let wanted = format!("a whole number from 0 to {}", NewJob::MOST_RETRIES);
    number.ok_or_else(|| expected(&wanted, value))
}

/// A point in time with its zone.
pub(crate) fn time(value: &Value) -> Result<Timestamp, FieldProblem> {
    parse_time(text(value)?).map_err(|expected| FieldProblem::NoTime { expected, found: value.to_string() })
}

/// A duration is a text with a unit, or a number of seconds.
pub(crate) fn span(value: &Value) -> Result<Duration, FieldProblem> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(expected("a duration such as \"30s\", or a number of seconds", value)),
    };
    parse_duration(&text).map_err(|reason| FieldProblem::NoDuration { reason, found: value.to_string() })
}

/// A whole number of milliseconds.
pub(crate) fn milliseconds(value: &Value) -> Result<Duration, FieldProblem> {
    let millis = value.as_u64().ok_or_else(|| expected("a whole number of milliseconds", value))?;
    let checked: Result<Duration, InvalidAmount> =
        parse_duration(&Duration::from_millis(millis).as_secs_f64().to_string());
    Ok(checked?)
}

pub(crate) fn expected(what: &str, found: &Value) -> FieldProblem {
    let found = cut(&found.to_string(), MOST_CHARACTERS).into_owned();
    FieldProblem::Expected { what: what.to_owned(), found }
}
