//! What is wrong with a command line, in the voice in which everything else is said.

use crate::elsewhere::Lead;
use crate::failure::Failure;
use crate::habits::habit;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use queuectl_core::Exit;
use std::borrow::Cow;
use std::error::Error as _;
use std::ffi::OsString;
use std::num::ParseIntError;

/// Says what clap has found in these words.
pub(crate) fn failure(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Failure {
    let typed = Typed::of(command, arguments);
    Failure::new(Exit::Usage, message(error, &typed)).hint(hint(error, &typed))
}

/// What was typed, as far as it can be understood.
struct Typed<'a> {
    /// The words of the program and of the action: `queuectl dlq retry`.
    program: String,
    action: &'a Command,
    /// Up to `--`.
    words: Vec<Cow<'a, str>>,
}

impl<'a> Typed<'a> {
    fn of(command: &'a Command, arguments: &'a [OsString]) -> Self {
        let ours = arguments.iter().skip(1).take_while(|word| *word != "--");
        let words: Vec<_> = ours.map(|word| word.to_string_lossy()).collect();
        let mut program = command.get_name().replacen('-', " ", 1);
        let mut action = command;
        for word in &words {
            if let Some(found) = action.find_subcommand(word.as_ref()) {
                program = format!("{program} {}", found.get_name());
                action = found;
            }
        }
        Self { program, action, words }
    }

    /// An option in the spelling in which it was typed: it may have others.
    fn spelling(&self, name: &str) -> String {
        let option = self.action.get_arguments().find(|option| is_named(option, name));
        let Some(option) = option else { return name.to_owned() };
        let longs = option.get_long_and_visible_aliases().unwrap_or_default();
        let longs = longs.into_iter().chain(option.get_all_aliases().unwrap_or_default());
        let longs = longs.map(|long| format!("--{long}"));
        let shorts = option.get_short_and_visible_aliases().unwrap_or_default();
        let spellings: Vec<String> = longs.chain(shorts.iter().map(|letter| format!("-{letter}"))).collect();
        let is_typed = |spelling: &&String| {
            self.words.iter().filter_map(|word| word.strip_prefix(spelling.as_str())).any(|rest| {
                let is_long = spelling.starts_with("--");
                rest.is_empty() || rest.starts_with('=') || !is_long
            })
        };
        spellings.iter().find(is_typed).map_or_else(|| name.to_owned(), Clone::clone)
    }

    /// What is visible of the options or actions of these names.
    fn visible(&self, names: &str) -> Option<String> {
        let is_hidden = |name: &str| {
            let option = self.action.get_arguments().find(|option| is_named(option, name));
            let action = self.action.find_subcommand(name);
            option.is_some_and(Arg::is_hide_set) || action.is_some_and(Command::is_hide_set)
        };
        names.split(", ").find(|name| !is_hidden(name)).map(str::to_owned)
    }

    /// What can stand for all that is missing: options for words, or words for options.
    fn instead_of(&self, missing: &str) -> Option<String> {
        let word = self.action.get_positionals().find(|word| !word.is_hide_set())?;
        let excludes = |a: &Arg, b: &Arg| {
            self.action.get_arg_conflicts_with(a).iter().any(|other| other.get_id() == b.get_id())
        };
        let mut others = self.action.get_arguments().filter(|option| {
            !option.is_positional()
                && !option.is_hide_set()
                && (excludes(word, option) || excludes(option, word))
        });
        // What need not be there always stands in brackets of its own kind.
        let shown = |argument: &Arg| argument.to_string().replace('[', "<").replace(']', ">");
        let is_missing = |argument: &Arg| missing.split(", ").any(|name| name == shown(argument));
        if is_missing(word) {
            return others.next().filter(|option| !is_missing(option)).map(|option| format!("`{option}`"));
        }
        // What was typed already excludes the words.
        (!others.any(|option| self.has(option))).then(|| format!("`{}`", shown(word)))
    }

    /// Tells whether this option was typed.
    fn has(&self, option: &Arg) -> bool {
        let Some(long) = option.get_long() else { return false };
        self.words.iter().any(|word| word.split('=').next() == Some(&format!("--{long}")))
    }

    /// Those of several options, as clap shows them, that were typed; all if none was, so as
    /// it is shown.
    fn typed_of(&self, shown: &str) -> String {
        let is_typed = |name: &&str| {
            self.action.get_arguments().any(|option| option.to_string() == *name && self.has(option))
        };
        let typed: Vec<&str> = shown.split(", ").filter(is_typed).collect();
        if typed.is_empty() { shown.to_owned() } else { typed.join("`, `") }
    }

    fn actions(&self) -> String {
        let visible = self.action.get_subcommands().filter(|action| !action.is_hide_set());
        visible.map(Command::get_name).filter(|name| *name != "help").collect::<Vec<_>>().join(", ")
    }
}

