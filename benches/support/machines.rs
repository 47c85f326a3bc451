//! Several machines and one server for all.

use super::{Bench, Home, Result, note, start_server};
use crate::ground::hosts::Network;
use crate::ground::postgres::Server;
use crate::ground::trials::Means;

/// The machine of the server.
const SERVER: &str = "db";

/// Several machines and one server for all.
///
/// Each has a network, a process table and a boot of its own, and a cable to the
/// switch. Where that cannot be made they are only users, each with a folder for
/// the locks of its own, who reach the server through TCP of this machine.
pub(crate) struct Machines {
    // Ended before the machine it is on.
    server: Server,
    network: Option<Network>,
}

impl Machines {
    /// One with the server, and these.
    pub(crate) fn new(bench: &Bench, names: &[&str]) -> Result<Self> {
        let needed = Means::Namespaces;
        let all: Vec<&str> = [SERVER].into_iter().chain(names.iter().copied()).collect();
        let network = needed.is_here().then(|| Network::new(&all));
        match &network {
            Some(_) => note("each machine is a network namespace with a cable (veth) to the server's"),
            None => note(&format!("this needs {}: 127.0.0.1 instead", needed.description())),
        }
        let server = start_server(bench, network.as_ref().map(|network| network.host(SERVER)))?;
        Ok(Self { server, network })
    }

    /// A user who sits at the server, with a queue of their own.
    pub(crate) fn user_at_the_server(&self, bench: &Bench) -> Result<Home> {
        Home::on_server(bench, &self.server)
    }

    /// The same user on another machine.
    pub(crate) fn user_on(&self, name: &str, bench: &Bench, user: &Home) -> Result<Home> {
        let machine = self.network.as_ref().map(|network| network.host(name).clone());
        user.elsewhere(bench, &self.server, machine)
    }
}
