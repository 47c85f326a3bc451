//! Where the tests of this folder take place: a server, and who works with it.

use crate::oracle::Oracle;
use crate::support::hosts::Network;
use crate::support::postgres::{Schema, Server};
use crate::support::{Home, Role, marked, seconds, wait_until};
use queuectl_store::LeaseTimes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server that writes to the disk as it should, and a user of it who is watched.
pub struct Field {
    pub oracle: Oracle,
    pub server: Server,
}

impl Field {
    /// Both on this machine.
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let server = Server::start(settings);
        let schema = Arc::new(server.schema());
        let home = user().in_schema(&schema, &server.tcp_url(schema.name()));
        Self { oracle: Oracle::new(home), server }
    }

    /// The user.
    pub fn home(&self) -> &Home {
        self.oracle.home()
    }

    /// Another, who sees no lock of the first: as if on another machine, but for the
    /// processes.
    pub fn elsewhere(&self) -> Home {
        let schema = self.home().schema();
        let oracle = self.oracle.folder();
        user().in_schema(schema, &self.server.tcp_url(schema.name())).with("ORACLE", oracle.to_str().unwrap())
    }
}

/// Several machines, of which `db` has the server. Who enqueues and asks is
/// outside, where no cut of a cable matters.
pub struct Machines {
    pub oracle: Oracle,
    // Ended before the machine it is on.
    pub server: Server,
    pub network: Network,
    schema: Arc<Schema>,
}

impl Machines {
    /// The one with the server, and these.
    pub fn new<const N: usize>(names: [&str; N]) -> Self {
        let names: Vec<&str> = ["db"].into_iter().chain(names).collect();
        let network = Network::new(&names);
        let server = Server::start_on(network.host("db"), &[]);
        let schema = Arc::new(server.schema());
        let home = user().in_schema(&schema, &server.url(schema.name()));
        Self { oracle: Oracle::new(home), server, network, schema }
    }

    /// Who enqueues and asks.
    pub fn home(&self) -> &Home {
        self.oracle.home()
    }

    /// A user on one of the machines whose workers have another lease.
    pub fn on_with(&self, name: &str, lease: LeaseTimes) -> Home {
        self.on(name).with("QUEUECTL_LEASE", &format!("{}s", lease.length().as_secs()))
    }

    /// A user on one of the machines, whose jobs are watched too.
    pub fn on(&self, name: &str) -> Home {
        user()
            .in_schema(&self.schema, &self.server.tcp_url(self.schema.name()))
            .on_machine(self.network.host(name))
            .with("ORACLE", self.oracle.folder().to_str().unwrap())
    }

    /// Tells whether any process of a job's first run is alive, wherever.
    pub fn runs_first(&self, id: &str) -> bool {
        let home = format!("ORACLE={}", self.oracle.folder().display());
        !marked(&[&home, &format!("QUEUECTL_JOB_ID={id}"), "QUEUECTL_JOB_LEASE=1"]).is_empty()
    }

    /// The only worker on a machine, as the kernel knows it from outside.
    pub fn worker_on(&self, name: &str) -> i32 {
        let workers = self.network.host(name).those(Role::Worker);
        assert_eq!(workers.len(), 1, "workers on {name}");
        workers[0]
    }
}

/// A user with default settings, but for what would only take time.
fn user() -> Home {
    let home = Home::new().with("QUEUECTL_BACKOFF_BASE", "0").with("QUEUECTL_KILL_GRACE", "200ms");
    home.with("QUEUECTL_LEASE", &format!("{}s", lease().length().as_secs()))
}

/// The lease of all workers here: `STORM_LEASE` says how many seconds, if not the usual.
pub fn lease() -> LeaseTimes {
    let said = std::env::var("STORM_LEASE").ok();
    said.map_or(LeaseTimes::USUAL, |said| LeaseTimes::of(seconds(said.parse().unwrap())))
}

/// Lets time pass.
pub fn pass(time: Duration) {
    let due = Instant::now() + time;
    wait_until(2 * time, "the time has passed", || Instant::now() >= due);
}
