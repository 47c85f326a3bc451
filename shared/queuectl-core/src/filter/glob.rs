//! Patterns of texts: `*` stands for any text, `?` for one letter.
//!
//! Not by a crate of globs: those are about paths, and a store has to be told the same in
//! its own language, piece by piece.

/// A pattern that a whole text must fit; a pattern without `*` and `?` is looked for
/// anywhere in it. Capitals count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// With `*` around it, if it had neither `*` nor `?`.
    pattern: String,
}

/// Why a text cannot be a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGlob {
    /// Nothing was given, which stands in every text.
    #[error("the pattern is empty")]
    Empty,
    /// Longer than [`Glob::MAX_BYTES`].
    #[error("the pattern has {bytes} bytes; at most {max} are allowed", max = Glob::MAX_BYTES)]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// A NUL character, which no text has.
    #[error("the pattern contains a NUL character")]
    Nul,
}

impl Glob {
    /// The longest pattern, in bytes: the databases have bounds of their own.
    pub const MAX_BYTES: usize = 8192;

    /// Checks a text and makes it a pattern.
    ///
    /// # Errors
    ///
    /// [`InvalidGlob`] if it is empty, too long, or has a NUL character.
    pub fn new(text: &str) -> Result<Self, InvalidGlob> {
        if text.is_empty() {
            return Err(InvalidGlob::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidGlob::TooLong { bytes: text.len() });
        }
        if text.contains('\0') {
            return Err(InvalidGlob::Nul);
        }
        let is_pattern = text.contains(['*', '?']);
        Ok(Self { pattern: if is_pattern { text.to_owned() } else { format!("*{text}*") } })
    }

    /// What begins with a text, in which `*` and `?` stand for themselves, as another
    /// language says it: see [`translated`](Self::translated).
    pub fn beginning(text: &str, other: impl Fn(GlobPart, &mut String)) -> String {
        let mut translated = String::with_capacity(text.len() + 1);
        text.chars().for_each(|letter| other(GlobPart::Letter(letter), &mut translated));
        other(GlobPart::AnyText, &mut translated);
        translated
    }

    /// The pattern in another language, which adds what each of its parts is there.
    pub fn translated(&self, other: impl Fn(GlobPart, &mut String)) -> String {
        let mut translated = String::with_capacity(self.pattern.len());
        for letter in self.pattern.chars() {
            let part = match letter {
                '*' => GlobPart::AnyText,
                '?' => GlobPart::AnyLetter,
                letter => GlobPart::Letter(letter),
            };
            other(part, &mut translated);
        }
        translated
    }

    /// Tells whether a text fits.
    pub fn matches(&self, text: &str) -> bool {
        let (mut pattern, mut rest) = (self.pattern.chars(), text.chars());
        // Behind the last `*`: the pattern, and the text from where it is tried next.
        let mut last_star = None;
        loop {
            let before = (pattern.clone(), rest.clone());
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    (_, rest) = before;
                    last_star = Some((pattern.clone(), rest.clone()));
                }
                (Some('?'), Some(_)) => {}
                (Some(letter), Some(found)) if letter == found => {}
                // What the `*` stands for is longer by a letter.
                _ => {
                    let Some((after_star, tried)) = &mut last_star else { return false };
                    if tried.next().is_none() {
                        return false;
                    }
                    (pattern, rest) = (after_star.clone(), tried.clone());
                }
            }
        }
    }
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobPart {
    /// Any text, also none.
    AnyText,
    /// Any one letter.
    AnyLetter,
    /// This letter.
    Letter(char),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).unwrap().matches(text)
    }

    #[test]
    fn a_pattern_fits_the_whole_text_and_a_word_a_part_of_it() {
        assert!(fits("make*", "make all") && !fits("make*", "xmake"));
        assert!(fits("*.sh ?", "./run.sh é") && !fits("*.sh ?", "./run.sh 12"));
        assert!(fits("port", "./report.sh") && !fits("Port", "./report.sh"));
        assert!(fits("*", "") && !fits("?", ""));
        assert!(fits("*a*b", "aab") && fits("a*b*c", "abbcc") && !fits("a*b*c", "acb"));
        assert!(fits("[a]*", "[a] %_\\") && !fits("[a]*", "a"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(Glob::new(""), Err(InvalidGlob::Empty));
        assert_eq!(Glob::new("a\0"), Err(InvalidGlob::Nul));
        let longest = "x".repeat(Glob::MAX_BYTES);
        assert!(Glob::new(&longest).is_ok());
        assert!(matches!(Glob::new(&(longest + "x")), Err(InvalidGlob::TooLong { .. })));
    }

    /// What a pattern means, by trying everything.
    fn by_trying(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            (['*', pattern @ ..], text) => {
                (0..=text.len()).any(|skipped| by_trying(pattern, &text[skipped..]))
            }
            (['?', pattern @ ..], [_, text @ ..]) => by_trying(pattern, text),
            ([letter, pattern @ ..], [found, text @ ..]) => letter == found && by_trying(pattern, text),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_fits_what_it_should(pattern in "[ab*?]{0,7}[*?][ab*?]{0,7}", text in "[ab]{0,12}") {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(fits(&pattern, &text), by_trying(&letters(&pattern), &letters(&text)));
        }
    }
}
