//! How to get in, and why not.
//!
//! Every try runs in a thread of its own, since nothing else bounds all of it: a
//! name that is not resolved, a host that swallows packets, a server that accepts
//! and never answers. A thread that was given up ends with its connection.

use crate::ServerProblem;
use crate::address::{Address, Server, socket_in};
use crate::connection::{Connection, runtime};
use crate::meaning::{Meaning, meaning};
use crate::session;
use crate::tls::{self, Mode};
use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;
use tokio_postgres::config::{Config, Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

/// So many tries may be under way that no thread waits for any more: a server that
/// answers none of them must not cost this process all its threads and files.
const MOST_UNANSWERED: usize = 64;

/// Where nothing has come in time it is seen so quickly whether a connection can be made.
const PROBE_TAKES: Duration = Duration::from_millis(500);

/// Asks whether nothing can be written there.
const IS_STANDBY: &str = "SELECT pg_is_in_recovery()";

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Counts a try from its beginning to its end.
struct UnderWay(&'static AtomicUsize);

impl UnderWay {
    /// None if there are too many already.
    fn begin(count: &'static AtomicUsize) -> Option<Self> {
        let begun = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MOST_UNANSWERED).then_some(begun)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Address {
    /// Connects: one try of each server, which all together take `at_most` so long.
    ///
    /// # Errors
    ///
    /// A [`ServerProblem`], with the host and what stands in the way.
    pub fn connect(&self, at_most: Duration) -> Result<Connection, ServerProblem> {
        let deadline = Instant::now() + at_most;
        let mut problems: Vec<(&Server, ServerProblem)> = Vec::new();
        for (index, server) in self.servers().iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(self.servers().len() - index).unwrap_or(1);
            match self.try_one(server, share) {
                Ok(client) => return Ok(client),
                Err(problem) if problem.is_passing() => problems.push((server, problem)),
                // Another server would say the same.
                Err(problem) => return Err(problem),
            }
        }
        if problems.len() == 1
            && let Some((_, problem)) = problems.pop()
        {
            return Err(problem);
        }
        let reasons: Vec<String> = problems
            .iter()
            .map(|(server, problem)| format!("{}: {}", server.shown(), reason(problem)))
            .collect();
        let reason = reasons.join("; ");
        Err(ServerProblem::Unreachable { host: self.host().to_owned(), reason })
    }

    /// What an error means that comes from the server, or from the way to it; none
    /// if it is about a statement.
    pub fn refusal(&self, error: &tokio_postgres::Error) -> Option<ServerProblem> {
        self.problem(self.host(), error)
    }

    fn try_one(&self, server: &Server, at_most: Duration) -> Result<Connection, ServerProblem> {
        let unreachable = |reason: String| ServerProblem::Unreachable { host: server.shown(), reason };
        let Some(under_way) = UnderWay::begin(&UNDER_WAY) else {
            return Err(unreachable(format!("{MOST_UNANSWERED} earlier tries have had no answer")));
        };
        let (answer, answered) = sync_channel(1);
        let (address, here) = (self.clone(), server.clone());
        let trying = Arc::new(Mutex::new(None));
        let tried = Arc::clone(&trying);
        let spawned = thread::Builder::new().name("connect".into()).spawn(move || {
            // The caller may have given up; the connection is closed then.
            let _ = answer.send(address.enter(&here, at_most, &tried));
            drop(under_way);
        });
        spawned.map_err(|error| unreachable(error.to_string()))?;
        match answered.recv_timeout(at_most) {
            Ok(entered) => entered,
            Err(RecvTimeoutError::Timeout) => {
                let tried = *trying.lock().unwrap_or_else(PoisonError::into_inner);
                Err(no_answer(server.shown(), at_most, tried))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(unreachable("the try to connect has failed".to_owned()))
            }
        }
    }

    /// Tries the addresses of a server until one answers; says which it is at.
    fn enter(
        &self,
        server: &Server,
        at_most: Duration,
        trying: &Mutex<Option<SocketAddr>>,
    ) -> Result<Connection, ServerProblem> {
        let unreachable = |reason: String| ServerProblem::Unreachable { host: server.shown(), reason };
        let runtime = runtime().map_err(|error| unreachable(error.to_string()))?;
        let mut config = self.config.clone();
        config.port(server.port).connect_timeout(at_most);
        if let Some(password) = &server.password {
            config.password(&password.0);
        }
        let name = match &server.host {
            Host::Unix(folder) => {
                config.host_path(folder).ssl_mode(SslMode::Disable);
                let entered = Connection::open(&runtime, &config, NoTls, at_most);
                return entered
                    .map_err(|error| self.no_entry(server, &error))
                    .and_then(|connection| self.only_a_primary(server, connection));
            }
            Host::Tcp(name) => name,
        };
        let addresses = match server.address {
            Some(address) => vec![address],
            None => resolve(name, server.port).map_err(|error| unreachable(error.to_string()))?,
        };
        let share = at_most / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let mut last = unreachable("its name has no address".to_owned());
        for address in addresses {
            let now_at = SocketAddr::new(address, server.port);
            *trying.lock().unwrap_or_else(PoisonError::into_inner) = Some(now_at);
            let mut config = config.clone();
            config.host(name).hostaddr(address).connect_timeout(share);
            last = match self.enter_by_network(server, &config, &runtime, at_most) {
                Err(problem @ ServerProblem::Unreachable { .. }) => problem,
                entered => return entered.and_then(|connection| self.only_a_primary(server, connection)),
            };
        }
        Err(last)
    }

    /// Refuses a standby where one that can be written to is wanted.
    ///
    /// The driver would ask whether transactions may write. That is also what a role's
    /// own setting says, which holds for nothing of ours.
    fn only_a_primary(&self, server: &Server, mut entered: Connection) -> Result<Connection, ServerProblem> {
        if !self.wants_a_primary {
            return Ok(entered);
        }
        let asked = session::ask_at_first(&mut entered, IS_STANDBY);
        if asked.map_err(|error| self.no_entry(server, &error))?.columns == [Some("t".to_owned())] {
            return Err(ServerProblem::Standby { host: server.shown() });
        }
        Ok(entered)
    }

    /// Connects as safely as is wanted, and as the server allows where nothing is.
    fn enter_by_network(
        &self,
        server: &Server,
        config: &Config,
        runtime: &Arc<Runtime>,
        at_most: Duration,
    ) -> Result<Connection, ServerProblem> {
        let in_clear =
            || Connection::open(runtime, config.clone().ssl_mode(SslMode::Disable), NoTls, at_most);
        let safely = |mode, tls: MakeRustlsConnect| {
            Connection::open(runtime, config.clone().ssl_mode(mode), tls, at_most)
        };
        let connector =
            || self.tls.connector().map_err(|reason| ServerProblem::Tls { host: server.shown(), reason });
        let entered = match self.tls.mode {
            Mode::Disable => in_clear(),
            Mode::Allow => match in_clear() {
                Err(error) if wants_it_otherwise(&error) => safely(SslMode::Require, connector()?),
                entered => entered,
            },
            Mode::Prefer => match safely(SslMode::Prefer, connector()?) {
                // What the safe way was refused for is what there is to be said.
                Err(error) if wants_it_otherwise(&error) || is_about_tls(&error) => in_clear().or(Err(error)),
                entered => entered,
            },
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => safely(SslMode::Require, connector()?),
        };
        entered.map_err(|error| self.no_entry(server, &error))
    }

    /// Why a server does not let us in.
    fn no_entry(&self, server: &Server, error: &tokio_postgres::Error) -> ServerProblem {
        let host = server.shown();
        if let (Host::Unix(folder), Some(cause)) = (&server.host, cause::<io::Error>(error))
            && cause.kind() == io::ErrorKind::NotFound
        {
            return ServerProblem::Unreachable { host, reason: no_socket(folder, server.port) };
        }
        let problem = self.problem(&host, error);
        // A database that takes no connections, for example, lets no role in.
        let problem = problem.filter(|problem| !matches!(problem, ServerProblem::Failed { .. }));
        problem.unwrap_or_else(|| ServerProblem::LoginRefused {
            host,
            user: self.user().to_owned(),
            reason: match (error.as_db_error(), error.source()) {
                (Some(said), _) => said.message().to_owned(),
                (None, Some(cause)) => cause.to_string(),
                (None, None) => error.to_string(),
            },
        })
    }

    /// What an error means if it is no statement's.
    fn problem(&self, host: &str, error: &tokio_postgres::Error) -> Option<ServerProblem> {
        let host = host.to_owned();
        match error.as_db_error() {
            Some(said) => self.problem_of_server(host, said.code(), said.message()),
            None => self.problem_on_the_way(host, error),
        }
    }

    /// What the server says about itself and us, not about a statement.
    fn problem_of_server(&self, host: String, code: &SqlState, said: &str) -> Option<ServerProblem> {
        let (user, reason) = (self.user().to_owned(), said.to_owned());
        // So PgBouncer says everything.
        if *code == SqlState::PROTOCOL_VIOLATION {
            return Some(match said {
                _ if said.starts_with("no such database") => {
                    ServerProblem::NoSuchDatabase { host, database: self.database().to_owned() }
                }
                _ if said.contains("authentication failed") || said.starts_with("no such user") => {
                    ServerProblem::LoginRefused { host, user, reason }
                }
                _ => ServerProblem::NotNow { host, reason },
            });
        }
        Some(match meaning(code) {
            Meaning::NotLetIn => ServerProblem::LoginRefused { host, user, reason },
            Meaning::NoDatabase => {
                ServerProblem::NoSuchDatabase { host, database: self.database().to_owned() }
            }
            Meaning::NoRight => ServerProblem::NoRight { host, user, reason },
            Meaning::Standby => ServerProblem::Standby { host },
            Meaning::NotNow => ServerProblem::NotNow { host, reason },
            Meaning::Lost => ServerProblem::Unreachable { host, reason },
            // A transaction that conflicts again and again has more luck later.
            Meaning::Failed | Meaning::Conflict => ServerProblem::Failed { host, reason },
            Meaning::Locked | Meaning::DiskFull | Meaning::Damaged | Meaning::Lasting => return None,
        })
    }

    /// What has happened between us and the server. The driver tells kinds of
    /// errors apart only by their texts.
    fn problem_on_the_way(&self, host: String, error: &tokio_postgres::Error) -> Option<ServerProblem> {
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        if let Some(error) = tls_error(error) {
            return Some(ServerProblem::Tls { host, reason: tls::explain(error) });
        }
        let user = self.user().to_owned();
        Some(match error.to_string().as_str() {
            TLS => ServerProblem::Tls { host, reason: reason.replacen("server", "the server", 1) },
            "authentication error" => ServerProblem::LoginRefused { host, user, reason },
            // So the driver says that the server asks for a password.
            "invalid configuration" if reason == "password missing" => ServerProblem::LoginRefused {
                host,
                user,
                reason: "it asks for a password, and none is given".to_owned(),
            },
            "error connecting to server" => ServerProblem::Unreachable { host, reason },
            "error communicating with the server" | "connection closed" => {
                let reason = match cause::<io::Error>(error) {
                    Some(cause) if cause.raw_os_error().is_some() => cause.to_string(),
                    Some(cause)
                        if matches!(
                            cause.kind(),
                            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
                        ) =>
                    {
                        NOT_OUR_LANGUAGE.to_owned()
                    }
                    // Also in the middle of a message.
                    Some(_) | None => "it has closed the connection".to_owned(),
                };
                ServerProblem::Unreachable { host, reason }
            }
            "unexpected message from server" | "error parsing response from server" => {
                ServerProblem::Unreachable { host, reason: NOT_OUR_LANGUAGE.to_owned() }
            }
            _ => return None,
        })
    }
}

/// What is said of a server that has not answered in time. One that can be connected to may
/// be a pool that has no session to spare.
fn no_answer(host: String, waited: Duration, tried: Option<SocketAddr>) -> ServerProblem {
    let waited = in_seconds(waited);
    if tried.is_some_and(|address| TcpStream::connect_timeout(&address, PROBE_TAKES).is_ok()) {
        ServerProblem::NoSession { host, waited }
    } else {
        ServerProblem::Unreachable { host, reason: format!("no answer within {waited}") }
    }
}

const NOT_OUR_LANGUAGE: &str = "what answers there does not speak as a PostgreSQL server does";

/// How the driver names what went wrong with TLS.
const TLS: &str = "error performing TLS handshake";

/// Tells whether the server may let us in with TLS instead of without, or the
/// other way round: its rules may name either.
fn wants_it_otherwise(error: &tokio_postgres::Error) -> bool {
    let codes = [SqlState::INVALID_AUTHORIZATION_SPECIFICATION, SqlState::PROTOCOL_VIOLATION];
    error.code().is_some_and(|code| codes.contains(code))
}

fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    error.to_string() == TLS || tls_error(error).is_some()
}

fn tls_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    cause::<io::Error>(error)?.get_ref()?.downcast_ref()
}

fn cause<E: std::error::Error + 'static>(error: &tokio_postgres::Error) -> Option<&E> {
    error.source()?.downcast_ref()
}

fn resolve(name: &str, port: u16) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    Ok((name, port).to_socket_addrs()?.map(|address| address.ip()).collect())
}

fn no_socket(folder: &Path, port: u16) -> String {
    format!("there is no socket {}", socket_in(folder, port).display())
}

/// What stands in the way, without the host.
fn reason(problem: &ServerProblem) -> &str {
    match problem {
        ServerProblem::Unreachable { reason, .. } | ServerProblem::NotNow { reason, .. } => reason,
        ServerProblem::NoSession { .. } => "it takes connections but gives no session",
        _ => "it is a standby",
    }
}

/// A time in words, for messages.
pub fn in_seconds(time: Duration) -> String {
    let seconds = (time.as_secs_f64() * 10.0).round() / 10.0;
    format!("{seconds} s")
}

#[cfg(test)]
mod tests;
