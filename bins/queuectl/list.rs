//! What there is: for `--list`, for `--help`, and for a line without a word.

use crate::Args;
use crate::find::{ProgramFolders, is_name};
use queuectl_cli::{Context, Exit, Failure, Narrow, Table};
use serde::Serialize;
use std::io::{self, Write as _};

/// One name that can be typed.
#[derive(Serialize)]
struct Entry {
    name: String,
    kind: &'static str,
    /// What an alias stands for.
    expansion: Option<String>,
    /// Where a program or an extension is.
    path: Option<String>,
}

/// Prints the programs, then the aliases, then the extensions that they do not hide.
pub(crate) fn list(cx: &Context, folders: &ProgramFolders, json: bool) -> Result<(), Failure> {
    let programs = folders.programs();
    let mut entries: Vec<Entry> = programs
        .iter()
        .map(|name| {
            let path = folders.program(name).map(|path| path.display().to_string());
            Entry { name: name.clone(), kind: "program", expansion: None, path }
        })
        .collect();
    match cx.settings() {
        Ok(settings) => entries.extend(
            settings.aliases().iter().filter(|(name, _)| is_name(name) && !programs.contains(*name)).map(
                |(name, line)| Entry {
                    name: name.clone(),
                    kind: "alias",
                    expansion: Some(line.clone()),
                    path: None,
                },
            ),
        ),
        Err(failure) => cx.output().warn(format!("the aliases are not known: {}", failure.message())),
    }
    for (name, path) in folders.extensions() {
        if !entries.iter().any(|entry| entry.name == name) {
            let path = Some(path.display().to_string());
            entries.push(Entry { name, kind: "extension", expansion: None, path });
        }
    }
    if json {
        return cx.output().json(&entries);
    }
    let mut table = Table::new(&["Name", "Kind", "Stands For"])
        .fit(cx.output().columns(), &[Narrow::CutsEnds, Narrow::Stays, Narrow::CutsEnds]);
    for entry in &entries {
        let stands_for = entry.expansion.as_deref().or(entry.path.as_deref()).unwrap_or_default();
        table.row(&[&entry.name, entry.kind, stands_for]);
    }
    cx.output().table(&table)
}

/// Prints the usage where it was asked for.
pub(crate) fn help(cx: &Context, folders: &ProgramFolders) -> Result<(), Failure> {
    cx.output().bytes(usage_text(folders).as_bytes())
}

/// Prints the usage where too little was typed.
pub(crate) fn usage(folders: &ProgramFolders, json: bool) -> Failure {
    if json {
        return Failure::new(Exit::Usage, "the command line names no program")
            .hint("list what there is with `queuectl --list`");
    }
    let _ = io::stderr().write_all(usage_text(folders).as_bytes());
    Failure::said(Exit::Usage)
}

/// Those of a program are its own.
const EXIT_CODES: &str =
    "Exit codes: those of the program; 126 it cannot be run, 127 there is no such command";

fn usage_text(folders: &ProgramFolders) -> String {
    let names: Vec<String> = folders.programs().into_iter().collect();
    let programs = format!("Programs: {}", names.join(", "));
    let more = "Type `queuectl help NAME` for one of them, `queuectl --list` for aliases and extensions too.";
    queuectl_cli::command::<Args>()
        .after_help(format!("{programs}\n{more}\n\n{EXIT_CODES}"))
        .render_help()
        .to_string()
}
