//! What looks like a job as JSON to a person, and like a strange command to a shell.
//!
//! No shell can run any of it, so it is refused at once and not after its retries.

use crate::draft::error::{DraftError, Written};
use crate::draft::fields::{is_job, meant_by};
use crate::job_fields::Field;

const TYPED: &str = r#"put JSON into single quotes, with straight double quotes in it: '{"command":"sleep 2"}'; for a shell command that begins like this, add --shell"#;

const IN_FILE: &str = r#"a line of JSON has straight double quotes, {"id":"a","command":"sleep 2"}, and is read without --lines"#;

const STRAIGHT: &str = "type straight quotes: ' or \"";

/// Why a text is refused, and what to do about it on a command line, if not as always.
type Reason = (&'static str, Option<&'static str>);

/// Refuses a text that was meant as JSON, or typed in a word processor.
///
/// `{ echo a; }` and `[ -e x ]` are shell: a blank follows the bracket there.
///
/// # Errors
///
/// [`DraftError::Lookalike`].
pub fn refuse(text: &str, written: Written) -> Result<(), DraftError> {
    let Some((reason, hint)) = why(text.trim()) else { return Ok(()) };
    let hint = match written {
        Written::Typed => hint.unwrap_or(TYPED),
        Written::InFile if hint == Some(STRAIGHT) => STRAIGHT,
        Written::InFile => IN_FILE,
    };
    Err(DraftError::Lookalike { reason, hint })
}

/// Refuses a line of a file, of either kind, that only looks like a job.
pub(crate) fn refuse_line(line: &str) -> Result<(), DraftError> {
    if line.trim().contains('\r') {
        return Err(DraftError::CarriageReturn);
    }
    // A list is told as one by what reads the line.
    if line.trim_start().starts_with('[') { Ok(()) } else { refuse(line, Written::InFile) }
}

/// Tells whether a text is a JSON list, and no test as `[ -e x ]`.
fn is_list(text: &str) -> bool {
    text.trim().strip_prefix('[').is_some_and(|inside| why_no_list(inside).is_some())
}

/// What to do with a file in which JSON is longer than a line or a list, if this is how
/// that begins: no shell can run such a line either.
pub(crate) fn hint_for_long(line: &str) -> Option<&'static str> {
    match line.trim() {
        list if list == "[" || is_list(list) => Some(OF_LIST),
        "{" => Some(
            "a file has one job a line; make that of longer objects with `jq -c . FILE | queuectl enqueue --file -`",
        ),
        _ => None,
    }
}

const OF_LIST: &str =
    "a file has one job a line; make that of a list with `jq -c '.[]' FILE | queuectl enqueue --file -`";

/// What to do about a text that was to be a job as JSON.
pub(crate) fn hint_for(text: &str, written: Written) -> &'static str {
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

fn why(text: &str) -> Option<Reason> {
    if text.starts_with(is_curly) {
        return Some(("the command begins with a curly quote, which no shell knows", Some(STRAIGHT)));
    }
    // Quotes that another program has not taken off.
    let inside = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    let inside = inside.or_else(|| text.strip_prefix('"').and_then(|text| text.strip_suffix('"')));
    if inside.is_some_and(|inside| is_job(inside) || has_backslashes(inside)) {
        return Some(("the quotes around the JSON job are a part of it", None));
    }
    match (text.strip_prefix('{'), text.strip_prefix('[')) {
        (Some(inside), _) => why_no_object(inside),
        (_, Some(inside)) => why_no_list(inside),
        _ => None,
    }
}

fn why_no_object(inside: &str) -> Option<Reason> {
    let inside = inside.trim_start();
    if inside.starts_with(is_curly) {
        return Some(("the quotes of the JSON job are curly, not straight", None));
    }
    if inside.starts_with("\\\"") {
        return Some(("the quotes in the JSON job have backslashes before them", None));
    }
    let quoted = inside.strip_prefix('\'').and_then(|name| name.split_once('\''));
    if quoted.is_some_and(|(_, after)| after.trim_start().starts_with(':')) {
        return Some(("the names in a JSON job have double quotes, not single ones", None));
    }
    let name = inside.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default();
    let is_field = Field::find(name).is_some() || meant_by(name).is_some();
    (is_field && inside[name.len()..].trim_start().starts_with(':'))
        .then_some(("the names in a JSON job have quotes, and here are none", None))
}

fn has_backslashes(text: &str) -> bool {
    text.strip_prefix('{').is_some_and(|inside| inside.trim_start().starts_with("\\\""))
}

fn why_no_list(inside: &str) -> Option<Reason> {
    let object = inside.trim_start().strip_prefix('{').map(str::trim_start);
    if object.is_some_and(|object| object.starts_with(['"', '\'', '}']) || object.starts_with(is_curly)) {
        return Some((
            "one command line adds one job, and this is a list",
            Some(
                "put each job on a line of its own into a file: `jq -c '.[]' LIST | queuectl enqueue --file -`",
            ),
        ));
    }
    // `[ -e x ]` has a blank there.
    (inside.starts_with(['"', '\'', ']']) || inside.starts_with(is_curly)).then_some((
        "a command is one text or words, and this is a JSON list",
        Some(
            "type the words: `queuectl enqueue -- prog 'two words'`; for a shell command that begins like this, add --shell",
        ),
    ))
}

fn is_curly(character: char) -> bool {
    matches!(character, '\u{2018}'..='\u{201f}' | '«' | '»')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_as_json_is_refused() {
        for (text, part) in [
            ("{'command':'sleep 2'}", "double quotes"),
            ("{ 'id' : 'a', 'command': 'x' }", "double quotes"),
            ("{“command”: “sleep 2”}", "curly"),
            ("{‘command’: 1}", "curly"),
            ("“make all”", "curly quote"),
            ("{command: \"sleep 2\"}", "have quotes"),
            ("{command:date}", "have quotes"),
            ("{cmd: x}", "have quotes"),
            (r#"[{"command":"a"},{"command":"b"}]"#, "a list"),
            ("[\n  {\n \"command\"", "a list"),
            (r#"["ls","-l"]"#, "a JSON list"),
            ("['ls']", "a JSON list"),
            ("[]", "a JSON list"),
            (r#"{\"command\":\"true\"}"#, "backslashes"),
            (r#"'{"command":"true"}'"#, "quotes around"),
            (r#""{\"command\":\"true\"}""#, "quotes around"),
        ] {
            let error = refuse(text, Written::Typed).unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_a_shell_can_run_is_not() {
        for text in [
            "{ echo a; }",
            "{ 'my prog' x; }",
            "{ command -v x; }",
            "{echo,a}",
            "[ -e x ]",
            "[ \"$a\" = b ]",
            "[[ -n $x ]]",
            "echo “quoted”",
            "\"quoted program\"",
            "'quoted program'",
            "'{ echo a; }'",
            "[ ]",
            "{",
            "[",
            "",
        ] {
            assert!(refuse(text, Written::Typed).is_ok(), "{text}");
        }
    }
}
