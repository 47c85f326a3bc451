//! Words as they are typed.

use std::path::Path;

/// A word as it is typed into a shell.
///
/// `shell-words` would leave braces bare, which some shells expand.
pub fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+:@%=,".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A path as it is typed into a shell.
pub fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        for (word, typed) in [
            ("/run/q.db", "/run/q.db"),
            ("grün", "grün"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("a$b", "'a$b'"),
            ("{a,b}", "'{a,b}'"),
        ] {
            assert_eq!(quoted(word), typed, "{word}");
        }
    }
}
