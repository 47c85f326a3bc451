//! What people want of many jobs: the store does to all what the core says of each.

use super::conformance::{NOTHING, Place, Queue, T0, at, ended, id, ids, new_job};
use super::filters::any_filter;
use super::random::{self, Dice};
use queuectl_core::{
    Blocker, Filter, Granted, Job, NewJob, Next, Outcome, QueueSet, Seq, Stage, State, Timestamp, UniqueKey,
    Wait, Waiting, Wish,
};
use queuectl_store::Exchange;
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

/// Worlds, and how often something is wanted in each.
const WORLDS: u64 = 4;
const WISHES: u64 = 14;

pub fn what_is_done_to_many_is_what_the_core_says_of_each(place: &dyn Place) {
    let mut dice = Dice::new(11);
    let mut changed = [0; Wish::ALL.len()];
    for seed in 1..=WORLDS {
        let mut queue = random::live(place, seed);
        let worker = queue.register();
        let now = at(seed * 1_000_000 + 900_000);
        queue.claim(worker.id, 3, now);
        for _ in 0..WISHES {
            // What is cancelled is of no use to the next.
            let which = dice.of(&[0, 1, 1, 1, 2, 2, 3, 3]);
            changed[which] += wish_and_compare(&mut queue, &mut dice, Wish::ALL[which], now);
        }
        assert_eq!(queue.store.check().unwrap(), [""; 0], "world {seed}");
        queue.store.retire(worker.id, &super::conformance::POLICY, now).unwrap();
    }
    assert!(changed.iter().all(|&jobs| jobs > 5), "wishes that change nothing prove nothing: {changed:?}");
}

/// Does what is wanted to the jobs of some filter; gives how many have changed.
fn wish_and_compare(queue: &mut Queue, dice: &mut Dice, wish: Wish, now: Timestamp) -> usize {
    let before = queue.all();
    let filter = any_filter(dice, &before);
    let meant: Vec<Seq> = before.iter().filter(|job| filter.matches(job)).map(|job| job.seq).collect();
    assert_eq!(queue.store.seqs(&filter).unwrap(), meant, "{filter:?}");
    // Others as well, which the filter does not mean, and some that are not there.
    let mut given: Vec<Seq> = before.iter().map(|job| job.seq).collect();
    given.push(Seq(1 << 40));
    let (mut done, mut requested, mut others, mut left) = (0, Vec::new(), 0, given.as_slice());
    let mut key_taken = 0;
    while !left.is_empty() {
        let some = &left[..left.len().min(1 + dice.below(40) as usize)];
        let granted = queue.store.grant_some(wish, &filter, some, now).unwrap();
        assert!((1..=some.len()).contains(&granted.looked_at));
        assert_eq!(granted.unreadable, []);
        done += granted.done as usize;
        others += granted.no_longer_fit() as usize;
        key_taken += granted.key_taken as usize;
        requested.extend(granted.requested.into_iter().map(|requested| requested.lease));
        left = &left[granted.looked_at..];
    }
    // Every window has ended by now.
    let unfinished = before.iter().filter(|job| !job.state.is_finished());
    let mut keys: BTreeSet<UniqueKey> = unfinished.filter_map(|job| job.unique_key.clone()).collect();
    let mut stay_dead = 0;
    let mut becomes = |job: &Job| {
        let is_revived = wish == Wish::Retry && job.state == State::Dead;
        if is_revived && job.unique_key.clone().is_some_and(|key| !keys.insert(key)) {
            stay_dead += 1;
            return job.clone();
        }
        granted(job, wish, now)
    };
    let wanted: Vec<Job> =
        before.iter().map(|job| if filter.matches(job) { becomes(job) } else { job.clone() }).collect();
    assert_eq!(key_taken, stay_dead, "{filter:?}");
    let after = queue.all();
    for (got, wanted) in after.iter().zip(&wanted) {
        assert_eq!(got, wanted, "{wish:?} {filter:?}");
    }
    assert_eq!(after.len(), before.len());
    let differ = |(one, other): &(&Job, &Job)| one.stage != other.stage || one.run_at != other.run_at;
    let changed = before.iter().zip(&after).filter(differ).count();
    let asked = before
        .iter()
        .filter(|job| wish == Wish::Cancel && filter.matches(job) && job.stage == Stage::Claimed);
    assert_eq!(requested, asked.map(Job::last_lease).collect::<Vec<_>>(), "{filter:?}");
    assert_eq!(done + requested.len() + others + key_taken, given.len());
    assert!(done >= changed, "{wish:?} {filter:?}");
    changed
}

