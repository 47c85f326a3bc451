//! What is wrong with a command line, in the voice in which everything else is said.

use crate::elsewhere::Lead;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::habits::habit;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;
use std::ffi::OsString;
use std::num::ParseIntError;

/// Says what clap has found in these words.
pub(crate) fn failure(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Failure {
    let program = typed_name(command, arguments);
    Failure::new(Exit::Usage, message(error, &program)).hint(hint(error, &program))
}

fn message(error: &clap::Error, program: &str) -> String {
    let about = |kind| text(error, kind);
    let argument = about(ContextKind::InvalidArg).unwrap_or_default();
    let value = about(ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("there is no option `{argument}` here")
        }
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues => {
            let much = if value.is_empty() { argument } else { value };
            format!("`{much}` is one argument too many")
        }
        ErrorKind::InvalidValue => match (about(ContextKind::ValidValue), value.is_empty()) {
            (Some(valid), true) => format!("`{argument}` needs a value: {valid}"),
            (None, true) => format!("`{argument}` needs a value"),
            (Some(valid), false) => format!("`{value}` is no value for `{argument}`, which takes {valid}"),
            (None, false) => format!("`{value}` is no value for `{argument}`"),
        },
        ErrorKind::ValueValidation if lead(error).is_some() => match argument.split(' ').next() {
            Some(option) if option.starts_with('-') => format!("there is no option `{option}` here"),
            _ => format!("`{value}` is one argument too many"),
        },
        ErrorKind::ValueValidation => {
            let why = match error.source() {
                Some(why) if why.is::<ParseIntError>() => "expected a whole number".to_owned(),
                why => why.map(ToString::to_string).unwrap_or_default(),
            };
            format!("`{value}` is no value for `{argument}`: {why}")
        }
        ErrorKind::NoEquals => format!("the value of `{argument}` is typed after an equals sign"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => format!("`{argument}` needs more values"),
        ErrorKind::ArgumentConflict => match about(ContextKind::PriorArg) {
            Some(prior) if prior != argument => format!("`{argument}` does not go together with `{prior}`"),
            _ => format!("`{argument}` can be given once only"),
        },
        ErrorKind::MissingRequiredArgument => format!("what is missing: {argument}"),
        ErrorKind::InvalidSubcommand => {
            let name = about(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("`{program}` knows no `{name}`")
        }
        _ => first_sentence(error),
    }
}

/// What was probably meant, else where to read on.
fn hint(error: &clap::Error, program: &str) -> String {
    if let Some(lead) = lead(error) {
        return lead.to_string();
    }
    if let Some(lead) = text(error, ContextKind::InvalidSubcommand).and_then(|word| habit(program, &word)) {
        return lead;
    }
    let meant = |kind| text(error, kind).and_then(|names| Some(names.split(", ").next()?.to_owned()));
    if let Some(name) = meant(ContextKind::SuggestedSubcommand) {
        return format!("did you mean `{program} {name}`?");
    }
    if let Some(name) = meant(ContextKind::SuggestedArg).or_else(|| meant(ContextKind::SuggestedValue)) {
        return format!("did you mean `{name}`?");
    }
    format!("see `{program} --help`")
}

/// What an option that we do not have leads to, if this is one.
fn lead(error: &clap::Error) -> Option<&Lead> {
    error.source()?.downcast_ref()
}

/// The words of the program and of the action that was typed: `queuectl dlq retry`.
fn typed_name(command: &Command, arguments: &[OsString]) -> String {
    let mut name = command.get_name().replacen('-', " ", 1);
    let mut command = command;
    for word in arguments.iter().skip(1).take_while(|word| *word != "--") {
        if let Some(action) = word.to_str().and_then(|word| command.find_subcommand(word)) {
            name = format!("{name} {}", action.get_name());
            command = action;
        }
    }
    name
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
