//! Which words of a line are ours, and which are those of the command it gives us.
//!
//! Options before COMMAND are ours. After it they are ours only if COMMAND is one
//! text and nothing but options of a job follows: `enqueue "sleep 10" --id a`. In
//! every other case all words are the command's, as with nice(1) or xargs(1). The
//! one place of this rule, for every program that takes a command.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::text::nearest;
use clap::{Arg, ArgAction, Command};
use queuectl_core::masked;
use std::borrow::Cow;
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
    match words {
        [text, rest @ ..] if !rest.is_empty() => Line { options, before, text, rest }.arrange(),
        _ => Ok(Arranged { arguments, remark: None }),
    }
}

/// A line with something behind the first word of COMMAND.
struct Line<'a> {
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

    /// The line in which these options stand before the command, and these words in it.
    fn with_words(&self, ours: &[OsString], rest: &[OsString]) -> Vec<OsString> {
        [self.before, ours, &["--".into()], std::slice::from_ref(self.text), rest].concat()
    }

    fn options_taken(&self) -> String {
        format!(
            "hint: `{}` was taken as options of the job; if it belongs to the command, type `{}`",
            shown(self.rest),
            self.typed(&self.with_words(&[], self.rest))
        )
    }

    /// What to say of a line whose words could have been meant as options; nothing if none could.
    fn words_taken(&self, pieces: &[(&[OsString], Piece<'_>)], bare: bool) -> Option<String> {
        let all_ours = pieces.iter().all(|(_, piece)| matches!(piece, Piece::Ours { .. }));
        let (mut ours, mut rest) = (Vec::new(), Vec::new());
        for (words, piece) in pieces {
            // `-v` among words that are not ours is as good as never meant for us.
            let long = words[0].as_encoded_bytes().starts_with(b"--");
            let meant =
                matches!(piece, Piece::Ours { of, .. } if of.iter().all(|option| !option.is_hide_set()));
            if meant && (long || all_ours) {
                ours.extend_from_slice(words);
            } else {
                rest.extend_from_slice(words);
            }
        }
        let command = shown(&[std::slice::from_ref(self.text), self.rest].concat());
        if !ours.is_empty() {
            return Some(format!(
                "hint: all words were taken as the command, `{command}`; options stand before it: `{}`",
                self.typed(&self.with_words(&ours, &rest))
            ));
        }
        (!bare).then(|| {
            format!("hint: it was taken as a program with its arguments, `{command}`; a line for the shell stands between quotes as a whole")
        })
    }

    fn refused(&self, stranger: &OsString) -> Failure {
        let stranger_text = stranger.to_string_lossy();
        let name = stranger_text.split('=').next().unwrap_or_default();
        let meant = nearest(name, self.options.longs.iter().map(String::as_str))
            .first()
            .map(|&meant| meant.to_owned());
        let failure = Failure::new(
            Exit::Usage,
            format!(
                "`{stranger_text}` after the command `{}` is no option of a job",
                self.text.to_string_lossy()
            ),
        );
        match meant {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => failure.hint(format!(
                "if it belongs to the command, put the whole line between quotes, or type `{}`",
                self.typed(&self.with_words(&[], self.rest))
            )),
        }
    }

    /// A line as a person types it.
    fn typed(&self, arguments: &[OsString]) -> String {
        format!("{} {}", self.options.program, shown(&arguments[1..]))
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

/// The options of a program.
struct Options<'a> {
    program: String,
    all: Vec<&'a Arg>,
    longs: Vec<String>,
    /// What cannot stand beside COMMAND, such as a file of jobs.
    instead: Vec<&'a Arg>,
}

impl<'a> Options<'a> {
    fn of(command: &'a Command) -> Self {
        let all: Vec<&Arg> = command.get_arguments().filter(|argument| !argument.is_positional()).collect();
        let positional = command.get_positionals().next();
        Self {
            program: command.get_bin_name().unwrap_or_default().to_owned(),
            longs: all
                .iter()
                .filter(|option| !option.is_hide_set())
                .filter_map(|option| option.get_long().map(|name| format!("--{name}")))
                .collect(),
            instead: positional.map(|word| command.get_arg_conflicts_with(word)).unwrap_or_default(),
            all,
        }
    }

    fn is_of_a_job(&self, option: &Arg) -> bool {
        let instead = self.instead.iter().any(|other| other.get_id() == option.get_id());
        !(instead || option.is_hide_set() || is_shared(option))
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
    option.is_global_set()
        || matches!(
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

/// Words as they are typed, without a password that was: what is said may be logged.
fn shown(words: &[OsString]) -> String {
    shell_words::join(words.iter().map(|word| masked(&word.to_string_lossy())))
}

#[cfg(test)]
mod tests;
