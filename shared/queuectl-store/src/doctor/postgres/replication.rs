//! What of the acknowledged survives the loss of the server, and its disk.

use super::advice::psql_as_superuser;
use super::sql;
use crate::Result;
use crate::doctor::room::room_in;
use crate::finding::Finding;
use crate::postgres::{PostgresStore, row};
use std::path::Path;

/// What `sql::REPLICATION` tells.
struct Replication {
    commit: String,
    wanted: String,
    checksums: String,
    followers: i64,
    waited_for: i64,
    /// This role is not told how they follow.
    is_hidden: bool,
    data_folder: Option<String>,
}

impl PostgresStore {
    /// Standbys, checksums and room, as far as this role is told.
    pub(super) fn survival(&mut self, is_local: bool) -> Result<Vec<Finding>> {
        let told = self.look_at_one(sql::REPLICATION, &[], |found| {
            Ok(Replication {
                commit: row::get(found, 0)?,
                wanted: row::get(found, 1)?,
                checksums: row::get(found, 2)?,
                followers: row::get(found, 3)?,
                waited_for: row::get(found, 4)?,
                is_hidden: row::get::<Option<bool>>(found, 5)?.unwrap_or(false),
                data_folder: row::get(found, 6)?,
            })
        })?;
        let locally: Vec<(String, String)> =
            self.look(sql::COMMITS_LOCALLY, &[], |found| Ok((row::get(found, 0)?, row::get(found, 1)?)))?;
        Ok(vec![self.replication(&told, &locally), checksums(&told), room(&told, is_local)])
    }

    /// Whether a failover keeps what was acknowledged.
    fn replication(&self, told: &Replication, locally: &[(String, String)]) -> Finding {
        const CHECK: &str = "replication";
        let number = told.followers;
        let standbys = if number == 1 { "1 standby".to_owned() } else { format!("{number} standbys") };
        let reload = psql_as_superuser(&self.address, "SELECT pg_reload_conf()");
        if told.wanted.is_empty() {
            let wait =
                psql_as_superuser(&self.address, "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'");
            return if number == 0 {
                Finding::ok(CHECK, "no standby follows, as far as this role is told")
            } else {
                Finding::warning(
                    CHECK,
                    format!(
                        "{standbys} follow, and no commit waits for any (synchronous_standby_names is empty): a \
                         failover can lose jobs and results that were acknowledged"
                    ),
                    format!("have commits wait for one: `{wait}`, then `{reload}`"),
                )
            };
        }
        if !locally.is_empty() {
            let (whose, resets): (Vec<&str>, Vec<&str>) =
                locally.iter().map(|(whose, reset)| (whose.as_str(), reset.as_str())).unzip();
            return Finding::warning(
                CHECK,
                format!(
                    "synchronous_commit is local for {}: what they commit waits for no standby, and a failover can \
                     lose it though it was acknowledged",
                    whose.join(", ")
                ),
                format!("have them wait: `{}`", psql_as_superuser(&self.address, &resets.join("; "))),
            );
        }
        if told.commit == "local" {
            let on = psql_as_superuser(&self.address, "ALTER SYSTEM SET synchronous_commit = on");
            let found = "synchronous_commit is local: no commit waits for a standby, and a failover can lose jobs and \
                         results that were acknowledged";
            return Finding::warning(CHECK, found, format!("have commits wait: `{on}`, then `{reload}`"));
        }
        if told.is_hidden {
            let found = format!(
                "commits are to wait for {}; whether any such standby follows this role is not told",
                told.wanted
            );
            return Finding::ok(CHECK, found);
        }
        if told.waited_for == 0 {
            return Finding::warning(
                CHECK,
                format!(
                    "commits are to wait for {}, and no such standby follows: they wait for ever",
                    told.wanted
                ),
                format!(
                    "start the standby; to go on without one meanwhile, `{}`, then `{reload}`",
                    psql_as_superuser(&self.address, "ALTER SYSTEM SET synchronous_standby_names = ''")
                ),
            );
        }
        let level = if told.commit == "remote_write" {
            " (written there, and not on its disk: both machines' power cut at once is not survived)"
        } else {
            ""
        };
        Finding::ok(CHECK, format!("{standbys} follow, and commits wait for {}{level}", told.wanted))
    }
}

fn checksums(told: &Replication) -> Finding {
    Finding::ok(
        "checksums",
        if told.checksums == "on" {
            "the server's pages have them: damage on its disk is noticed"
        } else {
            "the server's pages have none: damage on its disk may not be noticed"
        },
    )
}

/// How much room the server's disk has, if that can be seen from here.
fn room(told: &Replication, is_local: bool) -> Finding {
    let folder = told.data_folder.as_deref().map(Path::new).filter(|_| is_local);
    match folder.and_then(room_in) {
        Some(finding) => finding,
        None => Finding::ok("disk", "how much room the server's disk has is not known from here"),
    }
}
