//! How a text is told to be a job as JSON, and which field is meant by a name.

use crate::job_fields::{FIELDS, Field};
use queuectl_core::nearest;

/// What some programs put before the first character of a file.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// The field of ours that others call so.
pub(crate) fn meant_by(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    FIELDS.into_iter().find(|field| field.others.contains(&name.as_str())).map(|field| field.name)
}

/// The field that was probably meant by a name that is none.
pub(crate) fn probably_meant_by(name: &str) -> Option<&'static str> {
    meant_by(name).or_else(|| nearest(name, Field::names()).first().copied())
}

/// Tells whether a text is a job as JSON: `{`, and the next that is not blank is
/// `"` or `}`. So `{ echo a; }` is shell text.
pub fn is_job(text: &str) -> bool {
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    let after = text.trim_start().strip_prefix('{').map(str::trim_start);
    after.is_some_and(|after| after.starts_with(['"', '}']))
}

/// Tells whether a word is what a shell leaves of one field of an unquoted job.
pub fn is_field(word: &str) -> bool {
    word.split_once(':').is_some_and(|(name, _)| Field::find(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brace_begins_a_job_only_before_a_quote_or_a_brace() {
        for text in [r#"{"command":"x"}"#, "{}", " {\n \"a\"", "{ }", "{\"", "\u{feff}{\"command\":\"x\"}"] {
            assert!(is_job(text), "{text}");
        }
        for text in ["{ echo a; }", "echo {}", "{", "[1]", "\"{\"", "{'a':1}", ""] {
            assert!(!is_job(text), "{text}");
        }
    }

    #[test]
    fn what_others_call_a_field_leads_to_ours() {
        assert_eq!(probably_meant_by("workdir"), Some("cwd"));
        assert_eq!(probably_meant_by("max_retires"), Some("max_retries"));
        assert_eq!(probably_meant_by("colour"), None);
    }
}