/// A job after something was wanted of it, by the core.
fn granted(job: &Job, wish: Wish, now: Timestamp) -> Job {
    let Job { state, stage, blocked_by, attempts, crashes, .. } = *job;
    let wait = job.run_at.map(|due_at| Wait { due_at, since: T0 });
    let waiting = Waiting { state, stage: Some(stage), blocked_by, attempts, crashes, wait };
    let mut job = job.clone();
    let next = match wish.grant(&waiting, now) {
        Err(_) | Ok(Granted::IsSo) => return job,
        Ok(Granted::OfWorker) => {
            job.cancel_requested = true;
            job.updated_at = now;
            return job;
        }
        Ok(Granted::Goes(next)) => next,
        Ok(Granted::Becomes(effect)) => {
            (job.state, job.attempts, job.crashes) = (effect.state, effect.attempts, effect.crashes);
            effect.next
        }
    };
    job.updated_at = now;
    job.stage = next.stage();
    job.blocked_by = None;
    job.finished_at = None;
    match next {
        // What it has waited for stays.
        Next::Ready(_) => {}
        Next::Scheduled(wait) => job.run_at = Some(wait.due_at),
        Next::Blocked { by, wait } => {
            job.blocked_by = Some(by);
            job.run_at = wait.map(|wait| wait.due_at);
        }
        Next::Finished { at } => (job.finished_at, job.run_at) = (Some(at), None),
        Next::Claimed { .. } => panic!("nobody can want that"),
    }
    job
}

