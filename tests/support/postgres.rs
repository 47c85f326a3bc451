//! PostgreSQL servers that are thrown away.
//!
//! Each has a folder of its own for everything, and ends with the test process,
//! even when that is killed.

use super::hosts::Host;
use super::wait::{DEADLINE, wait_until};
use super::watched::{
    Watched, as_unprivileged, folders_of_path, free_port, give_away, has_unprivileged, unprivileged_folder,
    without_settings,
};
use nix::sys::signal::Signal;
use postgres::{Client, NoTls};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// The user every server of the tests knows, without a password.
pub const SUPERUSER: &str = "postgres";

/// Tells whether a server can be started here.
pub fn is_installed() -> bool {
    programs().is_some() && has_unprivileged()
}

/// The folder with a server's programs: the first in PATH, or Debian's newest.
fn programs() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut versions: Vec<(u32, PathBuf)> = versions
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .collect();
        versions.sort();
        let newest_first = versions.into_iter().rev().map(|(_version, folder)| folder);
        let is_whole = |folder: &PathBuf| {
            ["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).exists())
        };
        folders_of_path().into_iter().chain(newest_first).find(is_whole)
    };
    FOUND.get_or_init(find).as_deref()
}

/// One of the programs.
pub fn program(name: &str) -> PathBuf {
    programs().expect("PostgreSQL is installed").join(name)
}

/// What makes a program see another time.
fn faketime_library() -> String {
    let asked = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output().unwrap();
    assert!(asked.status.success(), "{asked:?}");
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

/// How a server is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Connections are cut, transactions rolled back.
    Fast,
    /// As in a crash: the next start begins with a recovery.
    Immediate,
}

/// A server that is thrown away.
pub struct Server {
    folder: TempDir,
    address: String,
    port: u16,
    /// Where it runs, if not on the machine's own network.
    entrance: Option<Host>,
    running: Mutex<Option<Watched>>,
}

static SHARED: OnceLock<Server> = OnceLock::new();

/// Ends the shared server, if there is one: statics are never dropped.
pub fn stop_shared() {
    if let Some(server) = SHARED.get() {
        server.stop(Mode::Immediate);
        let _left_behind_is_no_failure = fs::remove_dir_all(server.folder.path());
    }
}

