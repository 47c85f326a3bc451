//! Words as they are typed, without what is secret in them: what is said may be logged.

use queuectl_core::masked;
use std::ffi::OsString;

/// Words as every reader may see them.
pub(super) struct Shown {
    pub(super) text: String,
    /// Something was cut out, so that these words are none to be typed.
    pub(super) is_cut: bool,
}

/// Shows words, without passwords and the values of variables.
pub(super) fn shown(words: &[OsString]) -> Shown {
    let mut is_cut = false;
    let mut is_variable = false;
    let mut pieces = Vec::new();
    for word in words {
        let word = word.to_string_lossy();
        let hidden = if is_variable { without_value("", &word) } else { None };
        let hidden = hidden.or_else(|| without_value("--env=", &word));
        is_variable = word == "--env";
        let masked = masked(&word);
        is_cut |= hidden.is_some() || masked != word;
        pieces.push(hidden.unwrap_or_else(|| shell_words::quote(&masked).into_owned()));
    }
    Shown { text: pieces.join(" "), is_cut }
}

/// `NAME=…` of `NAME=VALUE`, behind what stands before it.
fn without_value(before: &str, word: &str) -> Option<String> {
    let (name, _) = word.strip_prefix(before)?.split_once('=')?;
    Some(format!("{before}{}=…", shell_words::quote(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_shown() {
        for (line, expected) in [
            ("mysql --password=hunter2 x", "mysql '--password=***' x"),
            ("run --env TOKEN=hunter2", "run --env TOKEN=…"),
            ("run --env=TOKEN=hunter2", "run --env=TOKEN=…"),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let Shown { text, is_cut } = shown(&words);
            assert_eq!((text.as_str(), is_cut), (expected, true));
        }
        let Shown { text, is_cut } = shown(&["run".into(), "--env".into(), "HOME".into(), "a b".into()]);
        assert_eq!((text.as_str(), is_cut), ("run --env HOME 'a b'", false));
    }
}
