//! Which server is meant, and how to get in.
//!
//! A URL is completed as `libpq` completes it, from `PG*` variables, the file of
//! passwords and the system: <https://www.postgresql.org/docs/current/libpq-connect.html>.
//! What differs: a lost network is noticed in seconds; of several servers the one
//! that can be written to is taken; an unknown parameter is an error.

mod pgpass;
mod surroundings;
mod url;

use crate::ServerProblem;
use crate::tls::{self, Tls};
use pgpass::{PasswordFile, Wanted};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use surroundings::Surroundings;
use tokio_postgres::config::{ChannelBinding, Config};
use url::Parameters;

pub use pgpass::Password;

const DEFAULT_PORT: u16 = 5432;
const DEFAULT_SCHEMA: &str = "queuectl";

/// Where servers put their sockets, by the habits of the systems.
const SOCKET_FOLDERS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// The longest name PostgreSQL does not cut.
const LONGEST_NAME_BYTES: usize = 63;

/// No program of ours waits for ever; this is what 0 seconds mean.
const LONGEST_CONNECT_TIMEOUT: Duration = Duration::from_hours(1);

/// A server that is silent for so long is asked whether it is there, for which the
/// system takes two hours,
const KEEPALIVES_IDLE_S: u64 = 5;
/// and asked again after so long,
const KEEPALIVES_INTERVAL_S: u64 = 3;
/// and so many times.
const KEEPALIVES_COUNT: u64 = 3;
/// What was sent and is not acknowledged for so long ends the connection.
const TCP_USER_TIMEOUT_MS: u64 = 10_000;

/// Which server is meant, which schema in it, and how to get in. Never shows a password.
#[derive(Clone)]
pub struct Address {
    url: String,
    /// In the order in which they are tried; at least one.
    servers: Vec<Server>,
    /// All of them, for messages.
    host: String,
    user: String,
    database: String,
    schema: String,
    connect_timeout: Duration,
    /// A standby will not do.
    pub(super) wants_a_primary: bool,
    /// Everything but the server and the password.
    pub(super) config: Config,
    pub(super) tls: Tls,
}

/// One place where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// How it is reached.
    pub place: Place,
    /// Its port, which is also in the name of its socket.
    pub port: u16,
    /// The password for it, if one is known.
    pub password: Option<Password>,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By the socket in this folder.
    Folder(PathBuf),
    /// By the network, under the name that its certificate should have.
    Network {
        /// The name, or the address as it was written.
        name: String,
        /// The address, if it need not be looked up.
        address: Option<IpAddr>,
    },
}

impl Server {
    /// The server as a person would name it.
    pub(super) fn shown(&self) -> String {
        match &self.place {
            Place::Folder(folder) => format!("{} (port {})", folder.display(), self.port),
            Place::Network { name, .. } if name.contains(':') => format!("[{name}]:{}", self.port),
            Place::Network { name, .. } => format!("{name}:{}", self.port),
        }
    }

    /// The same for every spelling of the same server.
    fn identity(&self) -> String {
        let host = match &self.place {
            Place::Folder(folder) => {
                folder.canonicalize().unwrap_or_else(|_| folder.clone()).display().to_string()
            }
            Place::Network { name, address } => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                match address.or_else(|| name.parse().ok()) {
                    Some(address) if address.is_loopback() => "localhost".to_owned(),
                    Some(address) => address.to_string(),
                    None => name,
                }
            }
        };
        format!("{host}:{}", self.port)
    }

    /// By which names its password may be found.
    fn hosts(&self) -> Vec<String> {
        match &self.place {
            Place::Folder(folder) => vec!["localhost".to_owned(), folder.display().to_string()],
            Place::Network { name, .. } => vec![name.clone()],
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, user, database, schema) = (&self.host, &self.user, &self.database, &self.schema);
        write!(f, "Address({user}@{host}/{database}, schema {schema})")
    }
}

impl Address {
    /// Understands a URL, completed by what this process finds around it.
    ///
    /// `connect_timeout` counts unless the URL, or `PGCONNECT_TIMEOUT`, has another.
    ///
    /// # Errors
    ///
    /// [`ServerProblem::Address`], which names the part that cannot be understood.
    pub fn find(url: &str, connect_timeout: Duration) -> Result<Self, ServerProblem> {
        let surroundings = Surroundings::of_this_process();
        Self::understand(url, connect_timeout, &surroundings)
            .map_err(|reason| ServerProblem::Address { reason })
    }

