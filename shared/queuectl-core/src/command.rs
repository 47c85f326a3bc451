//! What a job may ask to be run.

use std::collections::BTreeMap;

/// A command for `/bin/sh -c`, checked once, when it is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandLine(String);

/// Why a text cannot be the command of a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// Nothing, or nothing but white space.
    #[error("the command is empty")]
    Empty,
    /// A NUL character ends an argument early.
    #[error("the command contains a NUL character, which no shell can be given")]
    Nul,
    /// Longer than [`CommandLine::MAX_BYTES`].
    #[error("the command has {bytes} bytes; the longest a shell can be given is {max}", max = CommandLine::MAX_BYTES)]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
}

impl CommandLine {
    /// The longest command, in bytes.
    ///
    /// Linux limits one argument of a program to 32 pages of 4 KiB with the NUL
    /// that ends it (`MAX_ARG_STRLEN`, execve(2)). A longer command would be
    /// accepted now and fail at every start.
    pub const MAX_BYTES: usize = 128 * 1024 - 1;

    /// Checks a text and makes it a command.
    ///
    /// # Errors
    ///
    /// [`InvalidCommand`] if it is blank, contains NUL, or is too long.
    pub fn new(command: impl Into<String>) -> Result<Self, InvalidCommand> {
        let command = command.into();
        Self::check(&command)?;
        Ok(Self(command))
    }

    /// Checks whether a text can be a command.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn check(command: &str) -> Result<(), InvalidCommand> {
        if command.trim().is_empty() {
            Err(InvalidCommand::Empty)
        } else if command.contains('\0') {
            Err(InvalidCommand::Nul)
        } else if command.len() > Self::MAX_BYTES {
            Err(InvalidCommand::TooLong { bytes: command.len() })
        } else {
            Ok(())
        }
    }

    /// Takes a text that was checked when it was stored.
    pub fn trusted(command: String) -> Self {
        Self(command)
    }

    /// The command as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Variables a job gets beside its worker's own, checked once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

/// Why a variable cannot be given to a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEnvironment {
    /// Empty, or with `=` or NUL in it.
    #[error("{name:?} cannot be the name of an environment variable")]
    Name {
        /// The name that was given.
        name: String,
    },
    /// NUL in the value.
    #[error("the value of the environment variable {name} contains a NUL character")]
    Nul {
        /// Whose value it is.
        name: String,
    },
    /// Longer than the kernel takes.
    #[error("the environment variable {name} has {bytes} bytes; at most {max} are allowed", max = CommandLine::MAX_BYTES)]
    TooLong {
        /// Whose value it is.
        name: String,
        /// How long `NAME=VALUE` is.
        bytes: usize,
    },
}

impl Environment {
    /// Checks names and values.
    ///
    /// # Errors
    ///
    /// [`InvalidEnvironment`] names the first that no program can be given.
    pub fn new(variables: BTreeMap<String, String>) -> Result<Self, InvalidEnvironment> {
        for (name, value) in &variables {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(InvalidEnvironment::Name { name: name.clone() });
            }
            if value.contains('\0') {
                return Err(InvalidEnvironment::Nul { name: name.clone() });
            }
            let bytes = name.len() + 1 + value.len();
            if bytes > CommandLine::MAX_BYTES {
                return Err(InvalidEnvironment::TooLong { name: name.clone(), bytes });
            }
        }
        Ok(Self(variables))
    }

    /// Takes variables that were checked when they were stored.
    pub fn trusted(variables: BTreeMap<String, String>) -> Self {
        Self(variables)
    }

    /// Name and value of each, by name.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_shell_can_be_given_is_refused() {
        assert_eq!(CommandLine::new(" \n\t"), Err(InvalidCommand::Empty));
        assert_eq!(CommandLine::new("a\0b"), Err(InvalidCommand::Nul));
        let longest = "x".repeat(CommandLine::MAX_BYTES);
        assert!(CommandLine::new(longest.clone()).is_ok());
        assert!(matches!(CommandLine::new(longest + "x"), Err(InvalidCommand::TooLong { .. })));
    }

    #[test]
    fn a_command_keeps_every_character() {
        let command = "printf '%s\\n' \"'; DROP TABLE jobs;--\"\n\u{1b}[31m é";
        assert_eq!(CommandLine::new(command).unwrap().as_str(), command);
    }

    #[test]
    fn impossible_variables_are_refused() {
        let one = |name: &str, value: &str| Environment::new(BTreeMap::from([(name.into(), value.into())]));
        assert!(one("PATH", "/bin").is_ok());
        assert!(one("A", "x=y\n").is_ok());
        assert!(matches!(one("", "x"), Err(InvalidEnvironment::Name { .. })));
        assert!(matches!(one("A=B", "x"), Err(InvalidEnvironment::Name { .. })));
        assert!(matches!(one("A", "x\0"), Err(InvalidEnvironment::Nul { .. })));
    }
}
