//! What can be wrong with a setting, and what to type then.

use std::fmt;
use std::io;
use std::path::PathBuf;

use queuectl_core::{NotAPlace, is_hidden, masked};
use queuectl_files::Unfit;

/// Why settings could not be read or changed.
///
/// One line each, without the hint: that is [`SettingsError::hint`].
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Somebody asked for a key that does not exist.
    #[error("there is no setting `{}`", Shown(key))]
    UnknownKey {
        /// The key as it was typed.
        key: String,
        /// The known key nearest to it.
        nearest: Option<String>,
    },
    /// A flag has a value that its key cannot have.
    #[error("{0}")]
    Flag(InvalidValue),
    /// A variable has a value that its key cannot have.
    #[error("{variable}: {invalid}")]
    Variable {
        /// The name of the variable.
        variable: String,
        /// What is wrong with its value.
        invalid: InvalidValue,
    },
    /// A value that was to be set is none of its key's.
    #[error("{0}")]
    Value(InvalidValue),
    /// A password was typed into a command line.
    #[error(
        "{} is refused with its password: everybody on this machine can read the arguments of a command",
        Shown(url)
    )]
    PasswordTyped {
        /// The URL without it.
        url: String,
    },
    /// An alias that was to be set has a name that cannot be typed as a command.
    #[error(
        "`{}` cannot be the name of an alias; it may have a-z, 0-9 and -, and begins with a letter or a digit",
        Shown(name)
    )]
    AliasName {
        /// The name as it was typed, without `alias.`.
        name: String,
    },
    /// An alias that was to be set has the name of a setting.
    #[error("`{}` cannot be the name of an alias: it is that of a setting", Shown(name))]
    AliasOfKey {
        /// The name as it was typed, without `alias.`.
        name: String,
    },
    /// Something in the configuration file is wrong.
    #[error("{0}")]
    File(Box<Problem>),
    /// A configuration file that was named does not exist.
    #[error("the configuration file {} does not exist", file.display())]
    Missing {
        /// The file that was named.
        file: PathBuf,
    },
    /// The configuration file is another user's, or is no file.
    #[error("the configuration {0}")]
    Unfit(Unfit),
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration file, or its folder, cannot be written.
    #[error("cannot write {}: {source}", file.display())]
    Unwritable {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What stands in the place of the configuration file cannot be replaced by one.
    #[error("cannot write {}: it is not a regular file", file.display())]
    NotAFile {
        /// What was named.
        file: PathBuf,
    },
    /// Neither a variable nor the system says where the user's files are.
    #[error("no home folder: neither HOME nor the system's list of users names one")]
    NoHome,
    /// What should be a path is none.
    #[error("{name}: {error}")]
    NotAPath {
        /// The flag or variable.
        name: &'static str,
        /// What is wrong with it.
        error: NotAPlace,
    },
    /// A relative path cannot be completed, since the current folder is gone.
    #[error("cannot make {} an absolute path: {source}", path.display())]
    NotAbsolute {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What to type when a file has reached the size that this process may write.
pub const RAISE_THE_LIMIT: &str = "raise that limit where this was started, `ulimit -f unlimited`, \
     or of what runs: `prlimit --fsize=unlimited --pid PID`";

/// How to get around a file that cannot be used.
const ANOTHER_FILE: &str = "name another file with `--config FILE`";

impl SettingsError {
    /// Says what to type next, if there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest, .. } => Some(match nearest {
                Some(nearest) if nearest == "alias" => {
                    "name one alias, as `alias.NAME`; see them all with `queuectl config list`".to_owned()
                }
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "see every key with `queuectl config list`".to_owned(),
            }),
            Self::AliasOfKey { name } => {
                Some(format!("change the setting with `queuectl config set {name} VALUE`"))
            }
            Self::File(problem) => Some(problem.hint()),
            Self::Value(InvalidValue { hint: Some(hint), .. })
            | Self::Flag(InvalidValue { hint: Some(hint), .. })
            | Self::Variable { invalid: InvalidValue { hint: Some(hint), .. }, .. } => Some(hint.clone()),
            Self::Flag(invalid) if invalid.value.is_empty() => {
                Some(format!("leave out `--{}`, and it is what the configuration says", invalid.key))
            }
            Self::Value(invalid) if invalid.value.is_empty() => {
                Some(format!("go back to the default with `queuectl config unset {}`", invalid.key))
            }
            Self::Variable { variable, .. } => {
                Some(format!("change it, or take it away with `unset {variable}`"))
            }
            Self::Missing { .. } => Some(
                "name another with `--config FILE` or QUEUECTL_CONFIG, or make it with `queuectl config set KEY VALUE`"
                    .to_owned(),
            ),
            Self::PasswordTyped { .. } => Some(
                "leave it out, and have it in ~/.pgpass, PGPASSWORD, QUEUECTL_DATABASE or the configuration file, \
                 which `queuectl config path` names"
                    .to_owned(),
            ),
            Self::NoHome => Some("name a folder for the queue with `export QUEUECTL_HOME=FOLDER`".to_owned()),
            Self::Unwritable { source, .. } if source.kind() == io::ErrorKind::FileTooLarge => {
                Some(RAISE_THE_LIMIT.to_owned())
            }
            Self::NotAPath { error, .. } => Some(error.hint().to_owned()),
            Self::Unfit(unfit) => Some(unfit.hint(ANOTHER_FILE)),
            Self::Unreadable { .. } | Self::NotAFile { .. } => Some(ANOTHER_FILE.to_owned()),
            Self::Value(_) | Self::Flag(_) | Self::AliasName { .. } | Self::Unwritable { .. } | Self::NotAbsolute { .. } => None,
        }
    }
}

