//! Getting in at a server, and what its errors mean for the queue.

use super::sql;
use super::trouble::message;
use crate::location::{Location, OpenOptions};
use crate::{Result, ServerProblem, StoreError};
use queuectl_core::Timestamp;
use queuectl_postgres::session::{self, Session, Terms};
use queuectl_postgres::settings::{self, Amiss};
use queuectl_postgres::{Address, Meaning, in_seconds, meaning};
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;

/// What the server has told when it let us in.
pub(super) struct Welcome {
    pub(super) number: i64,
    pub(super) version: String,
    pub(super) is_standby: bool,
    pub(super) encoding: String,
    pub(super) time: Timestamp,
    /// When it was that time.
    pub(super) told_at: Instant,
}

/// Understands a URL, completed by what this process finds around it.
pub(crate) fn address(url: &str, options: &OpenOptions) -> Result<Address> {
    Address::find(url, options.connect_timeout)
        .map_err(|problem| StoreError::Server { queue: Location::Url(url.to_owned()), problem })
}

/// Where the queue at an address is.
pub(super) fn location(address: &Address) -> Location {
    Location::Url(address.url().to_owned())
}

/// The error of a server that cannot be used.
pub(super) fn refused(address: &Address, problem: ServerProblem) -> StoreError {
    StoreError::Server { queue: location(address), problem }
}

/// Connects, and asks what must be known of the server and the session.
pub(super) fn enter(
    address: &Address,
    at_most: Duration,
    answers_within: Duration,
    lock_timeout: Duration,
) -> Result<(Session, Welcome)> {
    let mut connection = address.connect(at_most).map_err(|problem| refused(address, problem))?;
    let asked_at = Instant::now();
    let asked = session::ask_at_first(&mut connection, &sql::SERVER.replace('#', &settings::columns()));
    let told_at = asked_at + asked_at.elapsed() / 2;
    let told = asked.map_err(|error| {
        if connection.was_unanswered() {
            // It may be a pool that lets everybody in and has no session to spare.
            let (host, waited) = (address.host().to_owned(), in_seconds(connection.answers_within()));
            refused(address, ServerProblem::NoSession { host, waited })
        } else {
            explain(address, &error)
        }
    })?;
    // Whatever answers there may answer anything.
    let column = |number: usize| told.columns.get(number).and_then(Option::as_deref);
    let number = |index| column(index).and_then(|text| text.parse::<i64>().ok());
    let (Some(version_number), Some(version), Some(time), Some(encoding)) =
        (number(0), column(1), number(5), column(6))
    else {
        let reason = "it does not say its version and time".to_owned();
        let problem = ServerProblem::Foreign { host: address.host().to_owned(), reason };
        return Err(refused(address, problem));
    };
    let is_standby = column(2) == Some("t");
    let always_sync = column(3) == Some("off");
    let settings = told.columns.get(7..).unwrap_or_default();
    let amiss = Amiss::of_values(settings, &told.statement_timeout);
    let terms = Terms { lock_timeout, always_sync, is_standby, amiss };
    let time = Timestamp::from_millis(time);
    let (version, encoding) = (version.to_owned(), encoding.to_owned());
    let welcome = Welcome { number: version_number, version, is_standby, encoding, time, told_at };
    connection.set_answers_within(answers_within);
    Ok((Session::new(connection, address.schema(), terms), welcome))
}

/// Says what an error of the server means for the queue.
pub(super) fn explain(address: &Address, error: &tokio_postgres::Error) -> StoreError {
    if let Some(problem) = address.refusal(error) {
        return refused(address, problem);
    }
    let queue = location(address);
    if let Some(constraint) = numbers_taken(error) {
        return StoreError::NumbersTaken { queue, constraint };
    }
    match error.code().map(meaning) {
        Some(Meaning::Locked) => StoreError::Busy { queue, waited_s: 0 },
        Some(Meaning::DiskFull) => StoreError::Full { queue },
        Some(Meaning::Damaged) => StoreError::Corrupt { queue, reason: message(error) },
        _ => StoreError::Database { queue, source: message(error).into() },
    }
}

pub(super) fn no_answer(address: &Address, waited: Duration) -> ServerProblem {
    let host = address.host().to_owned();
    ServerProblem::Unreachable { host, reason: format!("no answer within {}", in_seconds(waited)) }
}

/// The key that two rows would have had which were given their numbers by a sequence.
fn numbers_taken(error: &tokio_postgres::Error) -> Option<String> {
    let said = error.as_db_error().filter(|said| *said.code() == SqlState::UNIQUE_VIOLATION)?;
    let constraint = said.constraint()?;
    ["job_pkey", "worker_pkey", "ready_pkey"].contains(&constraint).then(|| constraint.to_owned())
}

pub(super) fn unreachable_without_reason(address: &Address) -> StoreError {
    let problem = ServerProblem::Unreachable {
        host: address.host().to_owned(),
        reason: "the connection was lost".into(),
    };
    refused(address, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Access;

    #[test]
    fn an_address_that_cannot_be_understood_is_shown_without_its_password() {
        let options = OpenOptions::new(Access::Read, Duration::from_secs(1));
        let error = address("postgres://me:secret@db/q?sslmod=x&password=secret", &options).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the queue postgres://me@db/q?sslmod=x: there is no parameter `sslmod`; did you mean `sslmode`?"
        );
        assert!(!format!("{error:?}").contains("secret"));
    }
}
