//! Functions become trials, once each.

use libtest_mimic::{Completion, Failed, Trial};
use std::process::{Command, Stdio};

/// Lists the tests of a module: `trials![name, other_name if Strace]`.
macro_rules! trials {
    ($($name:ident $(if $means:ident)?),* $(,)?) => {
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$($crate::support::trials::trial(
                module_path!(),
                stringify!($name),
                &[$($crate::support::trials::Means::$means)?],
                $name,
            )),*]
        }
    };
}
pub(crate) use trials;

/// What a test needs beside the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// The right to mount file systems in a namespace of one's own.
    Root,
    /// A program that follows and disturbs system calls.
    Strace,
}

impl Means {
    fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Strace => "strace",
        }
    }

    fn is_here(self) -> bool {
        match self {
            Self::Root => {
                succeeds(Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]))
            }
            Self::Strace => succeeds(Command::new("strace").args(["-f", "-o", "/dev/null", "true"])),
        }
    }

    fn is_required(self) -> bool {
        let required = std::env::var("QUEUECTL_TEST_REQUIRE").unwrap_or_default();
        required.split(',').any(|name| name.trim() == self.name())
    }
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Makes a trial of a function, named by its module and its own name.
pub fn trial(module: &str, name: &str, means: &'static [Means], test: fn()) -> Trial {
    let module = module.split_once("::").map_or(module, |(_program, module)| module);
    Trial::ignorable_test(format!("{module}::{name}"), move || run(means, test))
}

fn run(means: &[Means], test: impl FnOnce()) -> Result<Completion, Failed> {
    for means in means {
        if !means.is_here() {
            let reason = format!("needs {}", means.name());
            return if means.is_required() {
                Err(reason.into())
            } else {
                Ok(Completion::ignored_with(reason))
            };
        }
    }
    test();
    Ok(Completion::Completed)
}
