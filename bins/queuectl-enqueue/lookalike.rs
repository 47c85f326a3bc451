//! What looks like a job as JSON to a person, and like a strange command to a shell.
//!
//! No shell can run any of it, so it is refused at once and not after its retries.

use crate::json::{FIELDS, meant_by};
use queuectl_cli::Failure;

const HINT: &str = r#"put JSON into single quotes, with straight double quotes in it: '{"command":"sleep 2"}'; for a shell command that begins like this, add --shell"#;

/// Refuses a text that somebody has meant as JSON, or has typed in a word processor.
///
/// `{ echo a; }` and `[ -e x ]` are shell: a blank follows the bracket there.
pub(crate) fn refuse(text: &str) -> Result<(), Failure> {
    let text = text.trim_start();
    if text.starts_with(is_curly) {
        return Err(Failure::error("the command begins with a curly quote, which no shell knows")
            .hint("type straight quotes: ' or \""));
    }
    let reason = if let Some(inside) = text.strip_prefix('{') {
        why_no_object(inside)
    } else if let Some(inside) = text.strip_prefix('[') {
        why_no_list(inside)
    } else {
        None
    };
    reason.map_or(Ok(()), |reason| Err(Failure::error(reason.0).hint(reason.1)))
}

fn why_no_object(inside: &str) -> Option<(&'static str, &'static str)> {
    let inside = inside.trim_start();
    if inside.starts_with(is_curly) {
        return Some(("the quotes of the JSON job are curly, not straight", HINT));
    }
    let quoted = inside.strip_prefix('\'').and_then(|name| name.split_once('\''));
    if quoted.is_some_and(|(_, after)| after.trim_start().starts_with(':')) {
        return Some(("the names in a JSON job have double quotes, not single ones", HINT));
    }
    let name = inside.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default();
    let is_field = FIELDS.contains(&name) || meant_by(name).is_some();
    (is_field && inside[name.len()..].trim_start().starts_with(':'))
        .then_some(("the names in a JSON job have quotes, and here are none", HINT))
}

fn why_no_list(inside: &str) -> Option<(&'static str, &'static str)> {
    let object = inside.trim_start().strip_prefix('{').map(str::trim_start);
    if object.is_some_and(|object| object.starts_with(['"', '\'', '}']) || object.starts_with(is_curly)) {
        return Some((
            "one command line adds one job, and this is a list",
            "put each job on a line of its own into a file: `jq -c '.[]' LIST | queuectl enqueue --file -`",
        ));
    }
    inside.starts_with('"').then_some((
        "a command is one text or words, and this is a JSON list",
        "type the words: `queuectl enqueue -- prog 'two words'`; for a shell command that begins like this, add --shell",
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
        ] {
            let failure = refuse(text).unwrap_err();
            assert!(failure.message().contains(part), "{text}: {failure}");
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
            "{",
            "[",
            "",
        ] {
            assert!(refuse(text).is_ok(), "{text}");
        }
    }
}
