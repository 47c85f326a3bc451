//! What an alias may look like.

use std::collections::BTreeMap;

/// What the command line of an alias is, for messages.
pub(crate) const EXPECTED: &str = "a command line with balanced quotes";

/// Tells whether this can be typed as a command, and never is a path or a flag.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.bytes().next().is_some_and(plain) && name.bytes().all(|byte| plain(byte) || byte == b'-')
}

/// Tells whether this splits into words, at least one.
pub(crate) fn is_command(command: &str) -> bool {
    shell_words::split(command).is_ok_and(|words| words.first().is_some_and(|program| !program.is_empty()))
}

/// Follows an alias as the dispatcher does, from its first word to the next, until a
/// word is a program or no alias; gives the words if they come back to one of them.
pub fn loop_of(
    name: &str,
    aliases: &BTreeMap<String, String>,
    is_program: impl Fn(&str) -> bool,
) -> Option<Vec<String>> {
    let mut trail = vec![name.to_owned()];
    while let Some(last) = trail.last().filter(|last| !is_program(last)) {
        let first = shell_words::split(aliases.get(last)?).ok()?.into_iter().next()?;
        let looped = trail.contains(&first);
        trail.push(first);
        if looped {
            return Some(trail);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_and_begins_with_a_letter_or_a_digit() {
        for name in ["start", "dlq-list", "2x", "a"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-x", "Start", "a b", "a/b", "../x", "é", "a.b", "a_b"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_command_has_words_and_balanced_quotes() {
        for command in ["worker stop", "enqueue -- 'two words'"] {
            assert!(is_command(command), "{command}");
        }
        for command in ["", "  ", "enqueue 'open", "''"] {
            assert!(!is_command(command), "{command}");
        }
    }
}
