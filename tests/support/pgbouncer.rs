//! A pool of connections before a PostgreSQL server, thrown away with it.

use super::postgres::{SUPERUSER, Server};
use super::wait::{DEADLINE, wait_until};
use super::watched::{
    Watched, as_unprivileged, folders_of_path, free_port, give_away, has_unprivileged, unprivileged_folder,
};
use nix::sys::signal::Signal;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Tells whether a pool can be started here.
pub fn is_installed() -> bool {
    program().is_some() && has_unprivileged()
}

/// The program; where root's programs are, nobody else's PATH may lead.
fn program() -> Option<PathBuf> {
    let of_root = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let mut folders = folders_of_path().into_iter().chain(of_root);
    folders.find_map(|folder| Some(folder.join("pgbouncer")).filter(|program| program.exists()))
}

/// A `PgBouncer` in transaction mode, otherwise as it comes: each transaction may
/// run on another connection to the server.
pub struct Pool {
    // Ended before its folder goes.
    _running: Watched,
    _folder: TempDir,
    port: u16,
}

impl Pool {
    /// Starts one before a server.
    pub fn before(server: &Server) -> Self {
        Self::with(server, "pool_mode = transaction")
    }

    /// Starts one with these settings before a server.
    pub fn with(server: &Server, settings: &str) -> Self {
        let more = settings;
        let folder = unprivileged_folder("queuectl-pool-");
        let port = free_port();
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port={} user={SUPERUSER}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\n{more}\n",
            server.socket_folder().display(),
            server.port(),
        );
        fs::write(&settings, text).unwrap();
        give_away(&settings);
        let program = program().expect("PgBouncer is installed");
        let mut words = as_unprivileged(&program);
        words.push(settings.to_str().unwrap().into());
        let running = Watched::start(Command::new("/bin/sh"), &words, folder.path(), Signal::SIGKILL);
        wait_until(DEADLINE, "the pool answers", || {
            assert!(!running.has_ended(), "{}", fs::read_to_string(folder.path().join("log")).unwrap());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { _running: running, _folder: folder, port }
    }

    /// A queue in a schema on the server, through the pool.
    pub fn url(&self, schema: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres?schema={schema}", self.port)
    }
}
