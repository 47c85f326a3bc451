//! Whether what was deleted and overwritten is taken away, and what keeps it.

use super::advice::{psql, psql_as_superuser};
use super::server::Surroundings;
use super::sql;
use crate::Result;
use crate::finding::Finding;
use crate::postgres::{PostgresStore, row};
use queuectl_postgres::session::values;
use std::time::Duration;

/// A transaction that is open for longer has been forgotten, most of the time.
const LONG: Duration = Duration::from_mins(5);

/// So many transactions are some minutes of a busy queue: what counts where nobody
/// says how long something has been open.
const MANY_TRANSACTIONS: i64 = 100_000;

/// So few dead rows are in nobody's way.
const FEW_DEAD_ROWS: i64 = 10_000;

/// Within so long the server looks at every table, unless something is wrong.
const LOOKED_AT_WITHIN: Duration = Duration::from_mins(10);

/// What the server says of a table's rows.
struct Rows {
    table: String,
    living: i64,
    dead: i64,
    /// Seconds since the dead ones were last taken away; less than 0 for never.
    vacuumed_s: i64,
    /// So many may there be before they are taken away.
    allowed: i64,
    is_vacuumed: bool,
}

/// What keeps dead rows from being taken away.
struct Holder {
    kind: String,
    name: String,
    whose: String,
    /// None where nobody says for how long.
    seconds: Option<i64>,
    transactions: i64,
}

impl PostgresStore {
    /// Whether the server takes dead rows away by itself.
    pub(super) fn autovacuum(&mut self) -> Result<Vec<Finding>> {
        const CHECK: &str = "autovacuum";
        const EFFECT: &str = "what was overwritten stays, and the queue becomes slower and slower";
        let is_on: bool = self.look_at_one(sql::IS_VACUUMED, &[], |found| row::get(found, 0))?;
        let mut findings = Vec::new();
        if !is_on {
            let on = ["autovacuum", "track_counts"].map(|setting| {
                format!("`{}`", psql_as_superuser(&self.address, &format!("ALTER SYSTEM SET {setting} = on")))
            });
            let reload = psql_as_superuser(&self.address, "SELECT pg_reload_conf()");
            let advice = format!("switch it on with {}, then `{reload}`", on.join(" and "));
            findings.push(Finding::warning(CHECK, format!("it is off: {EFFECT}"), advice));
        }
        for rows in self.rows_of_tables()?.iter().filter(|rows| !rows.is_vacuumed) {
            let again = format!("ALTER TABLE @{} RESET (autovacuum_enabled)", rows.table);
            findings.push(Finding::warning(
                CHECK,
                format!("it is off for {}: {EFFECT}", rows.table),
                format!("switch it on: `{}`", psql(&self.address, &again)),
            ));
        }
        if findings.is_empty() {
            findings.push(Finding::ok(CHECK, "it is on"));
        }
        Ok(findings)
    }

    /// Tables with more dead rows than there should be.
    pub(super) fn dead_rows(&mut self) -> Result<Vec<Finding>> {
        const CHECK: &str = "dead-rows";
        let tables = self.rows_of_tables()?;
        let mut findings: Vec<Finding> = tables
            .iter()
            .filter(|rows| rows.are_too_many())
            .map(|rows| {
                let vacuumed = match rows.vacuumed_s {
                    ..0 => "never".to_owned(),
                    seconds => format!("{} ago", minutes(seconds)),
                };
                let found = format!(
                    "{} has {} dead rows and {} living ones, and was last cleaned {vacuumed}",
                    rows.table, rows.dead, rows.living
                );
                let vacuum = psql(&self.address, &format!("VACUUM (ANALYZE) @{}", rows.table));
                let advice =
                    format!("clean it: `{vacuum}`; if they stay, end what the check `transactions` names");
                Finding::warning(CHECK, found, advice)
            })
            .collect();
        if findings.is_empty() {
            let most = tables.first().map_or((0, "any table"), |rows| (rows.dead, rows.table.as_str()));
            findings.push(Finding::ok(CHECK, format!("{} in {}, where there are most", most.0, most.1)));
        }
        Ok(findings)
    }

