//! Aliases that can never work.

use queuectl_cli::{Failure, is_program};
use queuectl_settings::loop_of_aliases;
use std::collections::BTreeMap;

/// What is wrong with one of these aliases, if it could never be typed with success.
pub(crate) fn fault(name: &str, aliases: &BTreeMap<String, String>) -> Option<Failure> {
    let line = aliases.get(name)?;
    let change = |line: &str| {
        let line = shell_words::quote(line);
        format!("`queuectl config set alias.{name} {line}`")
    };
    // A program of the family is found before any alias.
    if is_program(name) {
        let message = format!("the alias {name} can never be reached: `queuectl {name}` is a program");
        let hint = format!("take it away with `queuectl config unset alias.{name}`");
        return Some(Failure::error(message).hint(hint));
    }
    if let Some(rest) = line.strip_prefix("queuectl").filter(|rest| rest.is_empty() || rest.starts_with(' '))
    {
        let meant = if rest.trim().is_empty() { "COMMAND" } else { rest.trim() };
        let message = format!("the alias {name} can never work: what it stands for comes after `queuectl`");
        return Some(Failure::error(message).hint(format!("leave that out: {}", change(meant))));
    }
    if line.starts_with('-') {
        let message =
            format!("the alias {name} can never work: it begins with an option, not with a command");
        return Some(
            Failure::error(message).hint(format!("begin with the command: {}", change("list --json"))),
        );
    }
    let trail = loop_of_aliases(name, aliases, is_program)?;
    let message = format!("the alias {name} can never work, it leads back to itself: {}", trail.join(" → "));
    Some(Failure::error(message).hint(format!("have it stand for a command: {}", change("list"))))
}
