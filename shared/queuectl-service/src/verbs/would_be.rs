//! What would become of a job.

use crate::named::{NamedError, as_it_is_then};
use crate::verbs::many::participle;
use queuectl_core::{Granted, Job, JobId, Refusal, Timestamp, Waiting, Wish};
use queuectl_store::{Store, StoreError};

/// What would become of a job if something were wanted of it now, in words; and the job as it
/// is. Changes nothing.
///
/// # Errors
///
/// The same as if it were done.
pub fn of_job(
    store: &mut dyn Store,
    wish: Wish,
    id: &JobId,
    now: Timestamp,
) -> Result<(Job, String), NamedError> {
    let job = as_it_is_then(store, id, "is as it was")?;
    let refused = |refusal| {
        let id = id.clone();
        let source = match refusal {
            Refusal::State(source) => StoreError::Refused { id, source },
            Refusal::NotHeld => StoreError::NotHeld { id, state: job.state },
        };
        NamedError::of_change(&job.id, source)
    };
    if let Some(reason) = job.unreadable.clone().filter(|_| wish == Wish::Retry) {
        return Err(NamedError::of_change(id, StoreError::UnreadableJob { id: id.clone(), reason }));
    }
    let said = match (wish, wish.grant(&Waiting::seen(&job), now).map_err(refused)?) {
        (Wish::Retry, Granted::Goes(_) | Granted::IsSo) => "would wait no longer for its retry".to_owned(),
        _ => format!("would be {}", participle(wish)),
    };
    let said = format!("Job {id} {said}");
    Ok((job, said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explanation::Explanation;
    use crate::fixture::Queue;
    use queuectl_core::State;

    #[test]
    fn what_would_be_is_said_and_not_done() {
        let mut queue = Queue::new();
        queue.add(&["a"]);
        queue.add_held("b");
        let (now, a, b) = (queue.now(), JobId::new("a").unwrap(), JobId::new("b").unwrap());
        let (job, said) = of_job(queue.store(), Wish::Cancel, &a, now).unwrap();
        assert_eq!((job.state, said.as_str()), (State::Pending, "Job a would be cancelled"));
        assert_eq!(of_job(queue.store(), Wish::Release, &b, now).unwrap().1, "Job b would be released");
        for (wish, id) in [(Wish::Release, &a), (Wish::Retry, &a)] {
            let said = Explanation::from(of_job(queue.store(), wish, id, now).unwrap_err());
            let done = match wish {
                Wish::Release => queue.store().release(id, now),
                _ => queue.store().retry_dead(id, now),
            };
            assert_eq!(said.message, Explanation::from(NamedError::of_change(id, done.unwrap_err())).message);
        }
        assert_eq!(queue.store().counts().unwrap()[State::Pending], 2);
    }
}
