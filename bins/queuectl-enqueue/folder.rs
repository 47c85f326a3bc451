//! In which folder a job runs.

use queuectl_cli::{Failure, Output};
use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

/// Finds the folders of jobs; most jobs share one.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    /// The last one that was asked for, and its path as text.
    last: Option<(Option<PathBuf>, String)>,
    /// Those that are not here.
    missing: BTreeSet<String>,
}

impl Folders {
    /// The absolute path of a folder that was named, or of the current one.
    ///
    /// A folder that was named need not be here: the worker may be in a container or
    /// on another machine. A slip of the hand is told all the same.
    pub(crate) fn of(&mut self, named: Option<PathBuf>) -> Result<String, Failure> {
        if let Some((last, text)) = &self.last
            && *last == named
        {
            return Ok(text.clone());
        }
        let text = match &named {
            Some(folder) => {
                let text = text(&absolute(folder)?)?;
                if !Path::new(&text).is_dir() {
                    self.missing.insert(text.clone());
                }
                text
            }
            None => text(&current()?)?,
        };
        self.last = Some((named, text.clone()));
        Ok(text)
    }

    /// Says which folders were not found, when the jobs are there.
    pub(crate) fn note_missing(&self, output: Output) {
        for folder in &self.missing {
            output.note(format!(
                "hint: no folder {folder} is here; the job fails where its worker does not have it"
            ));
        }
    }
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    if folder.as_os_str().is_empty() {
        return Err(Failure::error("the path of the job's folder is empty")
            .hint("name one, or leave it out for the current folder"));
    }
    // The current folder may be gone where it does not matter.
    Ok(if folder.is_absolute() { folder.to_owned() } else { current()?.join(folder) })
}

fn current() -> Result<PathBuf, Failure> {
    env::current_dir().map_err(|error| {
        Failure::error(format!("cannot find the current folder: {error}"))
            .hint("name one with `--cwd /PATH`, or go to one that exists")
    })
}

fn text(folder: &Path) -> Result<String, Failure> {
    let text = folder.to_str().filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| {
        Failure::error(format!("the name of the folder {} is not valid UTF-8", folder.display()))
    })?;
    Ok(text.to_owned())
}
