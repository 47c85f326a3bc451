//! Options of other programs for what is said another way here.

use clap::builder::TypedValueParser;
use clap::{Arg, ArgMatches, Command, FromArgMatches};
use std::marker::PhantomData;

/// The value of an option that is never taken: it leads to another.
#[derive(Clone, Copy, Debug)]
pub enum Elsewhere {}

/// What to type instead; the hint of the error that says that there is no such option.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Lead(&'static str);

/// Refuses every value with what to type instead.
pub fn elsewhere(lead: &'static str) -> impl TypedValueParser<Value = Elsewhere> {
    move |_: &str| Err::<Elsewhere, _>(Lead(lead))
}

/// The options that those try who know other programs.
pub trait OthersOptions {
    /// How they are typed, `--long` or `-s`, and what to type instead.
    const TABLE: &'static [(&'static [&'static str], &'static str)];
}

/// Takes none of these options, and shows them in no help: each leads to what is ours.
#[derive(Debug)]
pub struct Leads<T>(PhantomData<T>);

impl<T: OthersOptions> clap::Args for Leads<T> {
    fn augment_args(command: Command) -> Command {
        let options = T::TABLE.iter().flat_map(|(names, lead)| names.iter().map(|name| option(name, lead)));
        command.args(options)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T> FromArgMatches for Leads<T> {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(PhantomData))
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}

/// With a value or without: it is not taken either way.
fn option(name: &'static str, lead: &'static str) -> Arg {
    let option = Arg::new(name).hide(true).num_args(0..=1).default_missing_value("");
    let option = option.allow_hyphen_values(true).value_parser(elsewhere(lead));
    match name.strip_prefix("--") {
        Some(long) => option.long(long),
        None => option.short(name.chars().nth(1)),
    }
}
