//! What is said of a line that can be meant in more ways than one.
//!
//! What is shown as a line to type can be typed: it is read before it is said, and has
//! nothing cut out of it. Where that cannot be, words have to do.

use super::line::{Line, Piece, is_bare, shows_something};
use super::shell::{self, Found};
use super::shown::shown;
use crate::arguments::check_place;
use crate::failure::Failure;
use crate::global::GlobalArgs;
use crate::usage::{self, needs_a_value};
use clap::{Arg, FromArgMatches as _};
use queuectl_core::{Exit, masked, nearest};
use std::ffi::OsString;
use std::path::Path;

type Pieces<'a> = [(&'a [OsString], Piece<'a>)];

impl Line<'_> {
    /// The line in which these options stand before the command, and these words in it.
    pub(super) fn with_words(&self, ours: &[OsString], rest: &[OsString]) -> Vec<OsString> {
        [self.before, ours, &["--".into()], std::slice::from_ref(self.text), rest].concat()
    }

    pub(super) fn options_taken(&self) -> String {
        let how = match self.typed(&self.with_words(&[], self.rest)) {
            Some(line) => format!("type {line}"),
            None => "type `--` before the command".to_owned(),
        };
        let taken = shown(self.rest).text;
        format!("hint: `{taken}` was taken as options of the job; if it belongs to the command, {how}")
    }

    /// What to say of a line whose words could have been meant otherwise; nothing if none could.
    pub(super) fn words_taken(&self, pieces: &Pieces<'_>, bare: bool) -> Option<String> {
        let otherwise = self
            .shell_meant()
            .or_else(|| self.file_meant(pieces))
            .or_else(|| self.options_meant(pieces))
            .or_else(|| self.other_programs_option_meant(pieces))
            .or_else(|| self.slip_meant())
            .or_else(|| self.time_meant());
        if let Some(otherwise) = otherwise {
            return Some(format!("hint: all words were taken as the command, `{}`; {otherwise}", self.all()));
        }
        (!bare).then(|| {
            format!(
                "hint: it was taken as a program with its arguments, `{}`; a line for the shell stands between \
                 quotes as a whole",
                self.all()
            )
        })
    }

    /// `enqueue ls '|' wc`
    fn shell_meant(&self) -> Option<String> {
        let words = std::iter::once(self.text).chain(self.rest);
        let words: Vec<&str> = words.map(|word| word.to_str()).collect::<Option<_>>()?;
        match shell::found(&words)? {
            Found::Syntax => {
                let line = shell::as_line(&words)
                    .map(|line| [self.before, &[line.into()]].concat())
                    .and_then(|line| self.typed(&line));
                let line = line.map_or_else(String::new, |line| format!(": {line}"));
                Some(format!("a line for the shell stands between quotes as a whole{line}"))
            }
            Found::Builtin => {
                let line = format!("{} && COMMAND", shell_words::join(words));
                let line = self.typed(&[self.before, &[line.into()]].concat());
                let such_as = line.map_or_else(String::new, |line| format!(", such as {line}"));
                Some(format!("it is of use only to what follows it in the same line for the shell{such_as}"))
            }
        }
    }

    /// `enqueue commands.txt --lines`
    fn file_meant(&self, pieces: &Pieces<'_>) -> Option<String> {
        let is_of_a_file = |option: &Arg| self.options.is_instead(option);
        if !all_ours(pieces) || !pieces.iter().any(|(_, piece)| piece.is_all(is_of_a_file)) {
            return None;
        }
        let line = self.typed(&self.of_the_file(&[self.before, self.rest].concat())?)?;
        Some(format!("to add what is in the file, type {line}"))
    }

    /// `enqueue --lines commands.txt`, which clap refuses with other words.
    pub(super) fn file_behind_its_options(&self) -> Option<Failure> {
        let before = self.options.pieces(self.before.get(1..)?);
        let options = before.iter().filter_map(|(_, piece)| match piece {
            Piece::Ours { of, .. } => Some(of),
            _ => None,
        });
        let option = options.flatten().find(|option| self.options.is_instead(option))?;
        if self.rest.iter().any(|word| !word.as_encoded_bytes().starts_with(b"-")) {
            return None;
        }
        let line = self.typed(&self.of_the_file(&[self.before, self.rest].concat())?)?;
        let message = format!("`--{}` goes with a file of jobs, and none is named", option.get_long()?);
        Some(Failure::new(Exit::Usage, message).hint(format!("type {line}")))
    }

    /// The line in which the first word of COMMAND is a file of jobs, if it is a file.
    fn of_the_file(&self, others: &[OsString]) -> Option<Vec<OsString>> {
        let names_a_file = |option: &&&Arg| {
            option.get_value_names().is_some_and(|names| names.iter().any(|name| name == "FILE"))
        };
        let file = self.options.instead.iter().find(names_a_file)?.get_long()?;
        let (program, others) = others.split_first()?;
        let line = [std::slice::from_ref(program), &[format!("--{file}").into(), self.text.clone()], others];
        Path::new(self.text).is_file().then(|| line.concat())
    }

    /// `enqueue make --id a all`
    fn options_meant(&self, pieces: &Pieces<'_>) -> Option<String> {
        let all_ours = all_ours(pieces);
        let can_be_meant = |option: &Arg| {
            !(option.is_hide_set() || self.options.is_instead(option) || shows_something(option))
        };
        let (mut ours, mut rest) = (Vec::new(), Vec::new());
        for (words, piece) in pieces {
            // `-v` among words that are not ours is as good as never meant for us.
            let long = words[0].as_encoded_bytes().starts_with(b"--");
            if piece.is_all(can_be_meant) && (long || all_ours) {
                ours.extend_from_slice(words);
            } else {
                rest.extend_from_slice(words);
            }
        }
        if ours.is_empty() {
            return None;
        }
        self.options_stand_before(&self.with_words(&ours, &rest))
    }

    /// `enqueue true --in 2h`: what we do not have, but know of.
    fn other_programs_option_meant(&self, pieces: &Pieces<'_>) -> Option<String> {
        let line = [self.before, self.rest, &["--".into(), self.text.clone()]].concat();
        let error = all_ours(pieces).then(|| self.command.clone().try_get_matches_from(line).err())??;
        Some(format!("if that was meant for queuectl, {}", usage::lead(&error)?))
    }

    /// `enqueue true --max-retrys 5`
    fn slip_meant(&self) -> Option<String> {
        let mut meant = None;
        let corrected: Vec<OsString> = self
            .rest
            .iter()
            .map(|word| match word.to_str().and_then(|word| self.corrected(word)) {
                Some((name, whole)) => {
                    meant.get_or_insert(name);
                    whole.into()
                }
                None => word.clone(),
            })
            .collect();
        let meant = meant?;
        let is_of_a_job = |option: &Arg| self.options.is_of_a_job(option);
        if !self.options.pieces(&corrected).iter().all(|(_, piece)| piece.is_all(is_of_a_job)) {
            return None;
        }
        let before = self.options_stand_before(&self.with_words(&corrected, &[]))?;
        Some(format!("did you mean `{meant}`? {before}"))
    }

    /// A long option that we do not have, as one of a job that is spelled nearly so, and
    /// that with the value that is attached to it.
    fn corrected(&self, word: &str) -> Option<(String, String)> {
        let (name, value) = word.find('=').map_or((word, ""), |at| word.split_at(at));
        let of_a_job = |option: &&&Arg| self.options.is_of_a_job(option);
        let all: Vec<String> =
            self.options.all.iter().filter(of_a_job).filter_map(|option| long(option)).collect();
        let is_there = |option: &&Arg| long(option).as_deref() == Some(name);
        if !name.starts_with("--") || self.options.all.iter().any(is_there) {
            return None;
        }
        let meant = near(name, &all)?;
        Some((meant.to_owned(), format!("{meant}{value}")))
    }

    /// `enqueue true at 22:00`
    fn time_meant(&self) -> Option<String> {
        let [.., at, time] = self.rest else { return None };
        let (hours, minutes) = time.to_str()?.split_once(':')?;
        let is_number = |text: &str| (1..3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let is_a_time = at == "at" && is_number(hours) && is_number(minutes);
        is_a_time.then(|| {
            "a job waits with `--delay TIME` before the command, or as a JSON job with `run_at`".to_owned()
        })
    }

    pub(super) fn refused(&self, stranger: &OsString) -> Failure {
        let text = stranger.to_string_lossy();
        let name = text.split('=').next().unwrap_or_default();
        let visible = self.options.all.iter().filter(|option| !option.is_hide_set());
        let all: Vec<String> = visible.filter_map(|option| long(option)).collect();
        let message = format!(
            "`{}` after the command `{}` is no option of a job",
            shown(std::slice::from_ref(stranger)).text,
            masked(&self.text.to_string_lossy())
        );
        let failure = Failure::new(Exit::Usage, message);
        if let Some(meant) = near(name, &all).filter(|meant| *meant != name) {
            return failure.hint(format!("did you mean `{meant}`?"));
        }
        let how = match self.typed(&self.with_words(&[], self.rest)) {
            Some(line) => format!("type {line}"),
            None => "type `--` before it".to_owned(),
        };
        failure.hint(format!("if it belongs to the command, put the whole line between quotes, or {how}"))
    }

    /// The last word is an option of ours whose value was not typed.
    pub(super) fn without_its_value(&self, option: &Arg) -> Failure {
        let failure = Failure::new(Exit::Usage, needs_a_value(&option.to_string()));
        match self.typed(&self.with_words(&[], self.rest)) {
            Some(line) if is_bare(self.text) => {
                failure.hint(format!("if it belongs to the command, type {line}"))
            }
            _ => failure.hint(format!("see `{} --help`", self.options.program)),
        }
    }

    fn options_stand_before(&self, line: &[OsString]) -> Option<String> {
        self.can_be_read(line).then(|| match self.typed(line) {
            Some(line) => format!("options stand before it: {line}"),
            None => "options of queuectl stand before the command".to_owned(),
        })
    }

    /// All words of the command.
    fn all(&self) -> String {
        shown(&[std::slice::from_ref(self.text), self.rest].concat()).text
    }

    /// A line as a person types it, if it can be typed.
    fn typed(&self, arguments: &[OsString]) -> Option<String> {
        let words = shown(&arguments[1..]);
        let can_be_typed = !words.is_cut && self.can_be_read(arguments);
        can_be_typed.then(|| format!("`{} {}`", self.options.program, words.text))
    }

    fn can_be_read(&self, arguments: &[OsString]) -> bool {
        let mut command = self.command.clone();
        let Ok(matches) = command.try_get_matches_from_mut(arguments) else { return false };
        let global = GlobalArgs::from_arg_matches(&matches).unwrap_or_default();
        global.database.is_none_or(|database| check_place("--database", &database).is_ok())
    }
}

fn all_ours(pieces: &Pieces<'_>) -> bool {
    pieces.iter().all(|(_, piece)| piece.is_all(|_| true))
}

fn long(option: &Arg) -> Option<String> {
    option.get_long().map(|name| format!("--{name}"))
}

/// The option that is spelled nearly so, or of which this is the last word.
fn near<'a>(name: &str, all: &'a [String]) -> Option<&'a str> {
    let lower = name.to_ascii_lowercase();
    if let Some(meant) = nearest(&lower, all.iter().map(String::as_str)).first() {
        return all.iter().map(String::as_str).find(|long| long == meant);
    }
    let ending = lower.strip_prefix('-').filter(|ending| ending.len() > 3)?;
    all.iter().map(String::as_str).find(|long| long.ends_with(ending))
}
