//! What administrators of a server do to a queue without knowing it.

use super::advice::psql;
use super::made::{self, Kind};
use crate::Result;
use crate::postgres::session::values;
use crate::postgres::{PostgresStore, row, sql};
use crate::upkeep::Finding;

impl PostgresStore {
    /// Sequences that are behind: logical replication copies tables, and not how far
    /// their sequences are.
    pub(super) fn sequences(&mut self) -> Result<Vec<Finding>> {
        const CHECK: &str = "sequences";
        let found: Vec<(String, Option<i64>, Option<i64>)> =
            self.look(sql::SEQUENCES_BEHIND, &[], |found| {
                Ok((row::get(found, 0)?, row::get(found, 1)?, row::get(found, 2)?))
            })?;
        if found.iter().any(|(_, last, _)| last.is_none()) {
            return Ok(vec![Finding::ok(CHECK, "how far they are this role is not told")]);
        }
        let behind: Vec<(String, i64, i64)> =
            found.into_iter().filter_map(|(name, last, taken)| Some((name, last?, taken?))).collect();
        if behind.is_empty() {
            return Ok(vec![Finding::ok(CHECK, "none gives out a number that is taken")]);
        }
        let findings = behind.iter().map(|(name, last, taken)| {
            Finding::error(
                CHECK,
                format!(
                    "{name} goes on after {last}, and {taken} is taken, as after a switch to a server that was filled \
                     by logical replication: no job can be added"
                ),
                format!(
                    "set it right: `{}`",
                    psql(&self.address, &format!("SELECT setval('{name}', {taken})"))
                ),
            )
        });
        Ok(findings.collect())
    }

    /// Tables whose rows could not be deleted if they were published.
    pub(super) fn identities(&mut self) -> Result<Vec<Finding>> {
        const CHECK: &str = "identities";
        let schema = self.address.schema().to_owned();
        let names = made::names(Kind::Table);
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let without: Vec<(String, bool)> =
            self.look(sql::WITHOUT_IDENTITY, values![schema, all], |found| {
                Ok((row::get(found, 0)?, row::get(found, 1)?))
            })?;
        if without.is_empty() {
            return Ok(vec![Finding::ok(CHECK, "every table can be published")]);
        }
        let statements: Vec<String> =
            without.iter().map(|(table, _)| format!("ALTER TABLE @{table} REPLICA IDENTITY FULL")).collect();
        let advice = format!("give it one: `{}`", psql(&self.address, &statements.join("; ")));
        let tables: Vec<&str> = without.iter().map(|(table, _)| table.as_str()).collect();
        let tables = tables.join(", ");
        Ok(vec![if without.iter().any(|(_, is_published)| *is_published) {
            let found =
                format!("{tables} is published without a replica identity: no row of it can be deleted");
            Finding::error(CHECK, found, advice)
        } else {
            let found = format!(
                "{tables} has no replica identity: once it is published, no row of it can be deleted"
            );
            Finding::warning(CHECK, found, advice)
        }])
    }
}
