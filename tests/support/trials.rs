//! Functions become trials, once each.

use super::{hosts, pgbouncer, postgres, watched};
use libtest_mimic::{Completion, Failed, Trial};
use std::process::{Command, Stdio};

/// Lists the tests of a module: `trials![name, other_name if Strace and Root]`.
macro_rules! trials {
    ($($name:ident $(if $means:ident $(and $more:ident)*)?),* $(,)?) => {
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$($crate::support::trials::trial(
                module_path!(),
                stringify!($name),
                &[$(
                    $crate::support::trials::Means::$means,
                    $($crate::support::trials::Means::$more,)*
                )?],
                $name,
            )),*]
        }
    };
}
pub(crate) use trials;

/// What a test needs beside the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the two test programs need different ones")]
pub enum Means {
    /// A program that makes others see another time.
    Faketime,
    /// The right to freeze processes, by a control group of one's own.
    Freezer,
    /// A program that takes JSON apart.
    Jq,
    /// The right to mount an image of an ext4 file system.
    LoopDevices,
    /// The right to make networks of one's own.
    Namespaces,
    /// A program that makes keys and certificates.
    Openssl,
    /// A pool of connections between programs and a PostgreSQL server.
    Pgbouncer,
    /// A build with the feature `planted-bugs`.
    PlantedBugs,
    /// Root, and a user who is not.
    OtherUser,
    /// The programs of a PostgreSQL server, and a user who may run them.
    Postgres,
    /// The right to mount file systems in a namespace of one's own.
    Root,
    /// The long form of a test, which takes minutes.
    Storm,
    /// A program that follows and disturbs system calls.
    Strace,
    /// A program that checks the units of services.
    Systemd,
}

impl Means {
    fn name(self) -> &'static str {
        match self {
            Self::Faketime => "faketime",
            Self::Freezer => "freezer",
            Self::Jq => "jq",
            Self::LoopDevices => "loop-devices",
            Self::Namespaces => "namespaces",
            Self::Openssl => "openssl",
            Self::Pgbouncer => "pgbouncer",
            Self::OtherUser => "other-user",
            Self::PlantedBugs => "planted-bugs",
            Self::Postgres => "postgres",
            Self::Root => "root",
            Self::Storm => "storm",
            Self::Strace => "strace",
            Self::Systemd => "systemd-analyze",
        }
    }

    /// What is missing when it is not here.
    pub fn description(self) -> &'static str {
        match self {
            Self::Freezer => "root and a freezer (version 1) in /sys/fs/cgroup/freezer",
            Self::LoopDevices => "root, mkfs.ext4 and loop devices",
            Self::Namespaces => "root, unshare, nsenter, ip and network namespaces",
            Self::OtherUser => "root, setpriv, and a user postgres or nobody",
            Self::PlantedBugs => "the feature planted-bugs",
            Self::Postgres => {
                "initdb, postgres and psql, in PATH or in /usr/lib/postgresql/*/bin \
                 (Debian: apt-get install postgresql), and a user other than root"
            }
            Self::Storm => "QUEUECTL_STORM=1, which `just storm` sets",
            _ => self.name(),
        }
    }

    /// Tells whether the test can run.
    pub fn is_here(self) -> bool {
        match self {
            // It makes a semaphore named by its pid, which another process may have left.
            Self::Faketime => (0..5).any(|_| succeeds(Command::new("faketime").args(["-f", "+2y", "true"]))),
            Self::Freezer => {
                let script = "folder=$(mktemp -d /sys/fs/cgroup/freezer/queuectl-XXXXXX); \
                     rmdir \"$folder\"";
                succeeds(Command::new("/bin/sh").args(["-ec", script]))
            }
            Self::Jq => succeeds(Command::new("jq").arg("--version")),
            Self::LoopDevices => {
                let script = "image=$(mktemp); trap 'rm -f \"$image\"' EXIT; truncate -s 4M \"$image\"; \
                     mkfs.ext4 -q -F \"$image\"; mount -o loop \"$image\" /mnt";
                succeeds(Command::new("unshare").args(["--mount", "/bin/sh", "-ec", script]))
            }
            Self::Namespaces => {
                let script = "nsenter --version; ip link add name there type veth peer name here; \
                     ip link add name switch type bridge; echo there >/proc/sys/kernel/hostname";
                succeeds(Command::new("unshare").args(hosts::OWN).args(["/bin/sh", "-ec", script]))
            }
            Self::Openssl => succeeds(Command::new("openssl").arg("version")),
            Self::Pgbouncer => pgbouncer::is_installed(),
            Self::OtherUser => {
                nix::unistd::geteuid().is_root()
                    && watched::has_unprivileged()
                    && succeeds(Command::new("setpriv").args(["--reuid=1", "--clear-groups", "true"]))
            }
            Self::PlantedBugs => cfg!(feature = "planted-bugs"),
            Self::Postgres => postgres::is_installed(),
            Self::Root => {
                succeeds(Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]))
            }
            Self::Storm => std::env::var_os("QUEUECTL_STORM").is_some(),
            Self::Systemd => succeeds(Command::new("systemd-analyze").arg("--version")),
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
    // The name of a module may be a word of the language.
    named_trial(format!("{module}::{name}").replace("r#", ""), means, test)
}

/// Makes a trial of this name; ignored where something that it needs is missing.
pub fn named_trial(name: String, means: &'static [Means], test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::ignorable_test(name, move || run(means, test))
}

fn run(means: &[Means], test: impl FnOnce()) -> Result<Completion, Failed> {
    for means in means {
        if !means.is_here() {
            let reason = format!("needs {}", means.description());
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
