//! Which files and folders are meant.

use std::ffi::OsString;
use std::path::{Path, PathBuf, absolute};

use queuectl_core::Location;
use queuectl_files::Owners;

use crate::error::SettingsError;
use crate::overrides::Overrides;

/// What a process finds around it: variables, and the platform's folders.
///
/// Handed in, so that a test can have a world of its own.
pub struct Surroundings<'a> {
    /// Looks a variable up.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The platform's folder for configuration.
    pub config_folder: Option<PathBuf>,
    /// The platform's folder for data.
    pub data_folder: Option<PathBuf>,
    /// The platform's folder for state, which includes logs.
    pub state_folder: Option<PathBuf>,
}

impl Surroundings<'static> {
    /// Returns those of this process.
    pub fn of_this_process() -> Self {
        Surroundings {
            variable: &|name| std::env::var_os(name),
            home: dirs::home_dir(),
            config_folder: dirs::config_dir(),
            data_folder: dirs::data_dir(),
            state_folder: dirs::state_dir().or_else(dirs::data_local_dir),
        }
    }
}

impl Surroundings<'_> {
    /// Looks a variable up; an empty one counts as unset.
    pub(crate) fn variable(&self, name: &str) -> Option<OsString> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}

/// The files and folders of one user's queue. All paths are absolute.
///
/// Nothing here creates anything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Places {
    config_file: PathBuf,
    config_named: ConfigNamed,
    data_folder: PathBuf,
    state_folder: PathBuf,
    home: Option<PathBuf>,
    owners: Owners,
}

/// Whether a flag or a variable names the configuration file, so that it has to exist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ConfigNamed {
    Yes,
    No,
}

impl Places {
    /// Finds them: `$QUEUECTL_HOME`, else `~/.queuectl` if that folder exists,
    /// else the platform's folders. Never the current folder.
    ///
    /// `--config` and `$QUEUECTL_CONFIG` name another configuration file, and
    /// move nothing else.
    ///
    /// # Errors
    ///
    /// [`SettingsError::NoHome`], [`SettingsError::NotAbsolute`], and [`SettingsError::NotAPath`].
    pub fn find(overrides: &Overrides, surroundings: &Surroundings<'_>) -> Result<Places, SettingsError> {
        let home = surroundings.home.clone();
        let named =
            overrides.config.clone().or_else(|| surroundings.variable("QUEUECTL_CONFIG").map(PathBuf::from));
        let mut places = match find_home(surroundings)? {
            Some(folder) => Places {
                config_file: folder.join("config.toml"),
                config_named: ConfigNamed::No,
                data_folder: folder.clone(),
                state_folder: folder,
                home,
                owners: overrides.owners,
            },
            None => Places {
                config_file: ours(surroundings.config_folder.as_ref())?.join("config.toml"),
                config_named: ConfigNamed::No,
                data_folder: ours(surroundings.data_folder.as_ref())?,
                state_folder: ours(surroundings.state_folder.as_ref())?,
                home,
                owners: overrides.owners,
            },
        };
        if let Some(file) = named {
            let name = if overrides.config.is_some() { "--config" } else { "QUEUECTL_CONFIG" };
            places.config_file = typed_path(name, &file, places.home.as_deref())?;
            places.config_named = ConfigNamed::Yes;
        }
        Ok(places)
    }

    /// Returns the user's configuration file, which need not exist.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// Returns the folder of the default database.
    pub fn data_folder(&self) -> &Path {
        &self.data_folder
    }

    /// Returns the folder of the log files.
    pub fn state_folder(&self) -> &Path {
        &self.state_folder
    }

    pub(crate) fn owners(&self) -> Owners {
        self.owners
    }

    pub(crate) fn config_named(&self) -> ConfigNamed {
        self.config_named
    }

    /// Returns the folder that relative paths in the configuration file start from.
    pub(crate) fn config_folder(&self) -> &Path {
        self.config_file.parent().unwrap_or(&self.config_file)
    }

    /// Makes the path of a database absolute; `None` is the default one.
    ///
    /// `folder` is where relative paths start, the current folder if not given.
    pub(crate) fn resolve(
        &self,
        given: Option<Location>,
        folder: Option<&Path>,
    ) -> Result<Location, SettingsError> {
        let path = match given {
            None => return Ok(Location::File(self.data_folder.join("queue.db"))),
            Some(Location::Url(url)) => return Ok(Location::Url(url)),
            Some(Location::File(path)) => path,
        };
        let path = match (path.strip_prefix("~"), folder) {
            (Ok(below), _) => self.home.as_ref().ok_or(SettingsError::NoHome)?.join(below),
            (Err(_), Some(folder)) => folder.join(path),
            (Err(_), None) => path,
        };
        Ok(Location::File(make_absolute(&path)?))
    }
}

/// Returns the one folder that has everything, if there is one.
fn find_home(surroundings: &Surroundings<'_>) -> Result<Option<PathBuf>, SettingsError> {
    if let Some(folder) = surroundings.variable("QUEUECTL_HOME") {
        return typed_path("QUEUECTL_HOME", Path::new(&folder), surroundings.home.as_deref()).map(Some);
    }
    let folder = surroundings.home.as_ref().map(|home| home.join(".queuectl"));
    Ok(folder.filter(|folder| folder.is_dir()))
}

/// Returns our folder in one of the platform's.
fn ours(platform: Option<&PathBuf>) -> Result<PathBuf, SettingsError> {
    platform.map(|folder| folder.join("queuectl")).ok_or(SettingsError::NoHome)
}

