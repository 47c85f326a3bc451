//! From a name to the program that stands behind it.

use crate::find::{self, ProgramFolders};
use crate::{alias, replace, unknown};
use queuectl_cli::{Context, Exit, Failure, GlobalArgs, inherited_variables, report_as_they_ask, variables};
use queuectl_files::Owners;
use queuectl_settings::Settings;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Becomes the program that the first word names, if one stands beside this one.
///
/// The way nearly every call goes, without reading a command line: that would be
/// a third of the dispatcher's own time. Comes back if it is not as simple as that.
pub(crate) fn go_straight() -> Option<()> {
    let mut words = std::env::args_os().skip(1);
    let name = words.next().filter(|name| name != "help")?;
    let folders = ProgramFolders::around_this_program().ok()?;
    let program = folders.program(name.to_str().filter(|name| find::is_name(name))?)?;
    let variables = inherited_variables().ok()?;
    // Why it could not be done is said on the way that comes next.
    let _ = replace::with(&folders, &program, &words.collect::<Vec<_>>(), variables);
    None
}

/// An extension is run if it is this user's, root's, or of whom this program is.
fn refuse_another_users(extension: &Path, owners: Owners) -> Result<(), Failure> {
    // What cannot be looked at cannot be run, and then that is said.
    let Ok(found) = extension.metadata() else { return Ok(()) };
    if !queuectl_files::is_root() && queuectl_files::is_of_this_programs_owner(&found) {
        return Ok(());
    }
    queuectl_files::check_trusted(extension, &found, owners).map_err(|unfit| {
        Failure::new(Exit::CannotRun, unfit.to_string())
            .hint(unfit.hint("copy it into a folder of your own that is in PATH"))
    })
}

/// Becomes the program of this name; comes back only if it cannot.
pub(crate) fn become_program(
    cx: &Context,
    folders: &ProgramFolders,
    typed: &OsStr,
    arguments: Vec<OsString>,
    json: bool,
) -> Result<(), Failure> {
    // A command line may be answered here whose arguments no program reads.
    report_as_they_ask(&arguments);
    let not_a_name =
        || Failure::new(Exit::UnknownCommand, format!("`{}` is no command", typed.to_string_lossy()));
    let name = typed.to_str().filter(|name| find::is_name(name)).ok_or_else(not_a_name)?;
    let variables = variables(cx.global())?;
    let flags = flags(cx.global(), json);
    if let Some(program) = folders.program(name) {
        let arguments = [flags, arguments].concat();
        return Err(replace::with(folders, &program, &arguments, variables));
    }
    // Only now: a broken file must not lock the user out of `config check`.
    let settings = settings(cx, &arguments)?;
    let aliases = settings.aliases();
    let expanded = alias::expand(name, aliases, |name| folders.program(name).is_some())?;
    if aliases.contains_key(name)
        && let Some(hidden) = folders.extension(name)
    {
        cx.output().warn(format!("the alias {name} hides {}", hidden.display()));
    }
    let words = expanded.arguments.into_iter().map(OsString::from).chain(arguments);
    let (found, arguments): (_, Vec<OsString>) = match folders.program(&expanded.name) {
        Some(program) => (program, flags.into_iter().chain(words).collect()),
        None => match folders.extension(&expanded.name) {
            Some(_) if json => return Err(no_program_of_ours(name)),
            Some(extension) => {
                refuse_another_users(&extension, cx.global().owners())?;
                (extension, words.collect())
            }
            None => return Err(unknown::failure(name, &expanded.name, folders, aliases)),
        },
    };
    Err(replace::with(folders, &found, &arguments, variables))
}

/// What stands before the name and every program of the family takes, before its actions
/// too. The places are variables as well; the flags tell it that they were typed, so that
/// its hints have them too.
fn flags(global: &GlobalArgs, json: bool) -> Vec<OsString> {
    let places = [
        ("--config", global.config.as_ref().map(|file| file.as_os_str())),
        ("--database", global.database.as_deref()),
    ];
    let mut flags: Vec<OsString> = json.then(|| "--json".into()).into_iter().collect();
    for (flag, place) in places {
        match place {
            // As a word of its own it would be another flag.
            Some(place) if place.as_encoded_bytes().starts_with(b"-") => {
                flags.push([OsStr::new(flag), OsStr::new("="), place].into_iter().collect());
            }
            Some(place) => flags.extend([flag.into(), place.to_owned()]),
            None => {}
        }
    }
    flags
}

/// The configuration with the aliases. An alias is followed by flags of the program
/// that it stands for; of these `--as-root` matters here already.
fn settings(cx: &Context, arguments: &[OsString]) -> Result<Settings, Failure> {
    let mut overrides = cx.overrides();
    if arguments.iter().take_while(|word| *word != "--").any(|word| word == "--as-root") {
        overrides.owners = Owners::AnyForRoot;
    }
    Ok(Settings::load(&overrides)?)
}

/// The arguments of an extension are passed untouched, and it may know no JSON.
fn no_program_of_ours(name: &str) -> Failure {
    Failure::new(Exit::Usage, format!("`{name}` is a command of your own, which --json does not reach"))
        .hint(format!("if it takes it, type it after the name: `queuectl {name} --json`"))
}
