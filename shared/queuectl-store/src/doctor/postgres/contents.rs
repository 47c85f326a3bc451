//! What is in the schema: tables, rules, indexes, counters.

use super::advice::{dump, grants, psql, psql_as, report_it};
use super::made::{self, Kind, Made};
use super::server::Surroundings;
use super::sql;
use crate::Result;
use crate::doctor::rows::UnreadableRows;
use crate::doctor::words::START_A_WORKER;
use crate::doctor::words::{listed, of_keys, size};
use crate::finding::Finding;
use crate::postgres::sql::SCHEMA;
use crate::postgres::{PostgresStore, row, wrong_counts, wrong_keys};
use queuectl_core::Seq;
use queuectl_postgres::session::values;
use std::collections::BTreeMap;

/// So many changes are not folded only while no worker is there.
const MANY_CHANGES: i64 = 10_000;

/// So many rows that may be unreadable are looked at in one statement.
const DOUBTFUL_AT_ONCE: i64 = 10_000;

/// Whether a role may look at a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Sees,
    Blind,
}

impl PostgresStore {
    /// There is no queue.
    pub(super) fn no_queue(&mut self, server: &Surroundings) -> Result<Finding> {
        let schema = self.address.schema().to_owned();
        let (may_make_schema, may_fill_it, is_there): (bool, bool, bool) =
            self.look_at_one(sql::ROOM, values![schema], |found| {
                Ok((row::get(found, 0)?, row::get(found, 1)?, row::get(found, 2)?))
            })?;
        let found =
            format!("there is no queue in the schema {schema} of the database {}", self.address.database());
        let allowed = if is_there { may_fill_it } else { may_make_schema };
        let advice = if allowed {
            "see where it is looked for with `queuectl config list --origin`; \
             the first job makes it: `queuectl enqueue 'echo hello'`"
                .to_owned()
        } else {
            let (role, owner) = (&server.role, self.owner()?);
            let sql = if is_there {
                format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}")
            } else {
                format!("CREATE SCHEMA {schema} AUTHORIZATION {role}")
            };
            let command = psql_as(&self.address, &owner, &sql);
            format!(
                "{role} may not make one: have {owner} allow it, `{command}`; then the first job makes the queue: \
                 `queuectl enqueue 'echo hello'`"
            )
        };
        Ok(Finding::error("database", found, advice))
    }

    pub(super) fn place(&mut self) -> Result<Finding> {
        let schema = self.address.schema().to_owned();
        let bytes: i64 = self.look_at_one(sql::ROOM, values![schema], |found| row::get(found, 3))?;
        let found = format!("schema {schema} of {}, {}", self.address.database(), size(bytes.unsigned_abs()));
        Ok(Finding::ok("database", found))
    }

    /// What the role may not do, and whether it can look at least.
    pub(super) fn rights(&mut self, server: &Surroundings) -> Result<(Finding, Sight)> {
        const CHECK: &str = "access";
        let schema = self.address.schema().to_owned();
        let names = [Kind::Table, Kind::Sequence].map(made::names);
        let [tables, sequences]: [Vec<&str>; 2] =
            [0, 1].map(|kind: usize| names[kind].iter().map(String::as_str).collect());
        let missing: Vec<(String, String)> =
            self.look(sql::RIGHTS_MISSING, values![schema, tables, sequences], |found| {
                Ok((row::get(found, 0)?, row::get(found, 1)?))
            })?;
        let role = &server.role;
        if missing.is_empty() {
            return Ok((Finding::ok(CHECK, format!("{role} may do all that is needed")), Sight::Sees));
        }
        let owner = self.owner()?;
        let advice = format!(
            "if it is to do more here, have {owner} grant it: `{}`",
            psql_as(&self.address, &owner, &grants(&self.address, role))
        );
        let mut by_right: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (right, of) in &missing {
            by_right.entry(right).or_default().push(of);
        }
        let rights: Vec<String> = by_right
            .iter()
            .map(|(right, of)| match of.len() {
                all if all == tables.len() => format!("{right} on all tables"),
                _ => format!("{right} on {}", of.join(", ")),
            })
            .collect();
        let rights = rights.join("; ");
        let is_blind = missing.iter().any(|(right, of)| right == "SELECT" || of.starts_with("the schema "));
        Ok(if is_blind {
            (
                Finding::error(CHECK, format!("{role} may not look at the queue; it lacks {rights}"), advice),
                Sight::Blind,
            )
        } else {
            let found = format!("{role} can look at the queue and not change it; it lacks {rights}");
            (Finding::warning(CHECK, found, advice), Sight::Sees)
        })
    }

    /// Who can give rights.
    fn owner(&mut self) -> Result<String> {
        let schema = self.address.schema().to_owned();
        self.look_at_one(sql::OWNER, values![schema], |found| row::get(found, 0))
    }

    /// Rows that no program can read. Of most the server itself sees that they can be.
    pub(super) fn rows(&mut self, server: &Surroundings) -> Result<Finding> {
        let any_text = server.stores_any_bytes();
        let mut unreadable = UnreadableRows::default();
        let mut after = Seq(0);
        loop {
            let jobs =
                self.look(sql::DOUBTFUL_JOBS, values![after.0, DOUBTFUL_AT_ONCE, any_text], row::job)?;
            for job in &jobs {
                unreadable.note_job(job);
            }
            let Some(last) = jobs.last().filter(|_| jobs.len() as i64 == DOUBTFUL_AT_ONCE) else { break };
            after = last.seq;
        }
        for worker in self.look(sql::ALL_WORKERS, &[], |found| row::worker(found, None))? {
            unreadable.note_worker(&worker);
        }
        let attempts = self.look(sql::DOUBTFUL_ATTEMPTS, values![any_text], |found| {
            row::attempts(std::slice::from_ref(found))
        })?;
        for attempt in attempts.iter().flatten() {
            unreadable.note_attempt(attempt);
        }
        Ok(unreadable.finding(|statement| psql(&self.address, statement)))
    }

    /// What the migrations have made and is not there any more.
    pub(super) fn schema(&mut self) -> Result<Finding> {
        const CHECK: &str = "schema";
        let schema = self.address.schema().to_owned();
        let version: i64 = self.look_at_one(SCHEMA, &[], |found| row::get(found, "schema"))?;
        let there: Vec<String> =
            self.look(sql::TABLES_AND_SEQUENCES, values![schema], |found| row::get(found, 0))?;
        let wanted = [made::names(Kind::Table), made::names(Kind::Sequence)].concat();
        let missing: Vec<&str> =
            wanted.iter().filter(|name| !there.contains(name)).map(String::as_str).collect();
        if missing.is_empty() {
            return Ok(Finding::ok(CHECK, format!("version {version}, which this program knows")));
        }
        let found = format!("version {version}, but without {}", missing.join(", "));
        let advice = format!(
            "stop the workers with `queuectl worker stop --everywhere`, keep what is left with `{}`, and restore a \
             copy that was made before",
            dump(&self.address)
        );
        Ok(Finding::error(CHECK, found, advice))
    }

    /// Missing, broken and foreign indexes.
    pub(super) fn indexes(&mut self) -> Result<Vec<Finding>> {
        const CHECK: &str = "indexes";
        let schema = self.address.schema().to_owned();
        let there: Vec<(String, String, bool, i64)> = self.look(sql::INDEXES, values![schema], |found| {
            Ok((row::get(found, 0)?, row::get(found, 1)?, row::get(found, 2)?, row::get(found, 3)?))
        })?;
        let wanted: Vec<Made> = made::everything()
            .into_iter()
            .filter(|made| matches!(made.kind, Kind::Index | Kind::UniqueIndex))
            .collect();
        let mut findings = Vec::new();
        for made in wanted.iter().filter(|made| !there.iter().any(|(name, ..)| *name == made.name)) {
            let advice = format!("make it again: `{}`", psql(&self.address, &made.statement));
            findings.push(if made.kind == Kind::UniqueIndex {
                let found = format!("{} is missing, which keeps things from being there twice", made.name);
                Finding::error(CHECK, found, advice)
            } else {
                let found = format!("{} is missing: whole tables are read instead", made.name);
                Finding::warning(CHECK, found, advice)
            });
        }
        for (name, table, is_sound, uses) in &there {
            let is_ours = wanted.iter().any(|made| made.name == *name);
            let statement = match (is_ours, is_sound, uses) {
                (true, true, _) | (false, true, 1..) => continue,
                (true, false, _) => format!("REINDEX INDEX CONCURRENTLY @{name}"),
                (false, ..) => format!("DROP INDEX CONCURRENTLY @{name}"),
            };
            let command = psql(&self.address, &statement);
            findings.push(match (is_ours, is_sound) {
                (true, _) => Finding::error(
                    CHECK,
                    format!("{name} is not valid, so nothing is found by it"),
                    format!("build it anew: `{command}`"),
                ),
                (false, false) => Finding::warning(
                    CHECK,
                    format!("{name} of {table} is not queuectl's, and not valid: an attempt to build it has failed"),
                    format!("remove it: `{command}`"),
                ),
                (false, true) => Finding::warning(
                    CHECK,
                    format!("{name} of {table} is not queuectl's and was never used, and each change of a row writes it too"),
                    format!("remove it, unless you know what for it is there: `{command}`"),
                ),
            });
        }
        if findings.is_empty() {
            let is_idle = |name: &str| there.iter().any(|(index, .., uses)| index == name && *uses == 0);
            // Those that keep things apart need not be read.
            let idle: Vec<&str> = wanted
                .iter()
                .filter(|made| made.kind == Kind::Index && is_idle(&made.name))
                .map(|made| made.name.as_str())
                .collect();
            let all = format!("all {} are there and valid", wanted.len());
            let found =
                if idle.is_empty() { all } else { format!("{all}; not used so far: {}", idle.join(", ")) };
            findings.push(Finding::ok(CHECK, found));
        }
        Ok(findings)
    }

    /// Rules for rows that are missing, or that not all rows were seen to keep.
    pub(super) fn constraints(&mut self) -> Result<Vec<Finding>> {
        const CHECK: &str = "constraints";
        let schema = self.address.schema().to_owned();
        let there: Vec<(String, bool, String)> = self.look(sql::CONSTRAINTS, values![schema], |found| {
            Ok((row::get(found, 0)?, row::get(found, 1)?, row::get(found, 2)?))
        })?;
        let wanted = made::everything().into_iter().filter(|made| made.kind == Kind::Check);
        let mut findings = Vec::new();
        for made in wanted {
            let (found, statement) = match there.iter().find(|(name, ..)| *name == made.name) {
                Some((_, true, _)) => continue,
                Some((name, false, table)) => (
                    format!("{name} does not hold for rows that were there before it"),
                    format!("ALTER TABLE @{table} VALIDATE CONSTRAINT {name}"),
                ),
                None => (
                    format!("{} is missing, which keeps rows from saying what cannot be", made.name),
                    made.statement,
                ),
            };
            let advice = format!("mend it: `{}`", psql(&self.address, &statement));
            findings.push(Finding::error(CHECK, found, advice));
        }
        if findings.is_empty() {
            findings.push(Finding::ok(CHECK, format!("all {} hold", made::names(Kind::Check).len())));
        }
        Ok(findings)
    }

    pub(super) fn counts_by_state(&mut self) -> Result<Finding> {
        const CHECK: &str = "counts";
        let problems = self.read(|session| {
            session.begin_snapshot()?;
            let problems = wrong_counts(session)?;
            session.commit()?;
            Ok(problems)
        })?;
        Ok(match problems.as_slice() {
            [] => Finding::ok(CHECK, "the counts by state are right"),
            problems => Finding::error(
                CHECK,
                listed(problems),
                format!(
                    "the jobs themselves are there, as `queuectl list` shows; {}",
                    report_it(&self.address)
                ),
            ),
        })
    }

    pub(super) fn keys_are_right(&mut self) -> Result<Finding> {
        let problems = self.read(wrong_keys)?;
        Ok(of_keys(&problems, &report_it(&self.address)))
    }

    /// How many changes of the counts wait to be made one.
    pub(super) fn changes(&mut self) -> Result<Finding> {
        const CHECK: &str = "changes";
        let changes: i64 = self.look_at_one(sql::CHANGES, &[], |found| row::get(found, 0))?;
        Ok(if changes <= MANY_CHANGES {
            Finding::ok(CHECK, format!("{changes} to be added up for the counts"))
        } else {
            Finding::warning(
                CHECK,
                format!("{changes} are to be added up for the counts, each time: nobody makes one of them"),
                format!("the next worker does: `{START_A_WORKER}`"),
            )
        })
    }
}
