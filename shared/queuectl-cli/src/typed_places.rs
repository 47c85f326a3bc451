//! Hints that lead to the queue that is meant.
//!
//! A person who has named a queue or a configuration by a flag would get to another by a
//! hint without it. The one place where such a flag is put into what is said; an
//! exported variable is there when the hint is typed, and needs none.

use crate::global::GlobalArgs;
use std::sync::OnceLock;

/// A flag, and its value as a shell takes it.
type Flag = (&'static str, String);

static TYPED: OnceLock<Vec<Flag>> = OnceLock::new();

/// Keeps what was typed of places; a process reads one command line.
pub(crate) fn remember(global: &GlobalArgs) {
    TYPED.get_or_init(|| flags(global));
}

/// Puts the places that were typed into each `` `queuectl …` `` of a text.
pub fn with_typed_places(text: &str) -> String {
    TYPED.get().map_or_else(|| text.to_owned(), |flags| with_flags(text, flags))
}

fn flags(global: &GlobalArgs) -> Vec<Flag> {
    let config = global.config.as_ref().map(|file| file.as_os_str());
    [("--config", config), ("--database", global.database.as_deref())]
        .into_iter()
        // What is no text cannot be typed as it is shown.
        .filter_map(|(flag, value)| Some((flag, shell_words::quote(value?.to_str()?).into_owned())))
        .collect()
}

fn with_flags(text: &str, flags: &[Flag]) -> String {
    let piece = |(place, piece): (usize, &str)| match piece.strip_prefix("queuectl ") {
        Some(line) if place % 2 == 1 => {
            let wanted = flags.iter().filter(|(flag, _)| is_missing(line, flag));
            let wanted = wanted.flat_map(|(flag, value)| [*flag, value]);
            ["queuectl"].into_iter().chain(wanted).chain([line]).collect::<Vec<_>>().join(" ")
        }
        _ => piece.to_owned(),
    };
    text.split('`').enumerate().map(piece).collect::<Vec<_>>().join("`")
}

/// Tells whether a line for queuectl means another place without this flag.
fn is_missing(line: &str, flag: &str) -> bool {
    let mut words = line.split(' ');
    let is_there =
        |word: &str| word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    let (name, action) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // What is written into the configuration is for lines that name no queue.
    let is_of_the_file = flag == "--database" && name == "config" && !matches!(action, "get" | "list");
    let asks_for_help = name == "help" || name.starts_with("--") || line.ends_with(" --help");
    !(asks_for_help || is_of_the_file || line.split(' ').any(is_there))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        with_flags(text, &[("--config", "c.toml".into()), ("--database", "'my q.db'".into())])
    }

    #[test]
    fn every_line_of_ours_gets_the_places_that_were_typed() {
        assert_eq!(
            said("see `queuectl list` or `kill PID`, then `queuectl dlq list`"),
            "see `queuectl --config c.toml --database 'my q.db' list` or `kill PID`, then \
             `queuectl --config c.toml --database 'my q.db' dlq list`"
        );
        assert_eq!(with_flags("see `queuectl list`", &[]), "see `queuectl list`");
    }

    #[test]
    fn what_names_a_place_or_needs_none_is_left_as_it_is() {
        for text in ["see `queuectl list --help`", "`queuectl --list`", "`queuectl help x`", "queuectl list"]
        {
            assert_eq!(said(text), text);
        }
        for (text, expected) in [
            ("`queuectl move --abort --database x`", "`queuectl --config c.toml move --abort --database x`"),
            ("`queuectl config set a 1`", "`queuectl --config c.toml config set a 1`"),
            ("`queuectl list --config=x`", "`queuectl --database 'my q.db' list --config=x`"),
        ] {
            assert_eq!(said(text), expected);
        }
    }
}
