//! Unique keys: where they are taken, and where they are given back.

use super::arrays::Arrays;
use super::row::{self, all};
use super::sql;
use super::trouble::Trouble;
use crate::columns::{Column, Has, unique_key};
use queuectl_core::{Job, JobId, KeyHold, NewJob, Seq, Timestamp, UniqueKey};
use queuectl_postgres::Named;
use queuectl_postgres::session::{Session, named, values};
use std::collections::{HashMap, HashSet};

/// Keys whose windows have ended, and that are forgotten with each that gets a window.
const FORGOTTEN_WITH_EACH: i64 = 4;

/// Who has a key.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) seq: Seq,
    pub(super) job_id: JobId,
    pub(super) hold: KeyHold,
}

/// Gives new jobs numbers and, to those that have one, their keys, until a time at least.
/// None of the keys is there twice. Gives the number of each, in their order, or none if
/// another job has its key.
pub(super) fn take(
    session: &mut Session,
    jobs: &[&NewJob],
    now: Timestamp,
) -> Result<Vec<Option<i64>>, Trouble> {
    const GIVEN: [Column; 3] = [
        unique_key::COLUMNS[unique_key::key],
        unique_key::COLUMNS[unique_key::job_id],
        unique_key::COLUMNS[unique_key::until_ms],
    ];
    let mut given = Arrays::new(&GIVEN);
    let mut windows = 0;
    for job in jobs {
        let unique = job.unique.as_ref();
        let until = unique.and_then(|unique| unique.until(now));
        windows += i64::from(until.is_some());
        given.push([
            unique.map(|unique| unique.key.as_str()).into(),
            job.id.as_str().into(),
            until.map(Timestamp::as_millis).into(),
        ]);
    }
    let mut values: Vec<Named<'_>> = given.named();
    let at = now.as_millis();
    values.extend(named![now: at]);
    let numbers = all(&session.ask(&sql::ADMIT, &values)?, |found| {
        Ok(row::get::<bool>(found, "goes_in")?.then_some(row::get::<i64>(found, "seq")?))
    })?;
    drop(values);
    if windows > 0 {
        session.rows(sql::FORGET_STALE_KEYS, values![at, windows * FORGOTTEN_WITH_EACH])?;
    }
    Ok(numbers)
}

/// Takes the keys of dead jobs again that have one; gives those that cannot have it, with
/// the job that does. Of several dead jobs of one key the first gets it.
pub(super) fn take_again(
    session: &mut Session,
    dead: &[Job],
    now: Timestamp,
) -> Result<HashMap<Seq, JobId>, Trouble> {
    const GIVEN: [Column; 3] = [
        Column { name: "seq", has: Has::Number },
        unique_key::COLUMNS[unique_key::key],
        unique_key::COLUMNS[unique_key::job_id],
    ];
    let keyed = || dead.iter().filter_map(|job| Some((job, job.unique_key.as_ref()?)));
    let mut given = Arrays::new(&GIVEN);
    let mut first = HashSet::new();
    for (job, key) in keyed() {
        if first.insert(key) {
            given.push([job.seq.0.into(), key.as_str().into(), job.id.as_str().into()]);
        }
    }
    if first.is_empty() {
        return Ok(HashMap::new());
    }
    let mut values: Vec<Named<'_>> = given.named();
    let at = now.as_millis();
    values.extend(named![now: at]);
    let has_it: HashSet<i64> =
        all(&session.ask(&sql::TAKE_KEYS_AGAIN, &values)?, |found| row::get(found, "seq"))?
            .into_iter()
            .collect();
    let without: Vec<(&Job, &UniqueKey)> = keyed().filter(|(job, _)| !has_it.contains(&job.seq.0)).collect();
    let holders = holders(session, without.iter().map(|(_, key)| *key))?;
    let holder = |(job, key): &(&Job, &UniqueKey)| Some((job.seq, holders.get(*key)?.job_id.clone()));
    Ok(without.iter().filter_map(holder).collect())
}

/// Locks the keys of jobs, before the rows of these are touched.
pub(super) fn lock(session: &mut Session, jobs: &[i64]) -> Result<(), Trouble> {
    if !jobs.is_empty() {
        session.rows(sql::LOCK_KEYS, values![jobs.to_vec()])?;
    }
    Ok(())
}

/// Gives the keys of jobs back that come to rest; within their windows they stay taken.
pub(super) fn give_back(session: &mut Session, jobs: &[i64], now: Timestamp) -> Result<(), Trouble> {
    if !jobs.is_empty() {
        session.rows(sql::GIVE_KEYS_BACK, values![jobs.to_vec(), now.as_millis()])?;
    }
    Ok(())
}

/// Who has these keys, as far as they are known.
pub(super) fn holders<'a>(
    session: &mut Session,
    keys: impl Iterator<Item = &'a UniqueKey>,
) -> Result<HashMap<UniqueKey, Holder>, Trouble> {
    let keys: Vec<&str> = keys.map(UniqueKey::as_str).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let found = all(&session.rows(sql::HOLDERS, values![keys])?, |found| {
        let is_held = row::get::<i64>(found, "is_held")? != 0;
        let hold = KeyHold { is_held, until: row::optional_time(found, "until_ms")? };
        let job_id = JobId::trusted(row::get(found, "job_id")?);
        let key = UniqueKey::trusted(row::get(found, "key")?);
        Ok((key, Holder { seq: Seq(row::get(found, "seq")?), job_id, hold }))
    })?;
    Ok(found.into_iter().collect())
}