    fn understand(
        url: &str,
        connect_timeout: Duration,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, String> {
        let said = Parameters::of_url(url)?.or_variables(|name| surroundings.variable(name))?;
        refuse_what_is_not_done(&said)?;
        let user = said.get("user").map(str::to_owned).or_else(|| surroundings.user.clone());
        let user = user.ok_or("nobody says as which user; write postgres://USER@HOST/DATABASE")?;
        let database = said.get("dbname").unwrap_or(&user).to_owned();
        let mut servers = servers(&said, surroundings)?;
        find_passwords(&mut servers, &said, &user, &database, surroundings);
        let mut config = session(&said, surroundings)?;
        let wants_a_primary = wants_a_primary(&said, &servers)?;
        config.user(&user).dbname(&database);
        Ok(Self {
            url: url.to_owned(),
            host: servers.iter().map(Server::shown).collect::<Vec<_>>().join(", "),
            servers,
            user,
            database,
            schema: schema(&said)?,
            connect_timeout: self::connect_timeout(&said)?.unwrap_or(connect_timeout),
            config,
            wants_a_primary,
            tls: tls(&said, surroundings)?,
        })
    }

    /// The schema that has the queue's tables.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The URL as it was given, which may have a password in it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The places where the server may be, in the order in which they are tried.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Host and port, or folder and port, for messages; all of them if there are several.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// As whom to connect.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// To which database of the server.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// How long to wait for the server to answer.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// Names the schema: the same for every spelling of its address, also by variables.
    pub fn identity(&self) -> String {
        let mut servers: Vec<String> = self.servers.iter().map(Server::identity).collect();
        servers.sort();
        servers.dedup();
        format!("{}/{}/{}", servers.join(","), self.database, self.schema)
    }
}

/// What `libpq` does and this program does not must not be passed over in silence.
fn refuse_what_is_not_done(said: &Parameters) -> Result<(), String> {
    for (name, variable, what) in [
        ("service", "PGSERVICE", "service files are not read"),
        ("sslcrl", "PGSSLCRL", "lists of revoked certificates are not read"),
        ("require_auth", "PGREQUIREAUTH", "the way to log in cannot be prescribed"),
    ] {
        if said.get(name).is_some() {
            return Err(format!("{what}: take {name} out of the URL, or {variable} out of the environment"));
        }
    }
    Ok(())
}

/// The places where the server may be, as `libpq` combines names, addresses and ports.
fn servers(said: &Parameters, surroundings: &Surroundings<'_>) -> Result<Vec<Server>, String> {
    let addresses = said.list("hostaddr");
    let names = said.list("host");
    let count = addresses.as_ref().or(names.as_ref()).map_or(1, Vec::len);
    if names.as_ref().is_some_and(|names| names.len() != count) {
        return Err("host and hostaddr name different numbers of servers".to_owned());
    }
    let ports = said.list("port").unwrap_or_default();
    if ports.len() > 1 && ports.len() != count {
        return Err("there is neither one port nor one for each server".to_owned());
    }
    (0..count)
        .map(|index| {
            let port = match ports.get(index).or(ports.first()).copied().unwrap_or_default() {
                "" => DEFAULT_PORT,
                // What was taken for a port may be a part of a password.
                port => port.parse().ok().filter(|port| *port != 0).ok_or(
                    "a port is a number from 1 to 65535 (a : or / in a user or password is to be written %3A or %2F)",
                )?,
            };
            let text = |list: &Option<Vec<&str>>| list.as_ref().map_or("", |list| list[index]).to_owned();
            let (name, address) = (text(&names), text(&addresses));
            let place = if !address.is_empty() {
                let ip = address.parse().map_err(|_| "hostaddr is to be an IP address".to_owned())?;
                Place::Network { name: if name.is_empty() { address } else { name }, address: Some(ip) }
            } else if name.is_empty() {
                nearby(port, surroundings)
            } else if name.starts_with('/') {
                Place::Folder(PathBuf::from(name))
            } else if name.starts_with('@') {
                return Err(format!(
                    "host {name} is an abstract socket, which is not supported: name the folder of a socket, or a host"
                ));
            } else {
                Place::Network { name, address: None }
            };
            Ok(Server { place, port, password: None })
        })
        .collect()
}

/// The server that is meant if none is named.
fn nearby(port: u16, surroundings: &Surroundings<'_>) -> Place {
    let socket = |folder: &&str| (surroundings.has_socket)(&socket_in(Path::new(folder), port));
    match SOCKET_FOLDERS.iter().find(|folder| socket(folder)) {
        Some(folder) => Place::Folder(PathBuf::from(folder)),
        None => Place::Network { name: "localhost".to_owned(), address: None },
    }
}

/// The socket that a server with this port has in its folder.
pub(super) fn socket_in(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// Gives each server its password; the file is read only if nobody says one.
fn find_passwords(
    servers: &mut [Server],
    said: &Parameters,
    user: &str,
    database: &str,
    surroundings: &Surroundings<'_>,
) {
    if let Some(password) = said.get("password") {
        for server in servers {
            server.password = Some(Password(password.to_owned()));
        }
        return;
    }
    let of_user = || surroundings.home.as_ref().map(|home| home.join(".pgpass"));
    let Some(path) = said.get("passfile").map(PathBuf::from).or_else(of_user) else { return };
    let file = PasswordFile::read(&path);
    for server in servers {
        let hosts = server.hosts();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        server.password = file.find(Wanted { hosts: &hosts, port: server.port, database, user });
    }
}

/// What is agreed for the whole connection.
fn session(said: &Parameters, surroundings: &Surroundings<'_>) -> Result<Config, String> {
    let mut config = Config::new();
    let program = surroundings.program.as_deref().unwrap_or("queuectl");
    config.application_name(said.get("application_name").unwrap_or(program));
    if let Some(options) = said.get("options") {
        config.options(options);
    }
    config.keepalives(number(said, "keepalives")?.is_none_or(|number| number != 0));
    // What is not said is ours; 0 is the system's own.
    let chosen = |name, ours: u64| {
        Ok::<_, String>(Some(number(said, name)?.unwrap_or(ours)).filter(|number| *number > 0))
    };
    if let Some(seconds) = chosen("keepalives_idle", KEEPALIVES_IDLE_S)? {
        config.keepalives_idle(Duration::from_secs(seconds));
    }
    if let Some(seconds) = chosen("keepalives_interval", KEEPALIVES_INTERVAL_S)? {
        config.keepalives_interval(Duration::from_secs(seconds));
    }
    if let Some(count) = chosen("keepalives_count", KEEPALIVES_COUNT)? {
        config.keepalives_retries(u32::try_from(count).unwrap_or(u32::MAX));
    }
    if let Some(millis) = chosen("tcp_user_timeout", TCP_USER_TIMEOUT_MS)? {
        config.tcp_user_timeout(Duration::from_millis(millis));
    }
    config.channel_binding(match said.get("channel_binding") {
        None | Some("prefer") => ChannelBinding::Prefer,
        Some("disable") => ChannelBinding::Disable,
        Some("require") => ChannelBinding::Require,
        Some(_) => return Err("channel_binding is one of disable, prefer, require".to_owned()),
    });
    Ok(config)
}

fn wants_a_primary(said: &Parameters, servers: &[Server]) -> Result<bool, String> {
    match said.get("target_session_attrs") {
        // One of several is likely to be a standby.
        None => Ok(servers.len() > 1),
        Some("any") => Ok(false),
        Some("read-write" | "primary") => Ok(true),
        Some("read-only" | "standby" | "prefer-standby") => {
            Err("a queue is written to: target_session_attrs can be any, read-write or primary".to_owned())
        }
        Some(_) => Err("target_session_attrs is one of any, read-write, primary".to_owned()),
    }
}

fn tls(said: &Parameters, surroundings: &Surroundings<'_>) -> Result<Tls, String> {
    let file = |name, of_user: &str| match said.get(name) {
        Some(path) => tls::File::Named(PathBuf::from(path)),
        None => {
            tls::File::OfUser(surroundings.home.as_ref().map(|home| home.join(".postgresql").join(of_user)))
        }
    };
    let from_system = said.get("sslrootcert") == Some("system");
    let mode = match said.get("sslmode") {
        Some(mode) => mode.parse()?,
        None if from_system => tls::Mode::VerifyFull,
        None => tls::Mode::Prefer,
    };
    // Anybody can get a certificate that the system trusts, for a name of their own.
    if from_system && mode != tls::Mode::VerifyFull {
        return Err("sslrootcert=system is safe only with sslmode=verify-full".to_owned());
    }
    let roots =
        if from_system { tls::Roots::OfSystem } else { tls::Roots::In(file("sslrootcert", "root.crt")) };
    Ok(Tls {
        mode,
        roots,
        certificate: file("sslcert", "postgresql.crt"),
        key: file("sslkey", "postgresql.key"),
    })
}

fn connect_timeout(said: &Parameters) -> Result<Option<Duration>, String> {
    // As everywhere in `libpq`, 0 is as long as it takes.
    let seconds =
        number(said, "connect_timeout")?.map(|seconds| if seconds == 0 { u64::MAX } else { seconds });
    Ok(seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_CONNECT_TIMEOUT)))
}

fn schema(said: &Parameters) -> Result<String, String> {
    let schema = said.get("schema").unwrap_or(DEFAULT_SCHEMA);
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let sound = schema.bytes().all(is_plain)
        && !schema.starts_with(|first: char| first.is_ascii_digit())
        && schema.len() <= LONGEST_NAME_BYTES;
    match (sound, schema.starts_with("pg_")) {
        (true, false) => Ok(schema.to_owned()),
        (true, true) => Err("a schema whose name begins with pg_ is PostgreSQL's own".to_owned()),
        (false, _) => Err(format!(
            "the name of a schema is of a-z, 0-9 and _, at most {LONGEST_NAME_BYTES}, no digit first"
        )),
    }
}

fn number(said: &Parameters, name: &'static str) -> Result<Option<u64>, String> {
    let read = |text: &str| text.parse().map_err(|_| format!("{name} is to be a whole number"));
    said.get(name).map(read).transpose()
}

#[cfg(test)]
mod tests;
