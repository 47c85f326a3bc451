//! The global flags, as the next program finds them in its environment.

use crate::arguments::{GlobalArgs, LOG_LEVEL_VARIABLE};
use crate::failure::Failure;
use queuectl_core::Place;
use queuectl_files::AS_ROOT_VARIABLE;
use std::ffi::{OsStr, OsString};

/// Names and values for the environment.
pub type Variables = Vec<(&'static str, OsString)>;

/// What a dispatcher hands to a program, and a manager to its workers and their
/// jobs, so that all of them mean the same queue.
pub fn variables(global: &GlobalArgs) -> Result<Variables, Failure> {
    let absolute = |path: &OsStr| {
        std::path::absolute(path).map(OsString::from).map_err(|error| {
            Failure::error(format!("cannot make {} an absolute path: {error}", path.display()))
        })
    };
    let mut variables = Vec::new();
    let is_below_home = |path: &OsStr| path.as_encoded_bytes().starts_with(b"~/");
    if let Some(file) = &global.config {
        let file = file.as_os_str();
        let kept = is_below_home(file);
        variables.push(("QUEUECTL_CONFIG", if kept { file.to_owned() } else { absolute(file)? }));
    }
    if let Some(database) = &global.database {
        let kept = is_url(database) || is_below_home(database);
        variables.push(("QUEUECTL_DATABASE", if kept { database.clone() } else { absolute(database)? }));
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

/// Tells whether this is a URL, as the configuration understands it.
fn is_url(database: &OsStr) -> bool {
    let text = database.to_str().unwrap_or_default();
    matches!(Place::read(text, |_| true), Ok(Place::Url(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_and_urls_are_kept() {
        let of = |database: &str| {
            let global = GlobalArgs { database: Some(database.into()), ..GlobalArgs::default() };
            variables(&global).unwrap().remove(0).1
        };
        let here = std::env::current_dir().unwrap();
        assert_eq!(of("a/q.db"), here.join("a/q.db"));
        for kept in ["/q.db", "postgres://me@host/q", "~/q.db"] {
            assert_eq!(of(kept), kept);
        }
        assert_eq!(of("://x"), here.join("://x"));
    }

    #[test]
    fn flags_become_what_every_program_understands() {
        let global = GlobalArgs { no_color: true, quiet: true, ..GlobalArgs::default() };
        let expected = [("NO_COLOR", "1".into()), ("QUEUECTL_LOG_LEVEL", "ERROR".into())];
        assert_eq!(variables(&global).unwrap(), expected);
        assert!(variables(&GlobalArgs::default()).unwrap().is_empty());
    }
}
