//! Which server is meant, and how to get in.
//!
//! A URL is completed as `libpq` completes it, from `PG*` variables, the file of
//! passwords and the system: <https://www.postgresql.org/docs/current/libpq-connect.html>.
//! What differs: a lost network is noticed in seconds; of several servers the one
//! that can be written to is taken; an unknown parameter is an error.
//!
//! The driver's `Config` is given what was understood, and has it from there on. It
//! could read a URL itself, but
//!
//! | not | so here |
//! |---|---|
//! | variables, the user, sockets of this machine | `surroundings` finds them |
//! | `schema`, `passfile`, `ssl…`, names as `libpq` has them; and it does not say which name was meant, nor what a value may be | `url` reads parameters |
//! | a password for each server | `servers`, `pgpass` |
//! | `sslmode=allow`, `verify-ca`, `verify-full` | [`tls`](crate::tls) |
//! | files that are meant from another folder | `files` |

mod files;
mod pgpass;
mod servers;
mod surroundings;
mod url;

use crate::ServerProblem;
use crate::tls::{self, Tls};
use servers::{find_passwords, servers};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use surroundings::Surroundings;
use tokio_postgres::config::{ChannelBinding, Config};
use url::Parameters;

pub use files::with_files_from;
pub use pgpass::Password;
pub use servers::Server;
pub(crate) use servers::socket_in;

const DEFAULT_SCHEMA: &str = "queuectl";

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
    schema: String,
    connect_timeout: Duration,
    /// A standby will not do.
    pub(crate) wants_a_primary: bool,
    /// Everything but the server and the password.
    pub(crate) config: Config,
    pub(crate) tls: Tls,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, user, database, schema) = (self.host(), self.user(), self.database(), self.schema());
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
            schema: schema(&said)?,
            connect_timeout: self::connect_timeout(&said)?.unwrap_or(connect_timeout),
            config,
            wants_a_primary,
            tls: tls(&said, surroundings)?,
        })
    }

    /// The schema that statements name with every table.
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
        self.config.get_user().unwrap_or_default()
    }

    /// To which database of the server.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
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
        format!("{}/{}/{}", servers.join(","), self.database(), self.schema)
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
    // Every owner of a name can get a certificate for it that the system trusts.
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
