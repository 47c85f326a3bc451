//! What counts as visible text.

/// Tells whether a character shows nothing, or changes how its neighbours show.
///
/// Control characters, white space other than the plain blank, marks that turn
/// the direction of writing, zero-width characters. In ids they are refused, in
/// tables they are escaped: a job must not be able to paint over its neighbours
/// or to pose as another.
pub fn is_hidden(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    character.is_control()
        || (character.is_whitespace() && character != ' ')
        || matches!(
            character,
            '\u{00ad}'                  // soft hyphen
            | '\u{034f}'                // combining grapheme joiner
            | '\u{061c}'                // Arabic letter mark
            | '\u{115f}'..='\u{1160}'   // Hangul fillers
            | '\u{17b4}'..='\u{17b5}'   // Khmer inherent vowels
            | '\u{180b}'..='\u{180f}'   // Mongolian selectors
            | '\u{200b}'..='\u{200f}'   // zero width, direction marks
            | '\u{202a}'..='\u{202e}'   // embeddings and overrides
            | '\u{2060}'..='\u{206f}'   // joiners, isolates
            | '\u{3164}'                // Hangul filler
            | '\u{fe00}'..='\u{fe0f}'   // variation selectors
            | '\u{feff}'                // byte order mark
            | '\u{ffa0}'                // half-width filler
            | '\u{fff0}'..='\u{fffb}'   // interlinear annotation
            | '\u{e0000}'..='\u{e0fff}' // tags
        )
}

/// The first character of a name that shows nothing or is white space: names have none.
pub(crate) fn first_hidden(name: &str) -> Option<char> {
    name.chars().find(|&character| character == ' ' || is_hidden(character))
}

/// Tells whether a character of a longer text does something to a terminal instead of
/// being written, or turns the text around it: control characters, line separators,
/// marks that turn the direction of writing.
///
/// What only shows nothing is text here, such as the selector within an emoji.
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::{is_hidden, is_obeyed};

    #[test]
    fn what_is_obeyed_is_hidden_and_an_emoji_is_not_obeyed() {
        assert!(('\0'..=char::MAX).filter(|&c| is_obeyed(c)).all(is_hidden));
        assert!("\u{1b}\u{9b}\u{202e}\r\u{8}".chars().all(is_obeyed));
        assert!("é漢✔\u{fe0f}👩\u{200d}🚀\u{a0}".chars().all(|c| !is_obeyed(c)));
    }

    #[test]
    fn letters_of_any_script_are_visible_and_tricks_are_not() {
        assert!("aé漢字-_./:@🙂 ".chars().all(|c| !is_hidden(c)));
        assert!("\u{1b}\u{202e}\u{200b}\n\t\u{7f}\u{9b}".chars().all(is_hidden));
    }
}
