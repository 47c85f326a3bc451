//! What the server and the way to it show, before anything of the queue.

use super::advice::{self, psql_as_superuser};
use super::sql;
use crate::Result;
use crate::clock::Clock;
use crate::finding::Finding;
use crate::lease::LeaseTimes;
use crate::postgres::heartbeat::Heartbeat;
use crate::postgres::{PostgresStore, row};
use crate::reader::Reader;
use queuectl_postgres::session::values;
use std::time::{Duration, Instant};
use tokio_postgres::config::Host;

/// So few free connections are soon none: a worker has two.
const FEW_CONNECTIONS: i64 = 10;

/// By so much the clocks of two machines may differ without harm.
const SAME_TIME: Duration = Duration::from_secs(1);

/// A clock that is off by so much is off by accident.
const ANOTHER_TIME: Duration = Duration::from_secs(30);

/// What the server says of itself, and of this connection.
pub(super) struct Surroundings {
    version: String,
    pub(super) is_standby: bool,
    /// The setting without which a power cut loses something, and which it is without.
    unsafe_setting: Option<String>,
    synchronous_commit: String,
    encoding: String,
    /// The server's end of the connection is on its own machine.
    is_local: bool,
    /// The version of TLS, if the connection has it.
    tls: Option<String>,
    /// As whom the server knows us, as SQL is to read it.
    pub(super) role: String,
}

impl Surroundings {
    /// Whether a text of this database may be of any bytes.
    pub(super) fn stores_any_bytes(&self) -> bool {
        self.encoding == "SQL_ASCII"
    }
}

impl PostgresStore {
    pub(super) fn surroundings(&mut self) -> Result<Surroundings> {
        self.look_at_one(sql::SURROUNDINGS, &[], |found| {
            Ok(Surroundings {
                version: row::get(found, 0)?,
                is_standby: row::get(found, 1)?,
                unsafe_setting: row::get(found, 2)?,
                synchronous_commit: row::get(found, 3)?,
                encoding: row::get(found, 4)?,
                is_local: row::get(found, 5)?,
                tls: row::get(found, 6)?,
                role: row::get(found, 7)?,
            })
        })
    }

    /// What can be said without looking at the queue.
    pub(super) fn of_server(&mut self, server: &Surroundings) -> Vec<Finding> {
        let mut findings = vec![self.version(server), self.safety(server), self.syncs(server)];
        findings.extend(self.several("replication", |store| store.survival(server.is_local)));
        findings.extend(self.encoding(server));
        findings.extend(self.several("settings", Self::settings));
        findings.push(self.time());
        findings.push(self.finding("connections", Self::connections));
        // Nobody can listen on a standby.
        if !server.is_standby {
            findings.push(self.finding("notifications", Self::notifications));
        }
        findings
    }

    fn version(&self, server: &Surroundings) -> Finding {
        const CHECK: &str = "server";
        let found = format!("PostgreSQL {} at {}, as {}", server.version, self.address.host(), server.role);
        if server.is_standby {
            return Finding::error(
                CHECK,
                format!("{found}: a standby, where nothing can be written"),
                "name the primary in the URL, or all servers with `?target_session_attrs=read-write`",
            );
        }
        Finding::ok(CHECK, found)
    }

    /// Whether others can listen to what goes over the network.
    fn safety(&self, server: &Surroundings) -> Finding {
        const CHECK: &str = "connection";
        match &server.tls {
            Some(tls) => Finding::ok(CHECK, format!("encrypted ({tls})")),
            None if self.address.servers().iter().all(|server| matches!(server.host, Host::Unix(_))) => {
                Finding::ok(CHECK, "by a socket of this machine")
            }
            None if server.is_local => Finding::ok(CHECK, "not encrypted, and on one machine"),
            None => Finding::warning(
                CHECK,
                "not encrypted: anyone on the network can read jobs and their output",
                "have the server use TLS (`ssl = on` and a certificate) and say in the URL that it must: \
                 `?sslmode=verify-full&sslrootcert=FILE`",
            ),
        }
    }

