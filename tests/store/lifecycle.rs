//! The test that ties all together: the store does what `State::after` says.

use super::conformance::{POLICY, Place, Queue, at, id, new_job};
use queuectl_core::{Event, Lease, NewJob, Outcome, State};
use queuectl_store::{Cancelled, Registration};

/// Brings a new job into a state, by verbs only; gives the worker that would
/// touch it and its last lease.
fn job_in(queue: &mut Queue, name: &str, state: State, max_retries: u32) -> (Registration, Lease) {
    queue.accept(&[NewJob { max_retries, ..new_job(name) }], at(0));
    let worker = queue.register();
    match state {
        State::Pending => {}
        State::Processing => drop(queue.claim_one(worker.id, at(1))),
        State::Completed => drop(queue.run(worker.id, Outcome::Exit(0), at(1))),
        State::Failed => drop(queue.run(worker.id, Outcome::Exit(1), at(1))),
        State::Dead => {
            for run in 0..=max_retries {
                queue.run(worker.id, Outcome::Exit(1), at(1 + u64::from(run) * 10_000));
            }
        }
        State::Cancelled => assert_eq!(queue.store.cancel(&id(name), at(1)).unwrap(), Cancelled::Done),
    }
    assert_eq!(queue.state(name), state);
    (worker, queue.job(name).last_lease())
}

/// Whether there is a verb by which the event happens to one job that is there.
fn has_a_verb(event: Event) -> bool {
    !matches!(event, Event::Accepted | Event::Promoted | Event::SetAside)
}

/// Lets the event happen through its verb; tells whether the store did it.
fn happens(queue: &mut Queue, name: &str, event: Event, worker: &Registration, lease: Lease) -> bool {
    let now = at(1_000_000);
    match event {
        Event::Claimed => queue.claim_ids(worker.id, 1, now) == [name],
        Event::Succeeded => queue.end(worker.id, lease, Outcome::Exit(0), now).superseded.is_empty(),
        Event::RunFailed | Event::Exhausted => {
            queue.end(worker.id, lease, Outcome::Exit(1), now).superseded.is_empty()
        }
        Event::HandedBack => queue.hand_back(worker.id, lease, now).superseded.is_empty(),
        Event::Cancelled => match queue.store.cancel(&id(name), now) {
            Ok(Cancelled::Done) => true,
            Ok(Cancelled::Requested { lease, worker }) => {
                queue.end(worker, lease, Outcome::Cancelled, now).superseded.is_empty()
            }
            Err(_) => false,
        },
        Event::Revived => queue.store.retry_dead(&id(name), now).is_ok(),
        Event::Hurried => queue.store.hurry(&id(name), now).is_ok(),
        Event::Held => queue.store.hold(&id(name), now).is_ok(),
        Event::Released => queue.store.release(&id(name), now).is_ok(),
        Event::Accepted | Event::Promoted | Event::SetAside => {
            unreachable!("no verb of the store is about a job that is {event}")
        }
    }
}

pub fn every_event_succeeds_exactly_in_the_states_in_which_it_can_happen(place: &dyn Place) {
    let mut queue = Queue::open(place);
    for state in State::ALL {
        for event in Event::ALL.into_iter().filter(|event| has_a_verb(*event)) {
            let name = format!("{state}-{event:?}");
            let max_retries = u32::from(event != Event::Exhausted);
            // A failed job has a retry left, whatever happens to it next.
            let max_retries = max_retries.max(u32::from(state == State::Failed));
            let (worker, lease) = job_in(&mut queue, &name, state, max_retries);
            if event == Event::Released && matches!(state, State::Pending | State::Failed) {
                queue.store.hold(&id(&name), at(2)).unwrap();
            }
            let before = queue.job(&name);
            let happened = happens(&mut queue, &name, event, &worker, lease);
            let allowed = state.after(event);
            assert_eq!(happened, allowed.is_ok(), "a {state} job can be {event}");
            match allowed {
                Ok(next) => assert_eq!(queue.state(&name), next, "a {state} job that was {event}"),
                Err(_) => assert_eq!(queue.job(&name), before, "a refusal changes nothing"),
            }
            // Out of the way of the next.
            queue.store.retire(worker.id, &POLICY, at(1_000_001)).unwrap();
            let _finished_is_fine = queue.store.cancel(&id(&name), at(1_000_002));
            assert_eq!(queue.store.check().unwrap(), [""; 0], "after a {state} job was {event}");
        }
    }
}
