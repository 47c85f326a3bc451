//! From a name to the program that stands behind it.

use crate::find::{self, Shelves};
use crate::{alias, replace, unknown};
use queuectl_cli::{Context, Exit, Failure, inherited_variables, variables};
use std::ffi::{OsStr, OsString};

/// Becomes the program that the first word names, if one stands beside this one.
///
/// The way nearly every call goes, without reading a command line: that would be
/// a third of the dispatcher's own time. Comes back if it is not as simple as that.
pub(crate) fn go_straight() -> Option<()> {
    let mut words = std::env::args_os().skip(1);
    let name = words.next().filter(|name| name != "help")?;
    let shelves = Shelves::around_this_program().ok()?;
    let program = shelves.program(name.to_str().filter(|name| find::is_name(name))?)?;
    let variables = inherited_variables().ok()?;
    // Why it could not be done is said by who comes next.
    let _ = replace::with(&shelves, &program, &words.collect::<Vec<_>>(), variables);
    None
}

/// Becomes the program of this name; comes back only if it cannot.
pub(crate) fn become_program(
    cx: &Context,
    shelves: &Shelves,
    typed: &OsStr,
    arguments: &[OsString],
) -> Result<(), Failure> {
    let not_a_name =
        || Failure::new(Exit::UnknownCommand, format!("`{}` is no command", typed.to_string_lossy()));
    let name = typed.to_str().filter(|name| find::is_name(name)).ok_or_else(not_a_name)?;
    let variables = variables(cx.global())?;
    if let Some(program) = shelves.program(name) {
        return Err(replace::with(shelves, &program, arguments, variables));
    }
    // Only now: a broken file must not lock the user out of `config check`.
    let aliases = cx.settings()?.aliases();
    let expanded = alias::expand(name, aliases, |name| shelves.program(name).is_some())?;
    if aliases.contains_key(name)
        && let Some(hidden) = shelves.extension(name)
    {
        cx.output().warn(format!("the alias {name} hides {}", hidden.display()));
    }
    let found = shelves.program(&expanded.name).or_else(|| shelves.extension(&expanded.name));
    let found = found.ok_or_else(|| unknown::failure(name, &expanded.name, shelves, aliases))?;
    let arguments: Vec<OsString> =
        expanded.arguments.into_iter().map(OsString::from).chain(arguments.iter().cloned()).collect();
    Err(replace::with(shelves, &found, &arguments, variables))
}
