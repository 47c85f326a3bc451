//! A line, and its words in pieces that belong together.

use crate::arguments::JSON;
use clap::{Arg, ArgAction, Command};
use std::borrow::Cow;
use std::ffi::OsString;

/// A line with a first word of COMMAND.
pub(super) struct Line<'a> {
    pub(super) command: &'a Command,
    pub(super) options: Options<'a>,
    /// The program and its own options.
    pub(super) before: &'a [OsString],
    pub(super) text: &'a OsString,
    pub(super) rest: &'a [OsString],
}

/// One or two words that belong together.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// Options of ours, with the value of the last.
    Ours { of: Vec<&'a Arg>, length: usize },
    /// An option that we do not have.
    Foreign,
    /// `--`
    Dashes,
    /// Anything else.
    Word,
}

impl Piece<'_> {
    /// Tells whether it is options of ours, and all of one kind.
    pub(super) fn is_all(&self, is: impl Fn(&Arg) -> bool) -> bool {
        matches!(self, Piece::Ours { of, .. } if of.iter().all(|option| is(option)))
    }
}

/// The options of a program.
pub(super) struct Options<'a> {
    pub(super) program: String,
    pub(super) all: Vec<&'a Arg>,
    /// What cannot stand beside COMMAND, such as a file of jobs.
    pub(super) instead: Vec<&'a Arg>,
}

impl<'a> Options<'a> {
    pub(super) fn of(command: &'a Command) -> Self {
        let all: Vec<&Arg> = command.get_arguments().filter(|argument| !argument.is_positional()).collect();
        let positional = command.get_positionals().next();
        Self {
            program: command.get_bin_name().unwrap_or_default().to_owned(),
            instead: positional.map(|word| command.get_arg_conflicts_with(word)).unwrap_or_default(),
            all,
        }
    }

    /// Tells whether an option cannot stand beside COMMAND.
    pub(super) fn is_instead(&self, option: &Arg) -> bool {
        self.instead.iter().any(|other| other.get_id() == option.get_id())
    }

    pub(super) fn is_of_a_job(&self, option: &Arg) -> bool {
        !(self.is_instead(option) || option.is_hide_set() || is_shared(option))
    }

    pub(super) fn pieces<'w>(&self, mut words: &'w [OsString]) -> Vec<(&'w [OsString], Piece<'a>)> {
        let mut pieces = Vec::new();
        while let Some(piece) = self.piece(words) {
            let length = if let Piece::Ours { length, .. } = &piece { *length } else { 1 };
            let (these, rest) = words.split_at(length.min(words.len()));
            pieces.push((these, piece));
            words = rest;
        }
        pieces
    }

    /// What stands at the beginning of these words.
    pub(super) fn piece(&self, words: &[OsString]) -> Option<Piece<'a>> {
        let word = words.first()?.to_string_lossy();
        Some(match word.as_ref() {
            "--" => Piece::Dashes,
            "-" => Piece::Word,
            _ => match (word.strip_prefix("--"), word.strip_prefix('-')) {
                (Some(long), _) => self.long(long),
                (None, Some(letters)) => self.short(letters),
                (None, None) => Piece::Word,
            },
        })
    }

    fn long(&self, word: &str) -> Piece<'a> {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        match self.all.iter().find(|option| option.get_long() == Some(name)) {
            Some(option) if value.is_none() && takes_the_next(option) => {
                Piece::Ours { of: vec![option], length: 2 }
            }
            Some(option) => Piece::Ours { of: vec![option], length: 1 },
            None => Piece::Foreign,
        }
    }

    /// `-q`, `-qv`, `-n4`, `-n 4`
    fn short(&self, letters: &str) -> Piece<'a> {
        let mut of = Vec::new();
        for (place, letter) in letters.char_indices() {
            let Some(&option) = self.all.iter().find(|option| option.get_short() == Some(letter)) else {
                return Piece::Foreign;
            };
            of.push(option);
            if takes_the_next(option) {
                let attached = place + letter.len_utf8() < letters.len();
                return Piece::Ours { of, length: if attached { 1 } else { 2 } };
            }
        }
        Piece::Ours { of, length: 1 }
    }
}

/// Tells whether the value of an option is the next word, unless it is attached to it.
fn takes_the_next(option: &Arg) -> bool {
    option.get_action().takes_values() && !option.is_require_equals_set()
}

/// Tells whether every program has this option.
pub(super) fn is_shared(option: &Arg) -> bool {
    option.is_global_set() || option.get_id() == JSON || shows_something(option)
}

/// Tells whether with this option nothing is done but that a text is shown.
pub(super) fn shows_something(option: &Arg) -> bool {
    matches!(
        option.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    )
}

/// Tells whether a word can be the name of a program as it stands; anything else is
/// a line for the shell, or a job as JSON.
pub(super) fn is_bare(word: &OsString) -> bool {
    let word = word.to_string_lossy();
    !word.is_empty() && matches!(shell_words::quote(&word), Cow::Borrowed(_))
}
