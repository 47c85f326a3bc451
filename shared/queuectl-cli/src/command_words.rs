//! Which words of a line are ours, and which are those of the command it gives us.
//!
//! Options before COMMAND are ours. After it they are ours only if COMMAND is one
//! text and nothing but options of a job follows: `enqueue "sleep 10" --id a`. In
//! every other case all words are the command's, as with nice(1) or xargs(1). The
//! one place of this rule, for every program that takes a command.

mod line;
mod remarks;
mod shell;
mod shown;

use crate::failure::Failure;
use clap::{Arg, Command};
use line::{Line, Options, Piece, is_bare, is_shared};
use std::ffi::OsString;

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

#[cfg(test)]
mod tests;
