//! A file whose lines are shell: one job a line.

use crate::draft::Draft;
use crate::json::{self, hint_for_long};
use crate::lookalike;
use queuectl_cli::Failure;
use queuectl_core::CommandLine;

/// Understands one line; none if it is blank or a comment, which a shell passes over too.
///
/// # Errors
///
/// What is wrong with a line that cannot be a command by itself.
pub(crate) fn parse(line: &str) -> Result<Option<Draft>, Failure> {
    // Lines from Windows end with a carriage return, which would be part of the last word.
    let line = line.trim_end_matches('\n').trim_end_matches('\r');
    if line.trim().is_empty() || line.trim_start().starts_with('#') {
        return Ok(None);
    }
    if json::is_job(line) {
        return Err(Failure::error("this is a JSON job, and with --lines each line is shell")
            .hint("leave --lines out; a file has one kind of lines"));
    }
    if let Some(how) = hint_for_long(line) {
        return Err(Failure::error(
            "this is JSON over several lines or a list, and with --lines each line is shell",
        )
        .hint(how));
    }
    lookalike::refuse_line(line)?;
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    if backslashes % 2 == 1 {
        return Err(Failure::error("the line ends with a backslash, and a job is one line")
            .hint("put the whole command on one line, or into a script"));
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
