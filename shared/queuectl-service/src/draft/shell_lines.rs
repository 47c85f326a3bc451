//! A file whose lines are shell: one job a line.

use crate::draft::error::DraftError;
use crate::draft::fields::is_job;
use crate::draft::lookalike::{hint_for_long, refuse_line};
use crate::job_fields::Draft;
use queuectl_core::CommandLine;

/// Understands one line; none if it is blank or a comment, which a shell passes over too.
///
/// # Errors
///
/// What is wrong with a line that cannot be a command by itself.
pub(crate) fn parse(line: &str) -> Result<Option<Draft>, DraftError> {
    // Lines from Windows end with a carriage return, which would be part of the last word.
    let line = line.trim_end_matches('\n').trim_end_matches('\r');
    if line.trim().is_empty() || line.trim_start().starts_with('#') {
        return Ok(None);
    }
    if is_job(line) {
        return Err(DraftError::JsonAmongLines);
    }
    if let Some(hint) = hint_for_long(line) {
        return Err(DraftError::LongJsonAmongLines { hint });
    }
    refuse_line(line)?;
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    if backslashes % 2 == 1 {
        return Err(DraftError::ContinuedLine);
    }
    Ok(Some(Draft { command: Some(CommandLine::new(line)?), ..Draft::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Option<String> {
        parse(line).unwrap().map(|draft| draft.command.unwrap().as_str().to_owned())
    }

    #[test]
    fn each_line_is_shell_as_it_stands() {
        assert_eq!(command("convert 'a b.png' $x | wc\n").unwrap(), "convert 'a b.png' $x | wc");
        assert_eq!(command("echo a\r\n").unwrap(), "echo a");
        assert_eq!(command("echo \\\\\n").unwrap(), "echo \\\\");
        for nothing in ["", "\n", "  \r\n", "# a comment\n", "#!/bin/sh\n"] {
            assert_eq!(command(nothing), None);
        }
    }

    #[test]
    fn what_is_no_line_by_itself_is_refused() {
        for line in
            ["{\"command\":\"x\"}\n", "curl \\\n", "“make”\n", "a\0b\n", "{\n", "[\n", "[{}]\n", "a\rb\n"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
