//! Text for a terminal: nothing hidden, and no wider than it may be.

use queuectl_core::is_hidden;
use std::borrow::Cow;
use std::fmt::Write as _;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Shows what is hidden: `\n`, `\t`, `\x1b`, `\u{202e}`.
///
/// A job must not be able to paint over its neighbours, whatever its command is.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            push_escaped(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Writes the escape of a character.
pub(crate) fn push_escaped(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        _ => {
            let number = u32::from(character);
            // Writing to a string cannot fail.
            let _ = match number {
                0..0x80 => write!(shown, "\\x{number:02x}"),
                _ => write!(shown, "\\u{{{number:x}}}"),
            };
        }
    }
}

/// Cuts a text to so many columns of a terminal; what was cut shows as `…`.
pub fn shorten(text: &str, columns: usize) -> Cow<'_, str> {
    // No character is wider than its bytes are many.
    if text.len() <= columns || text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let mut left = columns.saturating_sub(1);
    let fitting = text.char_indices().find_map(|(at, character)| {
        let width = character.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        (!fits).then_some(at)
    });
    let mut shown = text[..fitting.unwrap_or(text.len())].to_owned();
    if columns > 0 {
        shown.push('…');
    }
    Cow::Owned(shown)
}

/// Cuts the beginning of a text, so that its end fits into so many columns of a terminal.
pub fn shorten_beginning(text: &str, columns: usize) -> Cow<'_, str> {
    if text.len() <= columns || text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let mut left = columns.saturating_sub(1);
    let mut from = text.len();
    for (at, character) in text.char_indices().rev() {
        let width = character.width().unwrap_or(0);
        if width > left {
            break;
        }
        (left, from) = (left - width, at);
    }
    let mark = if columns > 0 { "…" } else { "" };
    Cow::Owned(format!("{mark}{}", &text[from..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_shown() {
        assert_eq!(escape("echo 'é 漢' \\n"), "echo 'é 漢' \\n");
        assert_eq!(escape("a\nb\tc\r\u{1b}[31m\0\u{7f}"), r"a\nb\tc\r\x1b[31m\x00\x7f");
        assert_eq!(escape("\u{202e}x\u{200b}\u{9b}"), r"\u{202e}x\u{200b}\u{9b}");
    }

    #[test]
    fn a_short_text_is_never_cut_and_a_long_one_never_too_wide() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
        assert_eq!(shorten("漢字漢字", 5), "漢字…");
        assert_eq!(shorten("漢字漢字", 4), "漢…");
        assert_eq!(shorten("éé", 2), "éé");
        assert_eq!(shorten("abc", 0), "");
        assert_eq!(shorten_beginning("abcd", 3), "…cd");
        assert_eq!(shorten_beginning("abc", 3), "abc");
        assert_eq!(shorten_beginning("漢字漢字", 4), "…字");
        assert_eq!(shorten_beginning("abc", 0), "");
    }
}
