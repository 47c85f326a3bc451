//! The output of running attempts.

use super::sql;
use super::standings::{Standings, columns};
use super::trouble::Trouble;
use crate::stored;
use crate::worker::Exchange;
use queuectl_core::{Lease, WorkerId};
use queuectl_postgres::session::{Session, values};

/// Appends and forgets output of leases that are held.
pub(super) fn add(
    session: &mut Session,
    worker: WorkerId,
    exchange: &Exchange<'_>,
    standings: &mut Standings,
) -> Result<(), Trouble> {
    let parts: Vec<_> = exchange.output.iter().filter(|part| standings.holds(part.lease)).collect();
    let begun: Vec<_> = parts.iter().filter(|part| part.n == 0).collect();
    if !begun.is_empty() {
        let (seqs, numbers) = columns(&begun.iter().map(|part| part.lease).collect::<Vec<Lease>>());
        let started_at: Vec<i64> = begun.iter().map(|part| part.started_at.as_millis()).collect();
        session.rows(sql::ATTEMPTS_BEGAN, values![worker.0, seqs, numbers, started_at])?;
    }
    if !parts.is_empty() {
        let (seqs, numbers) = columns(&parts.iter().map(|part| part.lease).collect::<Vec<Lease>>());
        let places: Vec<i64> = parts.iter().map(|part| part.n).collect();
        let streams: Vec<i64> = parts.iter().map(|part| stored::stream_number(part.stream)).collect();
        let times: Vec<i64> = parts.iter().map(|part| part.at.as_millis()).collect();
        let bytes: Vec<&[u8]> = parts.iter().map(|part| part.bytes.as_slice()).collect();
        session.rows(sql::ADD_OUTPUT, values![seqs, numbers, places, streams, times, bytes])?;
    }
    let trims: Vec<_> = exchange.trims.iter().filter(|trim| standings.is_held(trim.lease)).collect();
    if !trims.is_empty() {
        let (seqs, numbers) = columns(&trims.iter().map(|trim| trim.lease).collect::<Vec<Lease>>());
        let first: Vec<i64> = trims.iter().map(|trim| trim.from).collect();
        let last: Vec<i64> = trims.iter().map(|trim| trim.to).collect();
        session.rows(sql::TRIM_OUTPUT, values![seqs, numbers, first, last])?;
    }
    Ok(())
}