/// Understands the path of a file or folder that a flag or a variable names.
fn typed_path(name: &'static str, path: &Path, home: Option<&Path>) -> Result<PathBuf, SettingsError> {
    if let Some(text) = path.to_str() {
        Location::check_path(text, |path| path.symlink_metadata().is_ok())
            .map_err(|error| SettingsError::NotAPath { name, error })?;
    }
    match path.strip_prefix("~") {
        Ok(below) => Ok(home.ok_or(SettingsError::NoHome)?.join(below)),
        Err(_) => make_absolute(path),
    }
}

fn make_absolute(path: &Path) -> Result<PathBuf, SettingsError> {
    absolute(path).map_err(|source| SettingsError::NotAbsolute { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user whose home is `home`, with these variables.
    fn find(home: &Path, variables: &[(&str, &str)], config: Option<&str>) -> Result<Places, SettingsError> {
        let overrides = Overrides { config: config.map(PathBuf::from), ..Overrides::default() };
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let surroundings = Surroundings {
            variable: &variable,
            home: Some(home.to_owned()),
            config_folder: Some(home.join(".config")),
            data_folder: Some(home.join(".local/share")),
            state_folder: Some(home.join(".local/state")),
        };
        Places::find(&overrides, &surroundings)
    }

    #[test]
    fn without_a_folder_of_its_own_the_platforms_folders_are_used() {
        let home = tempfile::tempdir().unwrap();
        let places = find(home.path(), &[("QUEUECTL_HOME", "")], None).unwrap();
        assert_eq!(places.config_file(), home.path().join(".config/queuectl/config.toml"));
        assert_eq!(places.data_folder(), home.path().join(".local/share/queuectl"));
        assert_eq!(places.state_folder(), home.path().join(".local/state/queuectl"));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_dot_folder_in_the_home_has_everything_and_the_variable_is_stronger() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".queuectl");
        std::fs::create_dir(&folder).unwrap();
        let places = find(home.path(), &[], None).unwrap();
        assert_eq!(places.config_file(), folder.join("config.toml"));
        assert_eq!((places.data_folder(), places.state_folder()), (folder.as_path(), folder.as_path()));

        let places = find(home.path(), &[("QUEUECTL_HOME", "/elsewhere")], None).unwrap();
        assert_eq!(places.config_file(), Path::new("/elsewhere/config.toml"));
        assert_eq!(places.data_folder(), Path::new("/elsewhere"));
    }

    #[test]
    fn a_relative_home_starts_at_the_current_folder() {
        let home = tempfile::tempdir().unwrap();
        let places = find(home.path(), &[("QUEUECTL_HOME", "q")], None).unwrap();
        assert_eq!(places.data_folder(), std::env::current_dir().unwrap().join("q"));
    }

    #[test]
    fn a_path_that_a_shell_has_not_finished_names_no_folder() {
        let home = tempfile::tempdir().unwrap();
        let found = |text: &str| find(home.path(), &[("QUEUECTL_HOME", text)], None);
        assert_eq!(found("~/q").unwrap().data_folder(), home.path().join("q"));
        for text in ["\"/q\"", "$HOME/q", "~you/q", "/q\r", "postgres://me:secret@db/q", " /q"] {
            let error = found(text).unwrap_err();
            assert!(matches!(error, SettingsError::NotAPath { name: "QUEUECTL_HOME", .. }), "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(find(home.path(), &[], Some("\"c.toml\"")).is_err());
    }

    #[test]
    fn a_named_configuration_file_moves_nothing_else_and_the_flag_is_stronger() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("QUEUECTL_CONFIG", "/etc/q.toml"), ("QUEUECTL_HOME", "/h")];
        let places = find(home.path(), &variables, None).unwrap();
        assert_eq!(places.config_file(), Path::new("/etc/q.toml"));
        assert_eq!((places.data_folder(), places.config_named()), (Path::new("/h"), ConfigNamed::Yes));
        let places = find(home.path(), &variables, Some("/flag.toml")).unwrap();
        assert_eq!(places.config_file(), Path::new("/flag.toml"));
    }

    #[test]
    fn no_home_at_all_is_an_error_unless_a_variable_names_a_folder() {
        let nobody = |variable| Surroundings {
            variable,
            home: None,
            config_folder: None,
            data_folder: None,
            state_folder: None,
        };
        let error = Places::find(&Overrides::default(), &nobody(&|_| None)).unwrap_err();
        assert!(matches!(error, SettingsError::NoHome));
        let named = |name: &str| (name == "QUEUECTL_HOME").then(|| OsString::from("/h"));
        let places = Places::find(&Overrides::default(), &nobody(&named)).unwrap();
        assert_eq!(places.data_folder(), Path::new("/h"));
        let error = places.resolve(Some(Location::File("~/q.db".into())), None).unwrap_err();
        assert!(matches!(error, SettingsError::NoHome));
    }

    #[test]
    fn a_database_is_made_absolute() {
        let home = tempfile::tempdir().unwrap();
        let places = find(home.path(), &[("QUEUECTL_HOME", "/h")], None).unwrap();
        let here = std::env::current_dir().unwrap();
        let cases = [
            ("q.db", None, here.join("q.db")),
            ("./a/q.db", None, here.join("a/q.db")),
            ("q.db", Some(Path::new("/etc")), PathBuf::from("/etc/q.db")),
            ("~/q.db", Some(Path::new("/etc")), home.path().join("q.db")),
            ("~user/q.db", Some(Path::new("/etc")), PathBuf::from("/etc/~user/q.db")),
            ("/q.db", Some(Path::new("/etc")), PathBuf::from("/q.db")),
        ];
        for (path, folder, expected) in cases {
            let resolved = places.resolve(Some(Location::File(path.into())), folder).unwrap();
            assert_eq!(resolved, Location::File(expected), "{path}");
        }
        assert_eq!(places.resolve(None, None).unwrap(), Location::File("/h/queue.db".into()));
    }
}
