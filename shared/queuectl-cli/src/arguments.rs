//! What every command line has: the global flags, and how it is read.

use crate::failure::Failure;
use crate::global::GlobalArgs;
use crate::typed_places;
use crate::usage;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args as _, CommandFactory, FromArgMatches, Parser};
use queuectl_core::{Exit, Location, NotALocation, has_password, without_password};
use queuectl_settings::SettingsError;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::Path;

/// Makes sure that an argument can be the place of a queue, and has no password.
///
/// What is no text is a path.
///
/// # Errors
///
/// [`Exit::Error`] if it looks like an address and is none, or if there is a password in
/// it: every user of the machine can read the arguments of a process.
pub fn check_place(argument: &str, typed: &OsStr) -> Result<(), Failure> {
    let Some(text) = typed.to_str().filter(|text| !text.is_empty()) else { return Ok(()) };
    Location::read(text, is_there).map_err(|error: NotALocation| {
        Failure::error(error.to_string()).about(argument).hint(error.hint())
    })?;
    if has_password(text) {
        return Err(SettingsError::PasswordTyped { url: without_password(text) }.into());
    }
    Ok(())
}

/// Tells whether there is anything under this name.
pub(crate) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Makes the command line of a program: its own arguments, the global flags, and
/// a usage that reads as it is typed.
///
/// A program of the name `queuectl-dlq` is called `queuectl dlq`.
pub fn command<A: CommandFactory>() -> clap::Command {
    let own = A::command();
    let typed = own.get_name().replacen('-', " ", 1);
    let (about, long_about) = (own.get_about().cloned(), own.get_long_about().cloned());
    // The flags bring a description of their own.
    let mut command = GlobalArgs::augment_args(own).long_about(None);
    command = match about {
        Some(about) => command.about(about),
        None => command.about(None),
    };
    if let Some(long_about) = long_about {
        command = command.long_about(long_about);
    }
    with_json(command).bin_name(typed).version(env!("CARGO_PKG_VERSION")).propagate_version(true)
}

/// The option that has documents printed, of every program.
pub(crate) const JSON: &str = "json";

/// Lets `--json` be given again, and stand before an action too, if one of them takes it.
fn with_json(command: clap::Command) -> clap::Command {
    let takes_it =
        |command: &clap::Command| command.get_arguments().any(|argument| argument.get_id() == JSON);
    let again = |command: clap::Command| {
        let has_it = takes_it(&command);
        if has_it { command.mut_arg(JSON, |json| json.overrides_with(JSON)) } else { command }
    };
    if takes_it(&command) || !command.get_subcommands().any(takes_it) {
        return again(command);
    }
    let command = command.mut_subcommands(again);
    let json = Arg::new(JSON).long(JSON).global(true).action(ArgAction::SetTrue).overrides_with(JSON);
    command.arg(json.help("Print JSON; errors too").help_heading("Global options"))
}

/// Tells whether this may be a request for help: what is shown there alone would take a
/// part of the time of a short command.
fn may_show_help(arguments: &[OsString]) -> bool {
    let asks = |word: &[u8]| word == b"help" || (word.starts_with(b"-") && word.contains(&b'h'));
    arguments.len() < 2 || arguments.iter().any(|word| asks(word.as_encoded_bytes()))
}

/// What `parse_duration` understands.
const HOW_TIMES_ARE_TYPED: &str = "A TIME is typed 500ms, 30s, 10m, 24h or 7d; a bare number is seconds.";

/// Says below every help how the program can end, and how a time is typed that it takes.
fn with_exit_codes(command: clap::Command) -> clap::Command {
    let command = command.mut_subcommands(with_exit_codes);
    let own = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let takes_time = command.get_arguments().any(|argument| {
        argument.get_value_names().is_some_and(|names| names.iter().any(|name| name == "TIME"))
    });
    let exit_codes = if own.contains("Exit codes:") { "" } else { Exit::IN_HELP };
    let parts = [own.as_str(), if takes_time { HOW_TIMES_ARE_TYPED } else { "" }, exit_codes];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    command.after_help(parts.join("\n\n"))
}

/// Reads the command line.
///
/// # Errors
///
/// [`Exit::Usage`] if it is wrong; [`Exit::Done`] after `--help` and `--version`.
/// Whichever it is, everything has been said. [`Exit::Error`] if there is a password
/// in it.
pub(crate) fn parse<A: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(A, GlobalArgs), Failure> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = command::<A>();
    if may_show_help(&arguments) {
        command = with_exit_codes(command);
    }
    report_as_they_ask(&arguments);
    let parsed = command.try_get_matches_from_mut(&arguments).and_then(|matches| {
        Failure::report_as_json(asks_for_json(&matches));
        Ok((A::from_arg_matches(&matches)?, GlobalArgs::from_arg_matches(&matches)?))
    });
    let external = command.is_allow_external_subcommands_set();
    let (own, global) = parsed.map_err(|error| match error.kind() {
        // The content of an argument, not the form of the command line.
        ErrorKind::InvalidUtf8 => {
            let code = if external { Exit::UnknownCommand } else { Exit::Error };
            Failure::new(code, "an argument is not valid UTF-8")
        }
        _ => report(&error.format(&mut command), &command, &arguments),
    })?;
    typed_places::remember(&global);
    if let Some(text) = global.config.as_deref().and_then(Path::to_str) {
        Location::check_path(text, is_there)
            .map_err(|error| Failure::error(error.to_string()).about("--config").hint(error.hint()))?;
    }
    if let Some(database) = &global.database {
        check_place("--database", database)?;
    }
    Ok((own, global))
}

