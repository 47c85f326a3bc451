//! What to say about a name that nothing has.

use crate::find::{ProgramFolders, is_name};
use queuectl_cli::{Exit, Failure, habit};
use queuectl_core::nearest;
use std::collections::{BTreeMap, BTreeSet};

/// Names what was probably meant, over programs, aliases and extensions.
pub(crate) fn failure(
    typed: &str,
    expanded: &str,
    folders: &ProgramFolders,
    aliases: &BTreeMap<String, String>,
) -> Failure {
    let message = if typed == expanded {
        format!("there is no command `{typed}`")
    } else {
        format!("the alias {typed} stands for `{expanded}`, and there is no such command")
    };
    let failure = Failure::new(Exit::UnknownCommand, message);
    if let Some(lead) = habit("queuectl", expanded) {
        return failure.hint(lead);
    }
    let mut names: BTreeSet<String> = folders.programs();
    names.extend(aliases.keys().filter(|name| is_name(name)).cloned());
    names.extend(folders.extensions().into_keys());
    let meant = nearest(expanded, names.iter().map(String::as_str).filter(|name| *name != expanded));
    if meant.is_empty() {
        return failure.hint("list what there is with `queuectl --list`");
    }
    let meant: Vec<String> = meant.iter().map(|name| format!("`queuectl {name}`")).collect();
    failure.hint(format!("did you mean {}?", meant.join(" or ")))
}
