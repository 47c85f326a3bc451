//! Servers of others, run for a while: as a user who is not root, and never
//! longer than the test process lives.

use super::processes::alive;
use super::wait::{DEADLINE, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use tempfile::TempDir;

/// Runs a program, and ends it at once and removes its folder when the pipe on
/// standard input ends without a word: then the test process is gone.
const WATCHDOG: &str = "\"$@\" & program=$!
if read -r word; then wait; else kill -$END $program; wait; rm -rf \"$FOLDER\"; fi";

/// A program that ends with the test process, with the watchdog beside it.
pub struct Watched {
    watchdog: Child,
    pipe: Option<ChildStdin>,
    end: Signal,
}

impl Watched {
    /// Starts the program that these words name from a shell; `end` ends it at
    /// once, and the folder goes with it if the test process is killed.
    pub fn start(mut shell: Command, words: &[String], folder: &Path, end: Signal) -> Self {
        let log = fs::OpenOptions::new().append(true).create(true).open(folder.join("log")).unwrap();
        let mut watchdog = without_settings(&mut shell)
            .args(["-c", WATCHDOG, "watchdog"])
            .args(words)
            .env("FOLDER", folder)
            .env("END", end.as_str().trim_start_matches("SIG"))
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let pipe = watchdog.stdin.take();
        Self { watchdog, pipe, end }
    }

    /// The process of the program; none before it was started.
    fn program(&self) -> Option<i32> {
        let pid = self.watchdog.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Tells whether the program was started and has ended.
    pub fn has_ended(&self) -> bool {
        self.program().is_some_and(|pid| !alive(pid))
    }

    /// Sends the program a signal; one that has ended does not mind.
    pub fn signal(&self, signal: Signal) {
        wait_until(DEADLINE, "the program was started", || self.program().is_some());
        // The watchdog waits for it at the end, so until then the number is its own.
        kill(Pid::from_raw(self.program().unwrap()), signal).unwrap();
    }

    /// Waits until the program has ended, and the watchdog with it.
    pub fn wait(&mut self) {
        wait_until(DEADLINE, "the server has ended", || self.has_ended());
        if let Some(mut pipe) = self.pipe.take() {
            pipe.write_all(b"ended\n").unwrap();
        }
        self.watchdog.wait().unwrap();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.pipe.is_some() {
            self.signal(self.end);
            self.wait();
        }
    }
}

/// Who runs servers: another user, if we are root; no value if there is none.
#[expect(clippy::option_option, reason = "no other user is needed, one is, there is none")]
fn unprivileged() -> Option<Option<User>> {
    if !Uid::effective().is_root() {
        return Some(None);
    }
    ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten()).map(Some)
}

/// Tells whether there is anybody who may run servers.
pub fn has_unprivileged() -> bool {
    unprivileged().is_some()
}

/// A program that root's tests run as another user.
pub fn as_unprivileged(program: &Path) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    if let Some(user) = unprivileged().flatten() {
        let ids = [format!("--reuid={}", user.uid), format!("--regid={}", user.gid)];
        words.push("setpriv".into());
        words.extend(ids);
        words.extend(["--clear-groups".into(), "--".into()]);
    }
    words.push(program.to_str().unwrap().into());
    words
}

/// A folder in which that user may write, and which others may enter.
pub fn unprivileged_folder(name: &str) -> TempDir {
    // A socket's path must fit into 107 bytes.
    let parent = std::env::temp_dir();
    let parent = if parent.as_os_str().len() <= 60 { parent } else { PathBuf::from("/tmp") };
    unprivileged_folder_in(&parent, name)
}

/// The same in another folder, which must have a short path and let others enter.
pub fn unprivileged_folder_in(parent: &Path, name: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix(name).tempdir_in(parent).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    give_away(folder.path());
    folder
}

/// Gives a file or folder to the user who runs servers.
pub fn give_away(path: &Path) {
    if let Some(user) = unprivileged().flatten() {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
}

/// A port of 127.0.0.1 on which nobody listens at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Takes what a developer has set for programs of PostgreSQL out of the way.
pub fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command
}

/// Where programs are looked for.
pub fn folders_of_path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}
