//! In which folder a job runs.

use crate::draft::error::DraftError;
use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

/// Finds the folders of jobs; most jobs share one.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    base: BaseFolder,
    /// The last one that was asked for, and its path as text.
    last: Option<(Option<PathBuf>, String)>,
    /// Those that are not here.
    missing: BTreeSet<String>,
}

impl Folders {
    pub(crate) fn new(base: BaseFolder) -> Self {
        Self { base, ..Self::default() }
    }

    /// The absolute path of a folder that was named, or of the current one.
    ///
    /// A folder that was named need not be here: the worker may be in a container or
    /// on another machine. What may be a slip of the hand is
    /// [remembered](Self::missing).
    pub(crate) fn of(&mut self, named: Option<PathBuf>) -> Result<String, DraftError> {
        if let Some((last, text)) = &self.last
            && *last == named
        {
            return Ok(text.clone());
        }
        let text = match &named {
            Some(folder) => {
                let text = text(self.base.join(folder)?)?;
                if !Path::new(&text).is_dir() {
                    self.missing.insert(text.clone());
                }
                text
            }
            None => text(self.base.path()?)?,
        };
        self.last = Some((named, text.clone()));
        Ok(text)
    }

    /// The folders that were named and are not here.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().map(String::as_str)
    }
}

/// What is meant by a folder that is relative, and by none.
#[derive(Clone, Debug, Default)]
pub enum BaseFolder {
    /// The current folder of this process: that of the person at a command line.
    #[default]
    OfThisProcess,
    /// A folder that the caller names: a server has none of its own.
    Given(PathBuf),
}

impl BaseFolder {
    fn path(&self) -> Result<PathBuf, DraftError> {
        match self {
            Self::OfThisProcess => env::current_dir().map_err(DraftError::NoCurrentFolder),
            Self::Given(folder) => Ok(folder.clone()),
        }
    }

    fn join(&self, folder: &Path) -> Result<PathBuf, DraftError> {
        if folder.as_os_str().is_empty() {
            return Err(DraftError::EmptyFolder);
        }
        // The current folder may be gone where it does not matter.
        Ok(if folder.is_absolute() { folder.to_owned() } else { self.path()?.join(folder) })
    }
}

fn text(folder: PathBuf) -> Result<String, DraftError> {
    match folder.to_str().filter(|text| !text.contains('\0')) {
        Some(text) => Ok(text.to_owned()),
        None => Err(DraftError::FolderNotText(folder)),
    }
}
