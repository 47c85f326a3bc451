//! Texts of messages.

use std::borrow::Cow;

/// A word as it has to be typed in a hint: quoted for the shell where that would take it for
/// something else, and where it would be taken for an option, behind the end of the options.
/// Names and ids may be anything that can be seen.
pub fn typed(word: &str) -> String {
    let quoted = shell_words::quote(word);
    if word.starts_with('-') { format!("-- {quoted}") } else { quoted.into_owned() }
}

/// The same behind an option, as in `--queue NAME`.
pub fn typed_option(option: &str, value: &str) -> String {
    let (quoted, joint) = (shell_words::quote(value), if value.starts_with('-') { "=" } else { " " });
    format!("{option}{joint}{quoted}")
}

/// Cuts a text to so many characters; what was cut shows as `…`.
pub(crate) fn cut(text: &str, characters: usize) -> Cow<'_, str> {
    if text.chars().count() <= characters {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    Cow::Owned(kept + "…")
}

#[cfg(test)]
mod tests {
    use super::{cut, typed, typed_option};

    #[test]
    fn what_is_typed_is_one_word_for_the_shell_and_no_option() {
        assert_eq!(
            (typed("job-1"), typed("$(rm x)"), typed("-o")),
            ("job-1".into(), "'$(rm x)'".into(), "-- -o".into())
        );
        assert_eq!(
            (typed_option("--queue", "a b"), typed_option("--queue", "-a")),
            ("--queue 'a b'".into(), "--queue=-a".into())
        );
    }

    #[test]
    fn what_is_cut_shows_it() {
        assert_eq!((cut("abc", 3), cut("abcd", 3)), ("abc".into(), "ab…".into()));
    }
}
