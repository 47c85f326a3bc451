//! Where programs and extensions are.

use queuectl_cli::{Exit, Failure, PROGRAM_PREFIX, program_in};
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

pub(crate) use queuectl_settings::is_command_name as is_name;

/// The folders in which programs and extensions stand.
pub(crate) struct ProgramFolders {
    /// This program.
    pub(crate) own_path: PathBuf,
    /// The folder of this program.
    pub(crate) own_folder: PathBuf,
    /// `$QUEUECTL_EXEC_PATH`, then PATH; only what is absolute.
    others: Vec<PathBuf>,
}

impl ProgramFolders {
    pub(crate) fn around_this_program() -> Result<Self, Failure> {
        let own_path = env::current_exe().map_err(|error| {
            Failure::new(Exit::CannotRun, format!("cannot find out where this program is: {error}"))
        })?;
        let own_folder = own_path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let others = ["QUEUECTL_EXEC_PATH", "PATH"]
            .iter()
            .filter_map(env::var_os)
            .flat_map(|list| env::split_paths(&list).collect::<Vec<_>>())
            .filter(|folder| folder.is_absolute())
            .collect();
        Ok(Self { own_path, own_folder, others })
    }

    /// What stands beside this program under this name, whether it can be run or not.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        program_in(&self.own_folder, name)
    }

    /// The first extension of this name that can be run, else the first that cannot.
    pub(crate) fn extension(&self, name: &str) -> Option<PathBuf> {
        let file = format!("{PROGRAM_PREFIX}{name}");
        let found = || self.others.iter().map(|folder| folder.join(&file)).filter(|path| path.exists());
        found().find(|path| can_be_run(path)).or_else(|| found().next())
    }

    /// The names of what can be run beside this program.
    pub(crate) fn programs(&self) -> BTreeSet<String> {
        names_in(&self.own_folder).into_iter().filter(|name| name != "help").collect()
    }

    /// The extensions that can be run, by name.
    pub(crate) fn extensions(&self) -> BTreeMap<String, PathBuf> {
        let mut extensions = BTreeMap::new();
        for folder in self.others.iter().filter(|folder| **folder != self.own_folder) {
            for name in names_in(folder) {
                let path = folder.join(format!("{PROGRAM_PREFIX}{name}"));
                extensions.entry(name).or_insert(path);
            }
        }
        extensions
    }

    /// The folders as the next program finds them: this program's own first.
    pub(crate) fn exec_path(&self) -> OsString {
        let existing = env::var_os("QUEUECTL_EXEC_PATH").unwrap_or_default();
        let others = env::split_paths(&existing)
            .filter(|folder| !folder.as_os_str().is_empty() && *folder != self.own_folder);
        let folders = std::iter::once(self.own_folder.clone()).chain(others);
        // A folder with a colon in its name cannot stand in a list.
        env::join_paths(folders).unwrap_or(existing)
    }
}

/// Names after `queuectl-` of the files in a folder that can be run.
fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let file = entry.file_name();
            let name = file.to_str()?.strip_prefix(PROGRAM_PREFIX)?;
            (is_name(name) && can_be_run(&entry.path())).then(|| name.to_owned())
        })
        .collect()
}

fn can_be_run(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
