//! What administrators of a server do to a queue without knowing it.

use super::advice::psql;
use super::made::{self, Kind};
use super::sql;
use crate::Result;
use crate::finding::Finding;
use crate::postgres::{PostgresStore, row};
use queuectl_postgres::session::values;

/// So few numbers are soon used up.
const FEW_NUMBERS: i64 = 1_000_000;

/// What cannot be done while a sequence gives no number that is free.
fn what_stops_without(sequence: &str) -> &'static str {
    if sequence.ends_with("worker_id_seq") {
        "no worker can start"
    } else if sequence.ends_with("job_seq_seq") {
        "no job can be added"
    } else {
        "no job can be added or retried"
    }
}

impl PostgresStore {
    /// Sequences that are behind: logical replication copies tables, and not how far
    /// their sequences are; and those that are at their end.
    pub(super) fn sequences(&mut self) -> Result<Vec<Finding>> {
        const CHECK: &str = "sequences";
        let mut findings = self.exhausted_sequences(CHECK)?;
        let found: Vec<(String, Option<i64>, Option<i64>)> =
            self.look(sql::SEQUENCES_BEHIND, &[], |found| {
                Ok((row::get(found, 0)?, row::get(found, 1)?, row::get(found, 2)?))
            })?;
        if found.iter().any(|(_, last, _)| last.is_none()) {
            return Ok(vec![Finding::ok(CHECK, "how far they are this role is not told")]);
        }
        let behind: Vec<(String, i64, i64)> =
            found.into_iter().filter_map(|(name, last, taken)| Some((name, last?, taken?))).collect();
        if behind.is_empty() && findings.is_empty() {
            return Ok(vec![Finding::ok(CHECK, "none gives out a number that is taken")]);
        }
        findings.extend(behind.iter().map(|(name, last, taken)| {
            Finding::error(
                CHECK,
                format!(
                    "{name} goes on after {last}, and {taken} is taken, as after a switch to a server that was filled \
                     by logical replication: {}",
                    what_stops_without(name)
                ),
                format!(
                    "set it right: `{}`",
                    psql(&self.address, &format!("SELECT setval('{name}', {taken})"))
                ),
            )
        }));
        Ok(findings)
    }

    /// Sequences that an administrator has given an end, which is near.
    fn exhausted_sequences(&mut self, check: &'static str) -> Result<Vec<Finding>> {
        let found: Vec<(String, i64, Option<i64>)> =
            self.look(sql::SEQUENCES_EXHAUSTED, values![FEW_NUMBERS], |found| {
                Ok((row::get(found, 0)?, row::get(found, 1)?, row::get(found, 2)?))
            })?;
        let findings = found.iter().map(|(name, left, taken)| {
            let advice = match taken {
                // There are no larger numbers.
                Some(taken) => format!(
                    "have it go on after the largest that is in use: `{}`",
                    psql(&self.address, &format!("SELECT setval('{name}', {taken})"))
                ),
                None => format!(
                    "give it more: `{}`",
                    psql(&self.address, &format!("ALTER SEQUENCE {name} NO MAXVALUE"))
                ),
            };
            match left {
                ..=0 => {
                    let found = format!("{name} has given out its last number: {}", what_stops_without(name));
                    Finding::error(check, found, advice)
                }
                _ => Finding::warning(check, format!("{name} has only {left} numbers left"), advice),
            }
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