pub fn a_step_ends_where_it_says_and_the_next_begins_there(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs: Vec<NewJob> = (0..300).map(|number| new_job(&format!("job-{number}"))).collect();
    queue.accept(&jobs, T0);
    let pending = Filter::of_states(&[State::Pending]);
    let seqs = queue.store.seqs(&pending).unwrap();
    assert_eq!(seqs.len(), 300);
    let mut left = seqs.as_slice();
    while !left.is_empty() {
        let step = queue.store.grant_some(Wish::Cancel, &pending, left, at(1)).unwrap();
        assert_eq!((step.done as usize, step.no_longer_fit()), (step.looked_at, 0));
        left = &left[step.looked_at..];
    }
    assert_eq!(queue.store.counts().unwrap()[State::Cancelled], 300);
    // Again: none of them fits any more.
    let again = queue.store.grant_some(Wish::Cancel, &pending, &seqs[..9], at(2)).unwrap();
    assert_eq!((again.looked_at, again.done, again.no_longer_fit()), (9, 0, 9));
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn released_and_retried_jobs_join_the_end_in_the_order_of_acceptance(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let dies = |name| NewJob { max_retries: 0, priority: 1, ..new_job(name) };
    let held = |name| NewJob { hold: true, priority: 1, ..new_job(name) };
    queue.accept(&[dies("a"), held("b"), dies("c"), held("d"), dies("e")], T0);
    let worker = queue.register();
    for job in queue.claim(worker.id, 3, T0) {
        queue.end(worker.id, job.last_lease(), Outcome::Exit(1), T0);
    }
    queue.accept(&[NewJob { priority: 1, ..new_job("f") }], T0);
    for (wish, filter) in [
        (Wish::Release, Filter { stages: vec![Stage::Blocked], ..Filter::default() }),
        (Wish::Retry, Filter::of_states(&[State::Dead])),
    ] {
        let mut seqs = queue.store.seqs(&filter).unwrap();
        seqs.reverse();
        seqs.sort_unstable();
        assert_eq!(queue.store.grant_some(wish, &filter, &seqs, at(1)).unwrap().done as usize, seqs.len());
    }
    assert_eq!(queue.claim_ids(worker.id, 9, at(1)), ["f", "b", "d", "a", "c", "e"]);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn many_wishes_ring_every_worker(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[NewJob { hold: true, ..new_job("a") }], T0);
    let mut worker = queue.register();
    worker.doorbell.wait(Duration::ZERO);
    let seqs = queue.store.seqs(&Filter::default()).unwrap();
    queue.store.grant_some(Wish::Release, &Filter::default(), &seqs, T0).unwrap();
    assert!(worker.doorbell.wait(Duration::from_mins(1)), "it rings");
}

pub fn a_job_that_waits_can_be_held(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.accept(&[new_job("ready"), NewJob { delay: Duration::from_mins(1), ..new_job("later") }], T0);
    let worker = queue.register();
    queue.accept(&[NewJob { priority: 9, ..new_job("failed") }], T0);
    queue.run(worker.id, Outcome::Exit(1), T0);
    for name in ["ready", "later", "failed"] {
        let before = queue.job(name);
        // Twice: it is held already.
        for _ in 0..2 {
            queue.store.hold(&id(name), at(1)).unwrap();
            let job = queue.job(name);
            assert_eq!(
                (job.state, job.blocked_by, job.stage),
                (before.state, Some(Blocker::Hold), Stage::Blocked)
            );
            assert_eq!((job.run_at, job.updated_at), (before.run_at, at(1)));
        }
    }
    let counts = queue.store.counts().unwrap();
    assert_eq!((counts[State::Pending], counts[State::Failed], counts.blocked), (2, 1, 3));
    assert_eq!(queue.claim_ids(worker.id, 9, at(1_000)), [""; 0]);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
    // It is retried when it is released, whatever had become of its wait.
    for name in ["failed", "later", "ready"] {
        queue.store.release(&id(name), at(1_000)).unwrap();
    }
    let failed = Filter::of_states(&[State::Failed]);
    assert_eq!(ids(&queue.store.jobs(&failed).unwrap()), ["failed"], "it is found by its state");
    assert_eq!(queue.claim_ids(worker.id, 9, at(1_000)), ["failed", "later", "ready"]);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn a_failed_job_that_is_ready_keeps_its_state_while_it_is_held(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let of = |name, queue: &str| NewJob { queue: queue.into(), ..new_job(name) };
    queue.accept(&[of("a", "mail")], T0);
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(1), T0);
    // Another job of its queue keeps the worker from it when it becomes ready.
    queue.accept(&[NewJob { priority: 9, ..of("b", "mail") }], T0);
    assert_eq!(queue.claim_ids(worker.id, 1, at(1_000)), ["b"]);
    assert_eq!((queue.job("a").state, queue.job("a").stage), (State::Failed, Stage::Ready));
    queue.store.hold(&id("a"), at(1_001)).unwrap();
    queue.store.release(&id("a"), at(1_002)).unwrap();
    let failed = Filter::of_states(&[State::Failed]);
    assert_eq!(ids(&queue.store.jobs(&failed).unwrap()), ["a"]);
    assert_eq!(queue.claim_ids(worker.id, 9, at(1_002)), ["a"]);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

pub fn jobs_are_cancelled_by_a_filter_while_a_worker_claims_them(place: &dyn Place) {
    const JOBS: usize = 1500;
    let mut queue = Queue::open(place);
    let jobs: Vec<NewJob> = (0..JOBS)
        .map(|number| NewJob {
            queue: ["mail", "video"][number % 2].into(),
            ..new_job(&format!("job-{number}"))
        })
        .collect();
    queue.accept(&jobs, T0);
    let (claimed, asked) = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(move || work_until_empty(place))).collect();
        let mail = Filter { queues: QueueSet::of(["mail"]).unwrap(), ..Filter::default() };
        let mail = Wish::Cancel.narrowed(mail).unwrap();
        let seqs = queue.store.seqs(&mail).unwrap();
        let (mut left, mut asked) = (seqs.as_slice(), Vec::new());
        while !left.is_empty() {
            let some = &left[..left.len().min(20)];
            let step = queue.store.grant_some(Wish::Cancel, &mail, some, at(1)).unwrap();
            asked.extend(step.requested);
            left = &left[step.looked_at..];
        }
        let claimed: usize = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
        (claimed, asked.len())
    });
    let counts = queue.store.counts().unwrap();
    assert_eq!(
        (counts[State::Completed] + counts[State::Cancelled], counts.total()),
        (JOBS as i64, JOBS as i64)
    );
    assert_eq!(
        counts[State::Completed],
        claimed as i64,
        "each was claimed, or cancelled before: {asked} asked"
    );
    assert!(queue.all().iter().all(|job| (job.lease == 0) == (job.state == State::Cancelled)));
    let of_video =
        queue.store.counts_by_queue().unwrap().into_iter().find(|(name, _)| name == "video").unwrap().1;
    assert_eq!((of_video[State::Completed], of_video[State::Cancelled]), (JOBS as i64 / 2, 0));
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

/// Runs what can be claimed, whether it is to be cancelled or not; gives how many they were.
fn work_until_empty(place: &dyn Place) -> usize {
    let mut queue = Queue::open(place);
    let worker = queue.register();
    let (mut claimed, mut ends) = (0, Vec::new());
    loop {
        let exchanged = queue.exchange(worker.id, &Exchange { ended: &ends, want: 3, ..NOTHING }, at(1));
        assert_eq!(exchanged.superseded, []);
        if exchanged.claimed.is_empty() {
            return claimed;
        }
        claimed += exchanged.claimed.len();
        ends = exchanged.claimed.iter().map(|job| ended(job.last_lease(), Outcome::Exit(0), at(1))).collect();
    }
}
