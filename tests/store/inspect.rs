//! How the queue is looked at.

use super::conformance::{Place, Queue, T0, at, id, ids, new_job};
use queuectl_core::{Filter, Job, JobReference, Lease, NewJob, Order, Outcome, Seq, State, TimeRange};
use std::time::Duration;

pub fn an_empty_queue_is_empty(place: &dyn Place) {
    let mut queue = Queue::open(place);
    assert!(queue.store.counts().unwrap().is_zero());
    assert_eq!(queue.all(), []);
    assert_eq!(queue.store.workers().unwrap(), []);
    assert_eq!(queue.store.attempts(Seq(1)).unwrap(), []);
    assert_eq!(queue.store.output(Lease { seq: Seq(1), number: 1 }, 0, 9).unwrap(), []);
}

pub fn an_unknown_job_is_not_found(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    assert_eq!(queue.store.job(&id("A")).unwrap(), None);
    assert_eq!(queue.store.job(&id("%")).unwrap(), None);
}

pub fn states_are_told_of_the_jobs_that_are_there(place: &dyn Place) {
    let mut queue = Queue::open(place);
    assert_eq!(queue.store.states(&[]).unwrap(), []);
    let hopeless = |name| NewJob { max_retries: 0, ..new_job(name) };
    queue.accept(&[new_job("good"), new_job("bad"), hopeless("worse"), new_job("runs")], T0);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 4, T0);
    for (job, code) in claimed.iter().zip([0, 1, 1]) {
        queue.end(worker.id, job.last_lease(), Outcome::Exit(code), T0);
    }
    queue.enqueue(&["waits", "ended"]);
    queue.accept(&[NewJob { hold: true, ..new_job("held") }], T0);
    queue.store.cancel(&id("ended"), T0).unwrap();
    let seqs: Vec<Seq> = queue.all().iter().map(|job| job.seq).collect();
    let mut states = |seqs: &[Seq]| {
        let mut states = queue.store.states(seqs).unwrap();
        states.sort_unstable_by_key(|(seq, _)| *seq);
        states
    };
    let expected = [
        State::Completed,
        State::Failed,
        State::Dead,
        State::Processing,
        State::Pending,
        State::Cancelled,
        State::Pending,
    ];
    assert_eq!(states(&seqs), seqs.iter().copied().zip(expected).collect::<Vec<_>>());
    assert_eq!(states(&[Seq(i64::MAX), seqs[2], Seq(0)]), [(seqs[2], State::Dead)]);
    let before = queue.store.states(&seqs).unwrap().len();
    queue.prune(&[State::Dead], at(9), 9).unwrap();
    assert_eq!(queue.store.states(&seqs).unwrap().len(), before - 1);
}

pub fn jobs_are_listed_in_the_order_of_acceptance(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let priorities = [("c", 0), ("a", 9), ("b", -9)];
    queue.accept(&priorities.map(|(name, priority)| NewJob { priority, ..new_job(name) }), T0);
    // Not in the order of the clock.
    queue.accept(&[new_job("d")], T0.before(std::time::Duration::from_hours(1)));
    assert_eq!(ids(&queue.all()), ["c", "a", "b", "d"]);
}

pub fn jobs_are_listed_by_state(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[new_job("good"), new_job("bad"), NewJob { max_retries: 0, ..new_job("worse") }], T0);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 3, T0);
    for (job, code) in claimed.iter().zip([0, 1, 1]) {
        queue.end(worker.id, job.last_lease(), Outcome::Exit(code), T0);
    }
    queue.enqueue(&["waits"]);
    let mut list = |states: &[State]| {
        queue
            .store
            .jobs(&Filter::of_states(states))
            .unwrap()
            .into_iter()
            .map(|job: Job| job.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&[State::Completed]), ["good"]);
    assert_eq!(list(&[State::Failed]), ["bad"]);
    assert_eq!(list(&[State::Dead]), ["worse"]);
    assert_eq!(list(&[State::Pending]), ["waits"]);
    assert_eq!(list(&[State::Cancelled]), [""; 0]);
    assert_eq!(list(&[State::Dead, State::Completed]), ["good", "worse"]);
    assert_eq!(list(&State::ALL), ["good", "bad", "worse", "waits"]);
}

pub fn jobs_are_listed_page_by_page(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let names: Vec<String> = (0..25).map(|number| format!("job-{number}")).collect();
    queue.enqueue(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut filter = Filter { limit: 10, ..Filter::of_states(&[State::Pending]) };
    let mut seen = Vec::new();
    loop {
        let page = queue.store.jobs(&filter).unwrap();
        assert!(page.len() <= 10);
        let Some(last) = page.last() else { break };
        filter.order = filter.order.behind(last.seq);
        seen.extend(page.iter().map(|job| job.id.to_string()));
    }
    assert_eq!(seen, names);
}

pub fn the_newest_jobs_begin_where_they_should(place: &dyn Place) {
    let mut queue = Queue::open(place);
    assert_eq!(queue.store.first_of_newest(&Filter::default(), 3).unwrap(), None);
    queue.enqueue(&["a", "b", "c", "d"]);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 2, T0);
    for job in &claimed {
        queue.end(worker.id, job.last_lease(), Outcome::Exit(0), T0);
    }
    let seqs: Vec<Seq> = queue.all().iter().map(|job| job.seq).collect();
    let mut first =
        |states: &[State], count| queue.store.first_of_newest(&Filter::of_states(states), count).unwrap();
    assert_eq!(first(&[], 1), Some(seqs[3]));
    assert_eq!(first(&[], 3), Some(seqs[1]));
    assert_eq!(first(&[], u64::MAX), Some(seqs[0]));
    assert_eq!(first(&[State::Completed], 1), Some(seqs[1]));
    assert_eq!(first(&[State::Completed, State::Pending], 3), Some(seqs[1]));
    assert_eq!(first(&[State::Pending], 9), Some(seqs[2]));
    assert_eq!(first(&[State::Dead, State::Failed, State::Processing, State::Cancelled], 9), None);
}