    /// Whether what was acknowledged survives a power cut.
    fn syncs(&self, server: &Surroundings) -> Finding {
        const CHECK: &str = "sync";
        let Some(switched_off) = &server.unsafe_setting else {
            let found = "every commit is on disk before it is acknowledged";
            return if server.synchronous_commit == "off" {
                Finding::ok(
                    CHECK,
                    format!("{found}; the server's synchronous_commit = off is overruled here"),
                )
            } else {
                Finding::ok(CHECK, found)
            };
        };
        let switch_on = format!("ALTER SYSTEM SET {switched_off} = on");
        Finding::error(
            CHECK,
            format!(
                "{switched_off} is off: a power cut can take back what was acknowledged, or damage everything"
            ),
            format!(
                "switch it on with `{}`, then `{}`",
                psql_as_superuser(&self.address, &switch_on),
                psql_as_superuser(&self.address, "SELECT pg_reload_conf()")
            ),
        )
    }

    /// Whether a queue can be in this database: texts are stored as they are.
    fn encoding(&self, server: &Surroundings) -> Option<Finding> {
        let (name, encoding) = (self.address.database(), &server.encoding);
        (!matches!(encoding.as_str(), "UTF8" | "SQL_ASCII")).then(|| {
            Finding::error(
                "encoding",
                format!("the database {name} is in {encoding}, which has not every character: no queue is made there"),
                "make another one with `createdb -E UTF8 -T template0 NAME`, and name it in the URL",
            )
        })
    }

    /// Which settings of the role, the database or the server would be in the way, if
    /// they held for us.
    fn settings(&mut self) -> Result<Vec<Finding>> {
        let names = self.session(Instant::now())?.amiss();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let set: Vec<String> = self.look(sql::SETTINGS_AMISS, values![names], |found| row::get(found, 0))?;
        let found = format!("{}: overruled here, where it would be in the way", set.join(", "));
        Ok(vec![Finding::ok("settings", found)])
    }

    /// By how much this machine's clock differs from the server's.
    fn time(&self) -> Finding {
        const CHECK: &str = "clock";
        let (here, there) = (Clock::of_this_machine().now(), self.clock().now());
        let (ahead, behind) = (here.since(there), there.since(here));
        let difference = ahead.max(behind);
        if difference <= SAME_TIME {
            return Finding::ok(CHECK, "this machine and the server agree on the time");
        }
        let direction = if ahead > behind { "ahead of" } else { "behind" };
        let found = format!(
            "this machine is {} s {direction} the server, whose time alone counts",
            difference.as_secs()
        );
        if difference <= ANOTHER_TIME {
            return Finding::ok(CHECK, found);
        }
        Finding::warning(
            CHECK,
            found,
            "set this machine's clock, for example with `timedatectl set-ntp true`",
        )
    }

    /// Whether there will be room for another worker.
    fn connections(&mut self) -> Result<Finding> {
        const CHECK: &str = "connections";
        let limits: Vec<(String, i64, i64)> = self.look(sql::CONNECTIONS, &[], |found| {
            Ok((row::get(found, 0)?, row::get(found, 1)?, row::get(found, 2)?))
        })?;
        let tightest = limits.into_iter().min_by_key(|(_, used, most)| most - used);
        let (whose, used, most) = tightest.unwrap_or_default();
        let found = format!("{used} of the {most} that {whose} allows are in use");
        if most - used >= FEW_CONNECTIONS {
            return Ok(Finding::ok(CHECK, found));
        }
        let who =
            "SELECT usename, application_name, client_addr, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3";
        let advice = format!(
            "see whose they are with `{}`; a worker needs two: allow more, or put a pool of connections before \
             the server",
            advice::psql(&self.address, who)
        );
        Ok(Finding::warning(CHECK, found, advice))
    }

    /// Whether idle workers hear of new jobs.
    fn notifications(&mut self) -> Result<Finding> {
        const CHECK: &str = "notifications";
        let mut heartbeat = Heartbeat::connect(&self.address, LeaseTimes::USUAL)?;
        let arrive = heartbeat.hears(self.session(Instant::now())?)?;
        Ok(if arrive {
            Finding::ok(CHECK, "arrive: idle workers hear of new jobs at once")
        } else {
            Finding::warning(
                CHECK,
                "do not arrive, as behind a pool of connections that hands sessions around: workers find new \
                 jobs at each poll-interval",
                "this works; to be faster, name the server itself in the URL of workers, or set `pool_mode = session` \
                 for them in the pool",
            )
        })
    }
}