impl Server {
    /// The one for all tests of this process to which nothing will happen.
    pub fn shared() -> &'static Self {
        static STARTING: Mutex<()> = Mutex::new(());
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        SHARED.get_or_init(|| Self::start(&[("fsync", "off"), ("max_connections", "300")]))
    }

    /// Starts one of the test's own, which writes to the disk as it should, with
    /// settings as `postgresql.conf` has them. It listens on a socket and on a port
    /// of 127.0.0.1.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        for _ in 0..5 {
            // Another program may get the port meanwhile.
            let port = free_port();
            let folder = unprivileged_folder("queuectl-pg-");
            if let Ok(server) = Self::begin(folder, "127.0.0.1", port, None, settings) {
                return server;
            }
        }
        panic!("no server could be started");
    }

    /// Starts one on another machine of a network.
    pub fn start_on(host: &Host, settings: &[(&str, &str)]) -> Self {
        Self::start_in(unprivileged_folder("queuectl-pg-"), Some(host), settings)
    }

    /// Starts one in this folder, on a machine of a network or on this one.
    pub fn start_in(folder: TempDir, host: Option<&Host>, settings: &[(&str, &str)]) -> Self {
        let (address, port) = host.map_or_else(|| ("127.0.0.1", free_port()), |host| (host.address(), 5432));
        Self::begin(folder, address, port, host.cloned(), settings).unwrap_or_else(|log| panic!("{log}"))
    }

    fn begin(
        folder: TempDir,
        address: &str,
        port: u16,
        entrance: Option<Host>,
        settings: &[(&str, &str)],
    ) -> Result<Self, String> {
        let data = folder.path().join("data");
        let mut words = as_unprivileged(&program("initdb"));
        words.extend(["--no-sync", "--no-instructions", "--auth=trust"].map(str::to_owned));
        words.extend(["--locale=C", "--encoding=UTF8"].map(str::to_owned));
        words.extend([format!("--username={SUPERUSER}"), format!("--pgdata={}", data.display())]);
        let initdb = Command::new(&words[0]).args(&words[1..]).current_dir("/").env("LC_ALL", "C").output();
        let initdb = initdb.unwrap();
        assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));
        let server = Self { folder, address: address.into(), port, entrance, running: Mutex::default() };
        let port = port.to_string();
        server.configure(&[
            ("unix_socket_directories", &format!("'{}'", server.folder.path().display())),
            ("listen_addresses", &format!("'{address}'")),
            ("port", &port),
            ("shared_buffers", "32MB"),
            ("log_min_messages", "warning"),
            ("timezone", "'UTC'"),
        ]);
        server.configure(settings);
        server.set_hba(&["local all all trust", "host all all all trust"]);
        if server.run() { Ok(server) } else { Err(server.log()) }
    }

    /// Adds settings to `postgresql.conf`; they count from the next start or reload.
    pub fn configure(&self, settings: &[(&str, &str)]) {
        let lines: String = settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let file = self.data_folder().join("postgresql.conf");
        fs::OpenOptions::new().append(true).open(file).unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// Says who may connect how: the lines of `pg_hba.conf`. (Counts from now on.)
    pub fn set_hba(&self, lines: &[&str]) {
        fs::write(self.data_folder().join("pg_hba.conf"), format!("{}\n", lines.join("\n"))).unwrap();
        self.reload();
    }

    /// Puts a file into the data folder, readable only for the server.
    pub fn put_file(&self, name: &str, contents: &[u8]) {
        let path = self.data_folder().join(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        give_away(&path);
    }

    /// Has it read its configuration again.
    pub fn reload(&self) {
        if let Some(running) = self.lock().as_ref() {
            running.signal(Signal::SIGHUP);
        }
    }

    /// Starts it again after a stop.
    pub fn resume(&self) {
        assert!(self.run(), "the server does not start:\n{}", self.log());
    }

    /// Ends it; what it has is kept.
    pub fn stop(&self, mode: Mode) {
        if let Some(mut running) = self.lock().take() {
            running.signal(match mode {
                Mode::Fast => Signal::SIGINT,
                Mode::Immediate => Signal::SIGQUIT,
            });
            running.wait();
        }
    }

    /// Ends it and starts it again.
    pub fn restart(&self, mode: Mode) {
        self.stop(mode);
        self.resume();
    }

    /// Sets its clock, by so much ahead of the machine's. It goes by a clock of its
    /// own from the first start on that comes after this.
    pub fn set_clock_ahead(&self, by: Duration) {
        let new = self.clock().with_extension("new");
        fs::write(&new, format!("+{}\n", by.as_secs())).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(new, self.clock()).unwrap();
    }

    fn clock(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// Ends the server's side of every connection but the one that asks for it;
    /// gives how many there were.
    pub fn kill_backends(&self) -> u64 {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.client().query(sql, &[]).unwrap().len() as u64
    }

    /// A queue in a schema on it, through its socket.
    pub fn url(&self, schema: &str) -> String {
        let host = self.folder.path().display();
        format!("postgres:///postgres?host={host}&port={}&user={SUPERUSER}&schema={schema}", self.port)
    }

    /// A queue in a schema on it, through its network.
    pub fn tcp_url(&self, schema: &str) -> String {
        format!("postgres://{SUPERUSER}@{}:{}/postgres?schema={schema}", self.address, self.port)
    }

    /// A name for a schema that nobody else has, dropped when the result is.
    pub fn schema(&self) -> Schema {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Schema { name: format!("test_{number}"), server: self.configuration() }
    }

    /// What psql prints: one line a row, `|` between columns.
    pub fn psql(&self, sql: &str) -> String {
        let mut psql = Command::new(program("psql"));
        without_settings(&mut psql)
            .args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"])
            .args(["--host", self.folder.path().to_str().unwrap(), "--port", &self.port.to_string()])
            .args(["--username", SUPERUSER, "--dbname", "postgres", "--command", sql])
            .stdin(Stdio::null());
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A connection of the superuser's through the socket.
    pub fn client(&self) -> Client {
        self.configuration().connect(NoTls).unwrap()
    }

    /// How the superuser connects through the socket.
    pub fn configuration(&self) -> postgres::Config {
        let mut configuration = postgres::Config::new();
        configuration.host_path(self.folder.path()).port(self.port).user(SUPERUSER).dbname("postgres");
        configuration.connect_timeout(Duration::from_secs(5));
        configuration
    }

    /// Where its socket is.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it keeps what it has.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The address it listens on.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The port it listens on, also in the name of its socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has said.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Starts it and waits until it lets us in; tells whether it does.
    fn run(&self) -> bool {
        let postgres = program("postgres");
        let mut words = as_unprivileged(&postgres);
        words.extend(["-D".into(), self.data_folder().to_str().unwrap().into()]);
        let mut shell = match &self.entrance {
            Some(host) => host.on_its_network("/bin/sh"),
            None => Command::new("/bin/sh"),
        };
        if self.clock().exists() {
            shell
                .env("LD_PRELOAD", faketime_library())
                .env("FAKETIME_TIMESTAMP_FILE", self.clock())
                .env("FAKETIME_NO_CACHE", "1");
        }
        let running = Watched::start(shell, &words, self.folder.path(), Signal::SIGQUIT);
        let mut is_ready = false;
        wait_until(DEADLINE, "the server is ready or has ended", || {
            is_ready = self.configuration().connect(NoTls).is_ok();
            is_ready || running.has_ended()
        });
        if is_ready {
            *self.lock() = Some(running);
        }
        is_ready
    }

    fn lock(&self) -> MutexGuard<'_, Option<Watched>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a schema, and where it is; dropped with all that is in it.
pub struct Schema {
    name: String,
    server: postgres::Config,
}

impl Schema {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection that finds the schema's tables by their names alone.
    pub fn client(&self) -> Client {
        let mut configuration = self.server.clone();
        configuration.options(&format!("-c search_path={}", self.name));
        configuration.connect(NoTls).unwrap()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // A server of the test's own may be gone, and its schemas with it.
        if let Ok(mut client) = self.server.connect(NoTls) {
            let sql = format!("SET lock_timeout = '10s'; DROP SCHEMA IF EXISTS {} CASCADE", self.name);
            if let Err(error) = client.batch_execute(&sql) {
                eprintln!("The schema {} is left: {error}", self.name);
            }
        }
    }
}