fn is_named(option: &Arg, name: &str) -> bool {
    name.strip_prefix("--").is_some_and(|name| option.get_long() == Some(name))
}

fn message(error: &clap::Error, typed: &Typed<'_>) -> String {
    let about = |kind| text(error, kind);
    let argument = about(ContextKind::InvalidArg).unwrap_or_default();
    let value = about(ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if is_below_zero(&argument) => {
            format!("`{argument}` is no value here, for nothing below 0 is taken")
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("there is no option `{argument}` here")
        }
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues => {
            let much = if value.is_empty() { argument } else { value };
            format!("`{much}` is one argument too many")
        }
        ErrorKind::InvalidValue => match (about(ContextKind::ValidValue), value.is_empty()) {
            (Some(valid), true) => format!("`{argument}` needs a value: {valid}"),
            (None, true) => needs_a_value(&argument),
            (Some(valid), false) => format!("`{value}` is no value for `{argument}`, which takes {valid}"),
            (None, false) => format!("`{value}` is no value for `{argument}`"),
        },
        ErrorKind::ValueValidation if lead(error).is_some() => match argument.split(' ').next() {
            Some(option) if option.starts_with('-') => {
                format!("there is no option `{}` here", typed.spelling(option))
            }
            _ => format!("`{value}` is one argument too many"),
        },
        ErrorKind::ValueValidation => {
            let why = match error.source() {
                Some(why) if why.is::<ParseIntError>() => "expected a whole number".to_owned(),
                why => {
                    let why = why.map(ToString::to_string).unwrap_or_default();
                    range(&why).unwrap_or(why)
                }
            };
            format!("`{value}` is no value for `{argument}`: {why}")
        }
        ErrorKind::NoEquals => format!("the value of `{argument}` is typed after an equals sign"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => format!("`{argument}` needs more values"),
        ErrorKind::ArgumentConflict => match about(ContextKind::PriorArg) {
            Some(prior) if prior != argument => {
                format!("`{argument}` does not go together with `{}`", typed.typed_of(&prior))
            }
            _ => format!("`{argument}` can be given once only"),
        },
        ErrorKind::MissingRequiredArgument => match typed.instead_of(&argument) {
            Some(other) => format!("what is missing: {argument}, or {other}"),
            None => format!("what is missing: {argument}"),
        },
        ErrorKind::InvalidSubcommand => {
            let name = about(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("`{}` knows no `{name}`", typed.program)
        }
        ErrorKind::MissingSubcommand => {
            format!("`{}` needs an action: {}", typed.program, typed.actions())
        }
        _ => first_sentence(error),
    }
}

/// Of an option that stands alone.
pub(crate) fn needs_a_value(option: &str) -> String {
    format!("`{option}` needs a value")
}

/// What was probably meant, else where to read on.
fn hint(error: &clap::Error, typed: &Typed<'_>) -> String {
    let program = &typed.program;
    if let Some(lead) = lead(error) {
        return lead.to_string();
    }
    if let Some(lead) =
        text(error, ContextKind::InvalidSubcommand).and_then(|word| habit(&typed.program, &word))
    {
        return lead;
    }
    let meant = |kind| text(error, kind).and_then(|names| typed.visible(&names));
    if let Some(name) = meant(ContextKind::SuggestedSubcommand) {
        return format!("did you mean `{program} {name}`?");
    }
    if let Some(name) = meant(ContextKind::SuggestedArg).or_else(|| meant(ContextKind::SuggestedValue)) {
        return format!("did you mean `{name}`?");
    }
    format!("see `{program} --help`")
}

/// What an option that we do not have leads to, if this is one.
pub(crate) fn lead(error: &clap::Error) -> Option<&Lead> {
    error.source()?.downcast_ref()
}

/// `-1`
fn is_below_zero(argument: &str) -> bool {
    let digits = argument.strip_prefix('-').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What clap says of a number that is out of range, in words: `0 is not in 1..=1024`.
fn range(said: &str) -> Option<String> {
    let (least, most) = said.split_once(" is not in ")?.1.split_once("..")?;
    let most = most.trim_start_matches('=');
    // A limit that is that of all numbers is none to a person.
    let is_a_limit = !most.is_empty() && most != u64::MAX.to_string() && most != i64::MAX.to_string();
    Some(if is_a_limit {
        format!("expected a whole number from {least} to {most}")
    } else {
        format!("expected a whole number of at least {least}")
    })
}

/// What clap knows of one thing; several are joined.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    let text = match error.get(kind)? {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        ContextValue::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// What clap itself says, without what it says around it.
fn first_sentence(error: &clap::Error) -> String {
    let said = error.render().to_string();
    let paragraph: Vec<&str> = said.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    paragraph.join(" ").trim_start_matches("error: ").to_owned()
}
