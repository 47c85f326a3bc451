//! Which words of a line are ours, and which are those of the command it gives us.
//!
//! Options before COMMAND are ours. After it they are ours only if COMMAND is one
//! text and nothing but options of a job follows: `enqueue "sleep 10" --id a`. In
//! every other case all words are the command's, as with nice(1) or xargs(1). The
//! one place of this rule, for every program that takes a command.

use crate::arguments::JSON;
use crate::failure::Failure;
use clap::{Arg, ArgAction, Command};
use std::borrow::Cow;
use std::ffi::OsString;

mod remarks;
mod shell;
mod shown;

/// A line in which COMMAND stands behind `--`, so that it can be read in one way only.
#[derive(Debug)]
pub(crate) struct Arranged {
    pub(crate) arguments: Vec<OsString>,
    /// What was understood, with the other spelling, if the line can be meant both ways.
    pub(crate) remark: Option<String>,
}

/// Finds COMMAND in a line, and decides whose the words after it are.
///
/// # Errors
///
/// [`Exit::Usage`] if what follows a line for the shell can be neither its
/// arguments nor options of ours.
pub(crate) fn arrange(
    command: impl FnOnce() -> Command,
    arguments: Vec<OsString>,
) -> Result<Arranged, Failure> {
    if arguments.len() < 3 {
        // Most lines: a program and one text. Options need not be looked up.
        return Ok(Arranged { arguments, remark: None });
    }
    let mut command = command();
    command.build();
    let options = Options::of(&command);
    let mut place = 1;
    loop {
        match options.piece(arguments.get(place..).unwrap_or_default()) {
            Some(Piece::Ours { length, .. }) => place += length,
            Some(Piece::Word) => break,
            // Nothing is left, or `--` says what is meant, or clap says what is wrong.
            None | Some(Piece::Dashes | Piece::Foreign) => return Ok(Arranged { arguments, remark: None }),
        }
    }
    let (before, words) = arguments.split_at(place.min(arguments.len()));
    let [text, rest @ ..] = words else { return Ok(Arranged { arguments, remark: None }) };
    let line = Line { command: &command, options, before, text, rest };
    if let Some(failure) = line.file_behind_its_options() {
        return Err(failure);
    }
    if rest.is_empty() { Ok(Arranged { arguments, remark: None }) } else { line.arrange() }
}

/// A line with a first word of COMMAND.
struct Line<'a> {
    command: &'a Command,
    options: Options<'a>,
    /// The program and its own options.
    before: &'a [OsString],
    text: &'a OsString,
    rest: &'a [OsString],
}

impl Line<'_> {
    fn arrange(self) -> Result<Arranged, Failure> {
        let bare = is_bare(self.text);
        let pieces = self.options.pieces(self.rest);
        let may_follow = |piece: &Piece<'_>| match piece {
            Piece::Ours { of, .. } => {
                // What leads to another option is refused with that, and not here.
                let is_ours = |option: &Arg| is_shared(option) || option.is_hide_set();
                of.iter().all(|option| self.options.is_of_a_job(option) || (!bare && is_ours(option)))
            }
            Piece::Word | Piece::Dashes | Piece::Foreign => false,
        };
        let stranger = pieces.iter().find(|(_, piece)| !may_follow(piece));
        let Some((word, _)) = stranger else {
            if let Some((words, Piece::Ours { of, length })) = pieces.last()
                && *length > words.len()
                && let Some(option) = of.last()
            {
                return Err(self.without_its_value(option));
            }
            let remark = bare.then(|| self.options_taken());
            let arguments =
                [self.before, self.rest, &["--".into()], std::slice::from_ref(self.text)].concat();
            return Ok(Arranged { arguments, remark });
        };
        let begins_with_a_word = matches!(pieces.first(), Some((_, Piece::Word)));
        if !bare && !begins_with_a_word {
            return Err(self.refused(&word[0]));
        }
        let remark = self.words_taken(&pieces, bare);
        Ok(Arranged { arguments: self.with_words(&[], self.rest), remark })
    }
}

/// One or two words that belong together.
#[derive(Debug)]
enum Piece<'a> {
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
    fn is_all(&self, is: impl Fn(&Arg) -> bool) -> bool {
        matches!(self, Piece::Ours { of, .. } if of.iter().all(|option| is(option)))
    }
}

/// The options of a program.
struct Options<'a> {
    program: String,
    all: Vec<&'a Arg>,
    /// What cannot stand beside COMMAND, such as a file of jobs.
    instead: Vec<&'a Arg>,
}

impl<'a> Options<'a> {
    fn of(command: &'a Command) -> Self {
        let all: Vec<&Arg> = command.get_arguments().filter(|argument| !argument.is_positional()).collect();
        let positional = command.get_positionals().next();
        Self {
            program: command.get_bin_name().unwrap_or_default().to_owned(),
            instead: positional.map(|word| command.get_arg_conflicts_with(word)).unwrap_or_default(),
            all,
        }
    }

    /// Tells whether an option cannot stand beside COMMAND.
    fn is_instead(&self, option: &Arg) -> bool {
        self.instead.iter().any(|other| other.get_id() == option.get_id())
    }

    fn is_of_a_job(&self, option: &Arg) -> bool {
        !(self.is_instead(option) || option.is_hide_set() || is_shared(option))
    }

    fn pieces<'w>(&self, mut words: &'w [OsString]) -> Vec<(&'w [OsString], Piece<'a>)> {
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
    fn piece(&self, words: &[OsString]) -> Option<Piece<'a>> {
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
fn is_shared(option: &Arg) -> bool {
    option.is_global_set() || option.get_id() == JSON || shows_something(option)
}

/// Tells whether with this option nothing is done but that a text is shown.
fn shows_something(option: &Arg) -> bool {
    matches!(
        option.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    )
}

/// Tells whether a word can be the name of a program as it stands; anything else is
/// a line for the shell, or a job as JSON.
fn is_bare(word: &OsString) -> bool {
    let word = word.to_string_lossy();
    !word.is_empty() && matches!(shell_words::quote(&word), Cow::Borrowed(_))
}

#[cfg(test)]
mod tests;