/// A value that its key cannot have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{}` is not a value of {key}; expected {expected}", Shown(value))]
pub struct InvalidValue {
    /// The key, in its canonical spelling.
    pub key: String,
    /// The value as it was given; from a file, as it is written there.
    pub value: String,
    /// What the key can have.
    pub expected: String,
    /// What to give instead, if that can be said.
    pub hint: Option<String>,
}

/// One thing that is wrong in a configuration file, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}:{line}:{column}: {fault}", file.display())]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted in characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub fault: Fault,
}

impl Problem {
    /// Says what to type next.
    pub fn hint(&self) -> String {
        match &self.fault {
            Fault::UnknownKey { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Fault::UnknownKey { nearest: None, .. } => {
                "see every key with `queuectl config list --config /dev/null`".to_owned()
            }
            Fault::Value(InvalidValue { hint: Some(hint), .. }) => hint.clone(),
            Fault::Value(_) | Fault::Syntax { .. } | Fault::Repeated { .. } | Fault::AliasName { .. } => {
                "see everything that is wrong with `queuectl config check`".to_owned()
            }
            Fault::KeyBelowAlias { key, .. } => {
                format!(
                    "move the line above `[alias]`, or take it away with `queuectl config unset alias.{key}`"
                )
            }
            Fault::PasswordExposed { .. } => {
                format!("take the file from them with `chmod 600 {}`", self.file.display())
            }
        }
    }

    /// Returns the canonical key that the problem is about, if it is about a known one.
    pub(crate) fn key(&self) -> Option<&str> {
        match &self.fault {
            Fault::Value(InvalidValue { key, .. })
            | Fault::Repeated { key, .. }
            | Fault::PasswordExposed { key, .. } => Some(key),
            Fault::KeyBelowAlias { address, .. } => Some(address),
            Fault::Syntax { .. } | Fault::UnknownKey { .. } | Fault::AliasName { .. } => None,
        }
    }
}

/// What can be wrong at one place of a configuration file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// It is not TOML.
    #[error("{message}")]
    Syntax {
        /// What the parser says, in one line.
        message: String,
    },
    /// No setting has this name.
    #[error("there is no setting `{}`", Shown(key))]
    UnknownKey {
        /// The key as it is written.
        key: String,
        /// The known key nearest to it.
        nearest: Option<String>,
    },
    /// The value is of the wrong type or out of range.
    #[error("{0}")]
    Value(InvalidValue),
    /// A key is there twice, in two spellings.
    #[error("{key} is there already, on line {first_line}")]
    Repeated {
        /// The key, in its canonical spelling.
        key: String,
        /// The line of the other one.
        first_line: usize,
    },
    /// The value has a password, and more than the owner have access to the file.
    #[error("{key} has a password, and others have access to this file (mode {mode:03o})")]
    PasswordExposed {
        /// The key, in its canonical spelling.
        key: String,
        /// The permissions of the file.
        mode: u32,
    },
    /// A setting stands below `[alias]`, where it sets nothing.
    #[error("the setting {key} stands below [alias], where it would be the name of a command")]
    KeyBelowAlias {
        /// The name of the setting, as it is written but for `_`.
        key: String,
        /// What names it as an alias: `alias.max-retries`.
        address: String,
    },
    /// The name of an alias cannot be typed as a command.
    #[error(
        "`{}` cannot be the name of an alias; it may have a-z, 0-9 and -, and begins with a letter or a digit",
        Shown(name)
    )]
    AliasName {
        /// The name as it is written.
        name: String,
    },
}

/// Shows what somebody typed in one line: what is hidden escaped, what is long cut,
/// what is secret left out.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        let text = masked(self.0);
        for character in text.chars().take(LONGEST) {
            if is_hidden(character) {
                write!(formatter, "{}", character.escape_default())?;
            } else {
                write!(formatter, "{character}")?;
            }
        }
        if text.chars().nth(LONGEST).is_some() {
            formatter.write_str("…")?;
        }
        Ok(())
    }
}

/// Returns the candidate that was probably meant, in whichever spelling.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = wanted.to_ascii_lowercase().replace('_', "-");
    queuectl_core::nearest(&wanted, candidates).first().map(|&meant| meant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_nonsense_is_not() {
        assert_eq!(nearest("max_retrys", ["max-retries", "job-timeout"]), Some("max-retries".to_owned()));
        assert_eq!(nearest("MAX-RETRIES", ["max-retries"]), Some("max-retries".to_owned()));
        assert_eq!(nearest("colour", ["max-retries", "job-timeout"]), None);
    }

    #[test]
    fn a_message_stays_on_one_line_whatever_was_typed() {
        let error = SettingsError::UnknownKey { key: "a\nb\u{1b}[2J\u{202e}".to_owned(), nearest: None };
        assert_eq!(error.to_string(), r"there is no setting `a\nb\u{1b}[2J\u{202e}`");
        let value = "'postgres://me:secret@db/\\u0000'".to_owned();
        let error =
            InvalidValue { key: "database".to_owned(), value, expected: "a path".to_owned(), hint: None };
        assert!(!error.to_string().contains("secret"), "{error}");
        let error = SettingsError::UnknownKey { key: "x".repeat(500), nearest: None };
        assert!(error.to_string().chars().count() < 120);
    }
}
