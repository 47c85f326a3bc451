//! Where the server may be: several places, each with its own way, port and password.
//!
//! The driver has hosts, addresses and ports as three lists of one connection. Here each
//! place is tried on its own, because each can have another password, and what stands in
//! the way of each is told.

use super::pgpass::{Password, PasswordFile, Wanted};
use super::surroundings::Surroundings;
use super::url::Parameters;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use tokio_postgres::config::Host;

const DEFAULT_PORT: u16 = 5432;
/// Where servers put their sockets, by the habits of the systems.
const SOCKET_FOLDERS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// One place where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The folder of its socket, or the name that its certificate should have.
    pub host: Host,
    /// Its address, where the name is not to be looked up.
    pub address: Option<IpAddr>,
    /// Its port, which is also in the name of its socket.
    pub port: u16,
    /// The password for it, if one is known.
    pub password: Option<Password>,
}

impl Server {
    /// The server as a person would name it.
    pub(crate) fn shown(&self) -> String {
        match &self.host {
            Host::Unix(folder) => format!("{} (port {})", folder.display(), self.port),
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{}", self.port),
            Host::Tcp(name) => format!("{name}:{}", self.port),
        }
    }

    /// The same for every spelling of the same server.
    pub(super) fn identity(&self) -> String {
        let host = match &self.host {
            Host::Unix(folder) => {
                folder.canonicalize().unwrap_or_else(|_| folder.clone()).display().to_string()
            }
            Host::Tcp(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                match self.address.or_else(|| name.parse().ok()) {
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
        match &self.host {
            Host::Unix(folder) => vec!["localhost".to_owned(), folder.display().to_string()],
            Host::Tcp(name) => vec![name.clone()],
        }
    }
}

/// The places where the server may be, as `libpq` combines names, addresses and ports.
pub(super) fn servers(said: &Parameters, surroundings: &Surroundings<'_>) -> Result<Vec<Server>, String> {
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
            let host = if !address.is_empty() {
                Host::Tcp(if name.is_empty() { address.clone() } else { name })
            } else if name.is_empty() {
                nearby(port, surroundings)
            } else if name.starts_with('/') {
                Host::Unix(PathBuf::from(name))
            } else if name.starts_with('@') {
                return Err(format!(
                    "host {name} is an abstract socket, which is not supported: name the folder of a socket, or a host"
                ));
            } else {
                Host::Tcp(name)
            };
            let is_ip = |_| "hostaddr is to be an IP address".to_owned();
            let address = Some(address).filter(|address| !address.is_empty());
            let address = address.map(|address| address.parse().map_err(is_ip)).transpose()?;
            Ok(Server { host, address, port, password: None })
        })
        .collect()
}

/// The server that is meant if none is named.
fn nearby(port: u16, surroundings: &Surroundings<'_>) -> Host {
    let socket = |folder: &&str| (surroundings.has_socket)(&socket_in(Path::new(folder), port));
    match SOCKET_FOLDERS.iter().find(|folder| socket(folder)) {
        Some(folder) => Host::Unix(PathBuf::from(folder)),
        None => Host::Tcp("localhost".to_owned()),
    }
}

/// The socket that a server with this port has in its folder.
pub(crate) fn socket_in(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// Gives each server its password; the file is read only if none is given otherwise.
pub(super) fn find_passwords(
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