/// Has failures written as a command line asks for, as far as that can be told of one that
/// cannot be read, or was not read.
pub fn report_as_they_ask(arguments: &[OsString]) {
    if arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json") {
        Failure::report_as_json(true);
    }
}

/// Prints the help that was asked for, or makes an error of what clap has found.
fn report(error: &clap::Error, command: &clap::Command, arguments: &[OsString]) -> Failure {
    match error.kind() {
        // The name of the program, whichever action it is asked of.
        ErrorKind::DisplayVersion => {
            let version = format!("{} {}\n", command.get_name(), env!("CARGO_PKG_VERSION"));
            let printed = io::stdout().write_all(version.as_bytes()).and_then(|()| io::stdout().flush());
            printed.map_or_else(|error| Failure::of_output(&error), |()| Failure::said(Exit::Done))
        }
        ErrorKind::DisplayHelp => {
            let printed = error.print().and_then(|()| io::stdout().flush());
            printed.map_or_else(|error| Failure::of_output(&error), |()| Failure::said(Exit::Done))
        }
        // Where too little was typed, what there is is shown.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !Failure::is_json() => {
            let _ = error.print();
            Failure::said(Exit::Usage)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Failure::new(Exit::Usage, "the command line says not what to do")
        }
        _ => usage::failure(error, command, arguments),
    }
}

/// Tells whether `--json` was given, to whichever part of the command.
fn asks_for_json(matches: &ArgMatches) -> bool {
    let here = matches.try_get_one::<bool>(JSON).is_ok_and(|json| json == Some(&true));
    here || matches.subcommand().is_some_and(|(_, matches)| asks_for_json(matches))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::state_parser;
    use queuectl_core::State;

    /// Do something
    #[derive(clap::Parser, Debug)]
    #[command(name = "queuectl-thing")]
    struct Args {
        #[command(subcommand)]
        action: Option<Action>,
        #[arg(long, value_parser = state_parser(), ignore_case = true)]
        state: Vec<State>,
    }

    #[derive(clap::Subcommand, Debug)]
    enum Action {
        /// Go
        Go,
    }

    fn parsed(line: &str) -> Result<(Args, GlobalArgs), Failure> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn global_flags_are_taken_before_and_after_a_subcommand() {
        for line in ["queuectl-thing --database q.db -v go", "queuectl-thing go --database q.db -v"] {
            let (args, global) = parsed(line).unwrap();
            assert!(matches!(args.action, Some(Action::Go)));
            assert_eq!(global.database.as_deref(), Some(OsStr::new("q.db")));
            assert_eq!(global.log_level(), Some("DEBUG"));
            assert_eq!(global.overrides().flags.len(), 2);
        }
    }

    #[test]
    fn a_wrong_command_line_is_told_from_wrong_content() {
        assert_eq!(parsed("queuectl-thing --frob").unwrap_err().code(), Exit::Usage);
        assert_eq!(parsed("queuectl-thing --state undead").unwrap_err().code(), Exit::Usage);
        assert_eq!(parsed("queuectl-thing -v -q").unwrap_err().code(), Exit::Usage);
        assert_eq!(
            parsed("queuectl-thing --state Dead --state failed").unwrap().0.state,
            [State::Dead, State::Failed]
        );
    }

    #[test]
    fn a_password_in_a_flag_is_refused_and_not_repeated() {
        for url in ["postgres://me:secret@db/q", "postgres://me@db/q?sslmode=require&password=secret"] {
            let failure = parsed(&format!("queuectl-thing go --database {url}")).unwrap_err();
            assert_eq!(failure.code(), Exit::Error);
            let said = failure.to_string();
            assert!(said.contains("postgres://me@db/q") && said.contains("~/.pgpass"), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
        assert!(parsed("queuectl-thing --database postgres://me@db/q?passfile=/etc/pgpass").is_ok());
    }

    #[test]
    fn what_is_no_place_is_refused_without_its_password() {
        for text in ["POSTGRES://me:secret@db/q", "'postgres://me:secret@db/q'", "shop", ":memory:"] {
            let failure = parsed(&format!("queuectl-thing go --database {text}")).unwrap_err();
            assert_eq!(failure.code(), Exit::Error);
            let said = failure.to_string();
            assert!(said.contains("--database: ") && said.contains("\nhint: "), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn usage_reads_as_it_is_typed() {
        let mut command = command::<Args>();
        command.build();
        assert!(command.render_usage().to_string().contains("Usage: queuectl thing"));
        let go = command.find_subcommand_mut("go").unwrap();
        assert!(go.render_usage().to_string().contains("queuectl thing go"));
        let help = command.render_long_help().to_string();
        assert!(help.starts_with("Do something\n") && help.contains("Global options"), "{help}");
    }
}
