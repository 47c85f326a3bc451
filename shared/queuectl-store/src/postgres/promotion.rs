//! How scheduled jobs become ready when their time has come.

use super::cache::ReadBudget;
use super::request::Served;
use super::row::{self, all};
use super::sql;
use super::trouble::Trouble;
use queuectl_core::{Promotion, QueueSet, Timestamp};
use queuectl_postgres::Named;
use queuectl_postgres::session::{Session, named};

/// Has jobs that are due in these queues become ready, as many as are wanted and are not;
/// gives the queue of each.
pub(super) fn promote(
    session: &mut Session,
    promotion: &Promotion,
    serves: &QueueSet,
    now: Timestamp,
) -> Result<Vec<String>, Trouble> {
    let mut became_ready = Vec::new();
    let mut most = i64::from(promotion.number(0));
    let budget = ReadBudget::of_results();
    let served = Served::of(serves, &budget, now);
    for (query, since) in [
        (&sql::PROMOTE_DUE, promotion.due_until()),
        (&sql::PROMOTE_DUE_BY_ANOTHER_CLOCK, Promotion::other_clock_after(now)),
    ] {
        let (since, now) = (since.as_millis(), now.as_millis());
        let mut values: Vec<Named<'_>> = named![since, most, now].into();
        values.extend(served.named());
        let promoted = all(&session.ask(query, &values)?, |found| row::get::<String>(found, "queue"))?;
        drop(values);
        most -= promoted.len() as i64;
        became_ready.extend(promoted);
    }
    Ok(became_ready)
}