    /// Transactions, and the like, that are open for so long that dead rows pile up.
    pub(super) fn transactions(&mut self, server: &Surroundings) -> Result<Vec<Finding>> {
        const CHECK: &str = "transactions";
        let (long, many) = (LONG.as_secs_f64(), MANY_TRANSACTIONS);
        let holders = self.look(sql::HOLDS_BACK, values![long, many], |found| {
            Ok(Holder {
                kind: row::get(found, 0)?,
                name: row::get(found, 1)?,
                whose: row::get(found, 2)?,
                seconds: row::get(found, 3)?,
                transactions: row::get(found, 4)?,
            })
        })?;
        let sees_others: bool = self.look_at_one(sql::SEES_OTHERS, &[], |found| row::get(found, 0))?;
        let mut findings: Vec<Finding> = holders
            .iter()
            .map(|holder| {
                let (what, how) = holder.explained();
                let advice = match how {
                    How::Sql(advice, sql) => {
                        format!("{advice}: `{}`", psql_as_superuser(&self.address, &sql))
                    }
                    How::Words(words) => words.to_owned(),
                };
                let found = format!("{what} keeps dead rows from being taken away, {}", holder.age());
                Finding::warning(CHECK, found, advice)
            })
            .collect();
        if findings.is_empty() {
            let found = format!("none is older than {}", minutes(LONG.as_secs().cast_signed()));
            findings.push(if sees_others {
                Finding::ok(CHECK, found)
            } else {
                let found =
                    format!("{found}, as far as {} can see, which is not in pg_read_all_stats", server.role);
                Finding::ok(CHECK, found)
            });
        }
        Ok(findings)
    }

    fn rows_of_tables(&mut self) -> Result<Vec<Rows>> {
        let schema = self.address.schema().to_owned();
        self.look(sql::DEAD_ROWS, values![schema], |found| {
            Ok(Rows {
                table: row::get(found, 0)?,
                living: row::get(found, 1)?,
                dead: row::get(found, 2)?,
                vacuumed_s: row::get(found, 3)?,
                allowed: row::get(found, 4)?,
                is_vacuumed: row::get(found, 5)?,
            })
        })
    }
}

impl Rows {
    /// Many beside what is normal: either nobody comes to take them away, or he
    /// comes in vain.
    fn are_too_many(&self) -> bool {
        let is_late = self.vacuumed_s < 0 || self.vacuumed_s.unsigned_abs() > LOOKED_AT_WITHIN.as_secs();
        let normal = FEW_DEAD_ROWS.max(3 * self.allowed);
        self.dead > 10 * normal || (is_late && self.dead > normal)
    }
}

/// What is to be done about a holder.
enum How {
    /// What a statement does, and the statement.
    Sql(&'static str, String),
    Words(&'static str),
}

impl Holder {
    fn explained(&self) -> (String, How) {
        let (name, whose) = (&self.name, &self.whose);
        match self.kind.as_str() {
            "session" => {
                let end =
                    How::Sql("end it, if it was forgotten", format!("SELECT pg_terminate_backend({name})"));
                (format!("the open transaction of process {name} ({whose})"), end)
            }
            "prepared" => {
                let end = How::Sql("end it, if nobody will", format!("ROLLBACK PREPARED {name}"));
                (format!("the prepared transaction {name} ({whose})"), end)
            }
            "slot" => {
                let end = How::Sql(
                    "drop it, if its standby is gone",
                    format!("SELECT pg_drop_replication_slot({name})"),
                );
                (format!("the replication slot {name} ({whose})"), end)
            }
            _ => {
                let look = "see what runs there for so long, or switch `hot_standby_feedback` off there";
                (format!("a transaction on the standby {name} ({whose})"), How::Words(look))
            }
        }
    }

    fn age(&self) -> String {
        match self.seconds {
            Some(seconds) => format!("for {}", minutes(seconds)),
            None => format!("for {} transactions", self.transactions),
        }
    }
}

fn minutes(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(dead: i64, allowed: i64, vacuumed_s: i64) -> Rows {
        Rows { table: "job".into(), living: 0, dead, vacuumed_s, allowed, is_vacuumed: true }
    }

    #[test]
    fn dead_rows_are_too_many_when_they_are_not_taken_away_or_in_vain() {
        assert!(!rows(9_000, 500, -1).are_too_many(), "few");
        assert!(rows(11_000, 500, -1).are_too_many(), "never cleaned");
        assert!(rows(11_000, 500, 700).are_too_many(), "not cleaned for long");
        assert!(!rows(99_000, 500, 30).are_too_many(), "between two visits of a busy queue");
        assert!(rows(101_000, 500, 30).are_too_many(), "cleaned in vain");
        assert!(!rows(30_000, 11_000, -1).are_too_many(), "a large table");
        assert!(rows(34_000, 11_000, -1).are_too_many(), "a large table that nobody cleans");
    }
}
