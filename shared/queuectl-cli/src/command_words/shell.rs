//! Words that mean something to a shell, where no shell reads them.
//!
//! A guess for a hint, and nothing else: programs that take such words themselves are
//! left alone as far as they are known.

/// What a line of several words has of the shell's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An operator, a pattern of files, or a variable before the program.
    Syntax,
    /// A command that is of use only to what follows it in the same shell.
    Builtin,
}

const OPERATORS: [&str; 14] =
    ["|", "||", "|&", "&&", ";", "&", ">", ">>", "<", "<<", "2>", "2>>", "&>", "2>&1"];

const BUILTINS: [&str; 11] =
    [".", "alias", "cd", "export", "popd", "pushd", "set", "source", "ulimit", "umask", "unset"];

/// These compare, search or cut by such words.
const TAKE_THEM_THEMSELVES: [&str; 22] = [
    "[", "ack", "ag", "apt", "awk", "cut", "egrep", "expr", "fd", "fgrep", "find", "gawk", "git", "grep",
    "perl", "pgrep", "rg", "sed", "ssh", "test", "tr", "zgrep",
];

/// Options of many programs whose value is one sign, or a pattern.
const TAKE_A_SIGN: [&str; 6] = ["-F", "-I", "-d", "-e", "-s", "-t"];

/// Finds what the shell would have read.
pub(super) fn found(words: &[&str]) -> Option<Found> {
    let (program, rest) = words.split_first()?;
    let name = program.rsplit('/').next().unwrap_or_default();
    let behind = |(before, word): (&&str, &&str)| {
        let is_operator = OPERATORS.contains(word) && !TAKE_A_SIGN.contains(before);
        is_operator || (is_pattern(word) && !before.starts_with('-'))
    };
    let is_for_the_program = TAKE_THEM_THEMSELVES.contains(&name);
    let of_the_shell = words.iter().zip(rest).any(behind);
    if is_assignment(program) || (of_the_shell && !is_for_the_program) {
        return Some(Found::Syntax);
    }
    BUILTINS.contains(program).then_some(Found::Builtin)
}

/// The line of which a shell would make these words, if there is just one.
pub(super) fn as_line(words: &[&str]) -> Option<String> {
    let (program, rest) = words.split_first()?;
    let first = match program.split_once('=') {
        Some((name, value)) if is_assignment(program) => format!("{name}={}", shell_words::quote(value)),
        // Between quotes it may have been a line for the shell itself.
        _ => Some(*program).filter(|program| shell_words::quote(program) == *program)?.to_owned(),
    };
    let as_it_is = |word: &str| OPERATORS.contains(&word) || is_pattern(word);
    let rest = rest
        .iter()
        .map(|word| if as_it_is(word) { (*word).to_owned() } else { shell_words::quote(word).into_owned() });
    Some(std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" "))
}

/// `*.log`, and nothing else that a shell would read.
fn is_pattern(word: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*?./_-+,".contains(&byte);
    let looks_like_files = word == "*" || word.contains(['.', '/', '_', '-']);
    word.contains(['*', '?']) && looks_like_files && word.bytes().all(is_plain) && !word.contains(".*")
}

/// `NAME=VALUE`
fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    let letters = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(letters)
        && name.bytes().all(|byte| letters(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_shell_are_found_and_make_a_line() {
        for (words, line) in [
            (&["ls", "-l", "|", "wc", "-l"][..], "ls -l | wc -l"),
            (&["echo", "a b", "&&", "echo", "ho"], "echo 'a b' && echo ho"),
            (&["gzip", "*.log"], "gzip *.log"),
            (&["make", "2>&1", ">", "my log"], "make 2>&1 > 'my log'"),
            (&["FOO=a b", "env"], "FOO='a b' env"),
        ] {
            assert_eq!(found(words), Some(Found::Syntax), "{words:?}");
            assert_eq!(as_line(words).as_deref(), Some(line));
        }
        assert_eq!(found(&["cd", "/tmp"]), Some(Found::Builtin));
        assert_eq!(as_line(&["echo hi", "|", "wc"]), None, "that may be a line itself");
    }

    #[test]
    fn words_of_a_program_are_left_to_it() {
        for words in [
            &["cp", "-v", "a", "b"][..],
            &["find", ".", "-name", "*.c", ";"],
            &["rsync", "--exclude", "*.o", "a", "b"],
            &["grep", "a.*b", "x.txt"],
            &["cut", "-d", "|", "-f1"],
            &["sort", "-t", ";", "f"],
            &["curl", "https://example.com/?a=b"],
            &["wget", "why?"],
        ] {
            assert_eq!(found(words), None, "{words:?}");
        }
    }
}
