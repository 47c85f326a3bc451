//! Texts of messages.

use std::borrow::Cow;

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
    use super::cut;

    #[test]
    fn what_is_cut_shows_it() {
        assert_eq!((cut("abc", 3), cut("abcd", 3)), ("abc".into(), "ab…".into()));
    }
}