fn names(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| job.id.to_string()).collect()
}

pub fn a_job_is_meant_by_its_number_its_beginning_or_its_end(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["night-a", "night-b", "day-a", "été-100%", "x_y"]);
    let seqs: Vec<Seq> = queue.all().iter().map(|job| job.seq).collect();
    let mut meant =
        |reference: JobReference, limit| names(&queue.store.jobs_meant(&reference, limit).unwrap());
    assert_eq!(meant(JobReference::Number(seqs[2]), 9), ["day-a"]);
    assert_eq!(meant(JobReference::Number(Seq(i64::MAX)), 9), [""; 0]);
    assert_eq!(meant(JobReference::Last, 9), ["x_y"]);
    assert_eq!(meant(JobReference::Beginning("night".into()), 9), ["night-a", "night-b"]);
    assert_eq!(meant(JobReference::Beginning("night".into()), 1), ["night-a"]);
    assert_eq!(meant(JobReference::Beginning("d".into()), 9), ["day-a"]);
    assert_eq!(meant(JobReference::Beginning("é".into()), 9), ["été-100%"]);
    assert_eq!(meant(JobReference::Ending("-b".into()), 9), ["night-b"]);
    assert_eq!(meant(JobReference::Ending("é-100%".into()), 9), ["été-100%"]);
    assert_eq!(meant(JobReference::Ending("-a".into()), 9), ["night-a", "day-a"]);
    // No pattern, and not longer than the id.
    for text in ["%", "_", "N", "night-a-and-more", "xx_y"] {
        assert_eq!(meant(JobReference::Beginning(text.into()), 9), [""; 0], "{text}");
    }
    for text in ["a%", "-_", "xx_y", "A"] {
        assert_eq!(meant(JobReference::Ending(text.into()), 9), [""; 0], "{text}");
    }
}

pub fn jobs_that_came_to_rest_since_then_are_found(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let once = |name| NewJob { max_retries: 0, ..new_job(name) };
    queue.accept(&[once("a"), once("b"), once("c"), new_job("good")], T0);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 4, T0);
    for (job, (seconds, code)) in claimed.iter().zip([(10, 1), (20, 1), (30, 1), (30, 0)]) {
        queue.end(worker.id, job.last_lease(), Outcome::Exit(code), at(seconds));
    }
    let mut since = |seconds, limit| {
        let finished = TimeRange { from: Some(at(seconds)), until: None };
        let filter = Filter { finished, order: Order::ByEnd, limit, ..Filter::of_states(&[State::Dead]) };
        names(&queue.store.jobs(&filter).unwrap())
    };
    assert_eq!(since(20, 9), ["b", "c"]);
    assert_eq!(since(0, 2), ["a", "b"]);
    assert_eq!(since(31, 9), [""; 0]);
}

pub fn scheduled_jobs_are_counted(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let later = |name| NewJob { delay: Duration::from_hours(1), ..new_job(name) };
    assert_eq!(queue.scheduled(9), 0);
    queue.accept(&[later("a"), later("b"), new_job("fails"), new_job("ready")], T0);
    assert_eq!(queue.scheduled(9), 2);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 1, T0);
    queue.end(worker.id, claimed[0].last_lease(), Outcome::Exit(1), T0);
    assert_eq!((queue.scheduled(9), queue.scheduled(2)), (3, 2));
}

pub fn a_worker_is_counted_by_its_jobs(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b", "c", "d"]);
    let worker = queue.register();
    let claimed = queue.claim(worker.id, 3, T0);
    queue.end(worker.id, claimed[0].last_lease(), Outcome::Exit(0), T0);
    queue.end(worker.id, claimed[1].last_lease(), Outcome::Exit(1), T0);
    let seen = queue.store.worker(worker.id).unwrap().unwrap();
    assert_eq!((seen.jobs_done, seen.jobs_now), (2, 1));
    assert_eq!(queue.store.workers().unwrap(), [seen]);
}

pub fn another_connection_sees_what_was_committed(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let mut other = Queue::open(place);
    queue.enqueue(&["a"]);
    assert_eq!(other.all(), queue.all());
    let worker = other.register();
    other.run(worker.id, Outcome::Exit(0), at(1));
    assert_eq!(queue.state("a"), State::Completed);
    assert_eq!(queue.store.counts().unwrap(), other.store.counts().unwrap());
}
