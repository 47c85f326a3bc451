//! What is well with a queue on a server, and what is not.
//!
//! Everything here only looks. What would keep a program from opening the queue is
//! a finding too, and so is what cannot be found out.

mod administration;
mod advice;
mod contents;
mod made;
mod replication;
mod server;
mod sql;
mod vacuum;
mod workers;

use crate::doctor::words::of_move;
use crate::finding::Finding;
use crate::location::{Access, OpenOptions};
use crate::postgres::row::{all, one};
use crate::postgres::store::AfterSilence;
use crate::postgres::trouble::Trouble;
use crate::postgres::{self, PostgresStore, migrate};
use crate::transfer::{Stage, Transfer};
use crate::{Result, StoreError};
use advice::refusal;
use contents::Sight;
use queuectl_postgres::session::Value;
use server::Surroundings;
use std::mem;
use std::time::Duration;
use tokio_postgres::Row;

/// Examines the queue at a URL, whatever is wrong with it.
pub(crate) fn diagnose(url: &str, options: &OpenOptions) -> Vec<Finding> {
    // A person who asks wants to know what is so now.
    let busy_timeout = options.busy_timeout;
    let options = OpenOptions { access: Access::Read, busy_timeout: Duration::ZERO, ..options.clone() };
    let address = match postgres::address(url, &options) {
        Ok(address) => address,
        Err(error) => return vec![refusal("server", &error, None)],
    };
    let at_most = address.connect_timeout();
    let mut store = PostgresStore::unconnected(address, &options);
    // To count a long queue may take as long as for any command.
    store.answers_within += busy_timeout;
    match store.connect(at_most) {
        Ok(()) => store.findings(),
        Err(error) => vec![store.no_answer("server", &error)],
    }
}

impl PostgresStore {
    /// What a server that has let us in shows.
    pub(crate) fn findings(&mut self) -> Vec<Finding> {
        self.after_silence = AfterSilence::AsksNoMore;
        let server = match self.surroundings() {
            Ok(server) => server,
            Err(error) => return vec![self.no_answer("server", &error)],
        };
        let mut findings = self.of_server(&server);
        // Nothing is brought up to date here.
        let access = mem::replace(&mut self.options.access, Access::Read);
        let found = migrate::bring_up_to_date(self);
        self.options.access = access;
        match found {
            Ok(migrate::Found::Queue) => findings.extend(self.of_queue(&server)),
            Ok(migrate::Found::Nothing) => {
                findings.push(self.finding("database", |store| store.no_queue(&server)));
            }
            Err(error) => findings.extend(self.beyond(&error, &server)),
        }
        findings
    }

    fn of_queue(&mut self, server: &Surroundings) -> Vec<Finding> {
        let mut findings = vec![self.finding("database", Self::place)];
        match self.rights(server) {
            Ok((finding, Sight::Sees)) => findings.push(finding),
            Ok((finding, Sight::Blind)) => {
                findings.push(finding);
                return findings;
            }
            Err(error) => findings.push(self.no_answer("access", &error)),
        }
        let schema = self.finding("schema", Self::schema);
        findings.push(schema);
        let stage = self.whereabouts().map(|found| found.map(|found| found.stage).unwrap_or_default());
        findings.extend(match &stage {
            Ok(stage) => of_move(stage, &self.location()),
            Err(error) => Some(self.no_answer("move", error)),
        });
        findings.extend(self.several("indexes", Self::indexes));
        findings.extend(self.several("constraints", Self::constraints));
        findings.extend(self.several("sequences", Self::sequences));
        findings.extend(self.several("identities", Self::identities));
        findings.push(self.finding("rows", |store| store.rows(server)));
        findings.push(self.finding("counts", Self::counts_by_state));
        findings.push(self.finding("keys", Self::keys_are_right));
        findings.push(self.finding("changes", Self::changes));
        findings.extend(self.several("autovacuum", Self::autovacuum));
        findings.extend(self.several("dead-rows", Self::dead_rows));
        findings.extend(self.several("transactions", |store| store.transactions(server)));
        if !matches!(stage, Ok(Stage::Left(_))) {
            findings.extend(self.work());
        }
        findings
    }

    /// What can be said of a queue that cannot be opened.
    fn beyond(&mut self, error: &StoreError, server: &Surroundings) -> Vec<Finding> {
        match (error, self.rights(server)) {
            (StoreError::Server { problem: crate::ServerProblem::NoRight { .. }, .. }, Ok((finding, _))) => {
                vec![finding]
            }
            (StoreError::Server { problem: crate::ServerProblem::RowsHidden { .. }, .. }, _) => {
                vec![self.no_answer("row-security", error)]
            }
            (StoreError::NotOurs { .. }, _) => vec![self.no_answer("database", error)],
            _ => vec![self.no_answer("schema", error)],
        }
    }

    /// Reads the rows of a statement.
    fn look<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Row) -> Result<T, Trouble>,
    ) -> Result<Vec<T>> {
        self.read(|session| all(&session.rows(sql, values)?, &read))
    }

    /// Reads the row of a statement that always gives one.
    fn look_at_one<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Row) -> Result<T, Trouble>,
    ) -> Result<T> {
        self.read(|session| read(&one(session.rows(sql, values)?)?))
    }

    fn finding(&mut self, check: &'static str, look: impl FnOnce(&mut Self) -> Result<Finding>) -> Finding {
        look(self).unwrap_or_else(|error| self.no_answer(check, &error))
    }

    fn several(
        &mut self,
        check: &'static str,
        look: impl FnOnce(&mut Self) -> Result<Vec<Finding>>,
    ) -> Vec<Finding> {
        look(self).unwrap_or_else(|error| vec![self.no_answer(check, &error)])
    }

    fn no_answer(&self, check: &'static str, error: &StoreError) -> Finding {
        refusal(check, error, Some(&self.address))
    }
}
