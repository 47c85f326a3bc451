//! What a job wrote, as a terminal can be given it.
//!
//! Lines, tabs and colours stay. Everything else that a terminal would obey is shown
//! escaped: it could paint over what others wrote, set the window's title, or have the
//! terminal type something.

use crate::text::push_escaped;
use queuectl_core::is_obeyed;
use std::fmt::Write as _;

/// The longest sequence that is a colour; what is longer is shown.
const LONGEST_COLOR: usize = 32;

/// Whether colours may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coloring {
    /// As they are.
    Kept,
    /// They are left out: they carry no text.
    LeftOut,
}

/// Makes one stream of output safe for a terminal, piece by piece: a character or a
/// colour may be cut in two by the end of a piece.
#[derive(Debug)]
pub struct Visible {
    coloring: Coloring,
    /// The beginning of what goes on in the next piece.
    begun: Vec<u8>,
    colored: bool,
}

impl Visible {
    /// Begins a stream.
    pub fn new(coloring: Coloring) -> Self {
        Self { coloring, begun: Vec::new(), colored: false }
    }

    /// What to print of the next piece.
    pub fn next(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(piece);
        let mut shown = String::with_capacity(bytes.len() + 16);
        let whole = self.show(&bytes, &mut shown);
        self.begun = bytes.split_off(whole);
        shown
    }

    /// What to print when nothing follows.
    pub fn end(&mut self) -> String {
        let mut shown = String::new();
        for chunk in std::mem::take(&mut self.begun).utf8_chunks() {
            chunk.valid().chars().for_each(|character| push_escaped(&mut shown, character));
            push_bytes(&mut shown, chunk.invalid());
        }
        if std::mem::take(&mut self.colored) {
            shown.push_str("\x1b[0m");
        }
        shown
    }

    /// Shows what is complete; tells how many bytes that are.
    fn show(&mut self, bytes: &[u8], shown: &mut String) -> usize {
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            let text = chunk.valid();
            let mut within = 0;
            while let Some(character) = text[within..].chars().next() {
                let rest = &text[within..];
                let is_last = at + text.len() == bytes.len();
                match character {
                    '\n' | '\t' => shown.push(character),
                    // A line may end with both.
                    '\r' if rest[1..].starts_with('\n') => {}
                    '\r' if rest.len() == 1 && is_last => return at + within,
                    '\x1b' => match color(rest) {
                        Color::Is(length) => {
                            self.color(&rest[..length], shown);
                            within += length;
                            continue;
                        }
                        Color::MayBecome if is_last => return at + within,
                        Color::MayBecome | Color::IsNot => push_escaped(shown, character),
                    },
                    _ if is_obeyed(character) => push_escaped(shown, character),
                    _ => shown.push(character),
                }
                within += character.len_utf8();
            }
            at += text.len();
            let invalid = chunk.invalid();
            if at + invalid.len() == bytes.len() && may_become_a_character(invalid) {
                return at;
            }
            push_bytes(shown, invalid);
            at += invalid.len();
        }
        at
    }

    fn color(&mut self, sequence: &str, shown: &mut String) {
        if self.coloring == Coloring::Kept {
            self.colored = true;
            shown.push_str(sequence);
        }
    }
}

fn push_bytes(shown: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(shown, "\\x{byte:02x}");
    }
}

/// Tells whether bytes that are no UTF-8 are only the beginning of a character.
fn may_become_a_character(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// What a text is that begins with ESC.
enum Color {
    /// It begins with a colour of so many bytes.
    Is(usize),
    /// It ends too early to tell.
    MayBecome,
    /// It begins with something else.
    IsNot,
}

fn color(text: &str) -> Color {
    let Some(parameters) = text.strip_prefix("\x1b[") else {
        return if text.len() == 1 { Color::MayBecome } else { Color::IsNot };
    };
    let is_parameter = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
    let length = parameters.bytes().take_while(is_parameter).count();
    match parameters.as_bytes().get(length) {
        _ if length > LONGEST_COLOR => Color::IsNot,
        None => Color::MayBecome,
        Some(b'm') if are_colors(&parameters[..length]) => Color::Is("\x1b[".len() + length + 1),
        Some(_) => Color::IsNot,
    }
}

/// Tells whether the parameters of a sequence choose colours, weight or lines alone:
/// nothing that blinks, and nothing that conceals.
fn are_colors(parameters: &str) -> bool {
    let mut numbers = parameters.split(';').map(|number| number.parse::<u16>().unwrap_or(0));
    while let Some(number) = numbers.next() {
        let arguments = match number {
            38 | 48 | 58 => match numbers.next() {
                Some(5) => 1,
                Some(2) => 3,
                _ => return false,
            },
            0..=4 | 7 | 9 | 21..=24 | 27 | 29..=37 | 39..=47 | 49 | 53 | 55 | 59 | 90..=107 => 0,
            _ => return false,
        };
        if (0..arguments).any(|_| numbers.next().is_none()) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&[u8]]) -> String {
        let mut visible = Visible::new(Coloring::Kept);
        let mut shown: String = pieces.iter().map(|piece| visible.next(piece)).collect();
        shown += &visible.end();
        shown
    }

    #[test]
    fn text_lines_tabs_and_colors_stay() {
        for text in ["a\tb\nc é 漢 ✔\u{fe0f}\n", "", "no end"] {
            assert_eq!(shown(&[text.as_bytes()]), text);
        }
        assert_eq!(shown(&[b"a\r\nb"]), "a\nb");
        for color in ["\x1b[31mred\x1b[0m", "\x1b[m", "\x1b[1;38;5;200m", "\x1b[48;2;1;2;3;4m"] {
            assert_eq!(shown(&[color.as_bytes()]), format!("{color}\x1b[0m"));
        }
        let mut plain = Visible::new(Coloring::LeftOut);
        assert_eq!(plain.next(b"\x1b[31mred\x1b[0m") + &plain.end(), "red");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, wanted) in [
            ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
            ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
            ("over\rwritten\x08", r"over\rwritten\x08"),
            ("\x1b[8mhidden", r"\x1b[8mhidden"),
            ("\x1b[38;5m\x1b[38m", r"\x1b[38;5m\x1b[38m"),
            ("\u{9b}2J\u{202e}\u{2028}\0\x7f", r"\u{9b}2J\u{202e}\u{2028}\x00\x7f"),
            ("\x1b[?1049h\x1bc", r"\x1b[?1049h\x1bc"),
        ] {
            assert_eq!(shown(&[text.as_bytes()]), wanted);
        }
        assert_eq!(shown(&[b"\x9b2J\xff"]), r"\x9b2J\xff");
        let endless = format!("\x1b[{}m", "1;".repeat(100));
        assert_eq!(shown(&[endless.as_bytes()]), endless.replace('\x1b', r"\x1b"));
    }

    #[test]
    fn it_does_not_matter_where_pieces_end() {
        let text = "é\x1b[1;31mred\x1b[0m\x1b[2Jx\r\ny\rz漢\x1b]0;a\x07".as_bytes();
        let text = [text, b"\xe6\xbc", b"\x1b[3"].concat();
        let whole = shown(&[&text]);
        assert!(whole.contains(r"\x1b[2J") && whole.contains("x\ny\\rz漢"), "{whole}");
        for at in 0..=text.len() {
            assert_eq!(shown(&[&text[..at], &text[at..]]), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(shown(&bytes), whole);
    }
}
