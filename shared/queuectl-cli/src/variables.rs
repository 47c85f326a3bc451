//! Which queue is meant, and the global flags, as the next program finds them in its
//! environment.

use crate::arguments::is_there;
use crate::failure::Failure;
use crate::global::{GlobalArgs, LOG_LEVEL_VARIABLE};
use queuectl_core::Location;
use queuectl_files::AS_ROOT_VARIABLE;
use std::env;
use std::ffi::{OsStr, OsString};

/// Names and values for the environment.
pub type Variables = Vec<(&'static str, OsString)>;

/// What a dispatcher hands to a program, and a manager to its workers and their
/// jobs, so that all of them mean the same queue wherever they run.
pub fn variables(global: &GlobalArgs) -> Result<Variables, Failure> {
    variables_beside(global, |name| env::var_os(name))
}

/// What a program hands on of its environment alone.
pub fn inherited_variables() -> Result<Variables, Failure> {
    variables(&GlobalArgs::default())
}

/// Flags become variables, and what is relative becomes absolute: the next program
/// may stand in another folder.
fn variables_beside(
    global: &GlobalArgs,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Variables, Failure> {
    let mut variables = Vec::new();
    let places = [
        ("QUEUECTL_HOME", None),
        ("QUEUECTL_CONFIG", global.config.as_ref().map(|file| file.clone().into_os_string())),
        ("QUEUECTL_DATABASE", global.database.clone()),
    ];
    for (name, flag) in places {
        let inherited = variable(name).filter(|place| !place.is_empty());
        let place = flag.clone().or_else(|| inherited.clone());
        if let Some(place) = place.map(|place| absolute(name, &place)).transpose()?
            && (flag.is_some() || Some(&place) != inherited.as_ref())
        {
            variables.push((name, place));
        }
    }
    if global.as_root {
        variables.push((AS_ROOT_VARIABLE, "1".into()));
    }
    if global.no_color {
        variables.push(("NO_COLOR", "1".into()));
    }
    if let Some(level) = global.log_level() {
        variables.push((LOG_LEVEL_VARIABLE, level.into()));
    }
    Ok(variables)
}

/// Makes a path absolute. A URL stays as it is, and so does what is neither: the
/// next program refuses it in the words in which it was typed.
fn absolute(name: &str, place: &OsStr) -> Result<OsString, Failure> {
    let is_below_home = place.as_encoded_bytes().starts_with(b"~/");
    if is_below_home || place.to_str().is_some_and(|text| !is_path(name, text)) {
        return Ok(place.to_owned());
    }
    std::path::absolute(place)
        .map(OsString::from)
        .map_err(|error| Failure::error(format!("cannot make {} an absolute path: {error}", place.display())))
}

fn is_path(name: &str, text: &str) -> bool {
    match name {
        "QUEUECTL_DATABASE" => matches!(Location::read(text, is_there), Ok(Location::File(_))),
        _ => Location::check_path(text, is_there).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_and_urls_are_kept() {
        let of = |database: &str| {
            let global = GlobalArgs { database: Some(database.into()), ..GlobalArgs::default() };
            variables_beside(&global, |_| None).unwrap().remove(0).1
        };
        let here = std::env::current_dir().unwrap();
        assert_eq!(of("a/q.db"), here.join("a/q.db"));
        for kept in ["/q.db", "postgres://me@host/q", "~/q.db", "nosql://me:pw@host/q", "shop"] {
            assert_eq!(of(kept), kept, "what is no place is refused as it was typed");
        }
    }

    #[test]
    fn flags_become_what_every_program_understands() {
        let global = GlobalArgs { no_color: true, quiet: true, ..GlobalArgs::default() };
        let expected = [("NO_COLOR", "1".into()), ("QUEUECTL_LOG_LEVEL", "ERROR".into())];
        assert_eq!(variables_beside(&global, |_| None).unwrap(), expected);
        assert!(variables_beside(&GlobalArgs::default(), |_| None).unwrap().is_empty());
    }

    #[test]
    fn a_relative_place_is_handed_on_absolute_wherever_it_was_named() {
        let here = std::env::current_dir().unwrap();
        for name in ["QUEUECTL_HOME", "QUEUECTL_CONFIG", "QUEUECTL_DATABASE"] {
            let of = |value: &'static str| {
                let variable = |wanted: &str| (wanted == name).then(|| value.into());
                variables_beside(&GlobalArgs::default(), variable).unwrap()
            };
            assert_eq!(of("./q.db"), [(name, here.join("q.db").into_os_string())]);
            assert_eq!((of("/q.db"), of("")), (vec![], vec![]), "what is absolute is inherited as it is");
        }
        let global = GlobalArgs { database: Some("/flag.db".into()), ..GlobalArgs::default() };
        let handed_on = variables_beside(&global, |_| Some("/variable.db".into())).unwrap();
        assert_eq!(handed_on, [("QUEUECTL_DATABASE", "/flag.db".into())]);
    }
}
