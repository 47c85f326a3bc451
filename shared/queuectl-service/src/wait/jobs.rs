//! Jobs are waited for until they have come to rest.

use crate::pages::JobPages;
use queuectl_core::{Filter, Job, JobId, Seq, Stage, State};
use queuectl_store::{Location, Store, StoreError};
use std::time::{Duration, Instant};

/// So many jobs are named where many are told of.
pub const MOST_NAMED: usize = 10;

/// How often is looked whether anything is there to run what waits.
const DOUBTS_EVERY: Duration = Duration::from_secs(5);

/// A look at very many jobs, or one at a server that is busy with those of others, takes
/// its time; so many times that is paused.
const PAUSE_PER_LOOK: u32 = 10;

/// When a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When all jobs have come to rest.
    AllRest,
    /// When one has.
    OneRests,
}

/// Jobs that are waited for.
#[derive(Debug)]
pub struct JobsWait {
    until: Until,
    jobs: Vec<WaitedJob>,
    next_doubt: Instant,
}

#[derive(Debug)]
struct WaitedJob {
    id: JobId,
    seq: Seq,
    state: State,
    /// It waits for a time, or until it is released: how long it takes cannot be told.
    is_put_off: bool,
    is_gone: bool,
}

/// What a look at such jobs tells.
#[derive(Debug)]
pub enum Look {
    /// They are not at rest, and nothing is new of what keeps them waiting.
    Waiting,
    /// The same, and these wait for a worker to run them, or a person to let them go on: it is worth
    /// a look whether one is there.
    Doubtful(Vec<Job>),
    /// The wait is over.
    Over,
}

/// How many of the jobs stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobsProgress {
    /// All that are waited for.
    pub all: u64,
    /// How many completed.
    pub completed: u64,
    /// How many died.
    pub died: u64,
    /// How many were cancelled.
    pub cancelled: u64,
    /// How many were deleted before it was seen how they ended.
    pub gone: u64,
    /// How many run, or are claimed.
    pub running: u64,
    /// How many wait for a time, a retry, or until they are released.
    pub put_off: u64,
}

impl JobsProgress {
    /// How many need not be waited for any longer.
    pub fn at_rest(&self) -> u64 {
        self.completed + self.died + self.cancelled + self.gone
    }
}

/// The jobs as they are at the end of a wait.
#[derive(Debug)]
pub struct JobsEnd {
    /// Those that are there, in the order in which they were named.
    pub jobs: Vec<Job>,
    /// Those that were deleted before it was seen how they ended.
    pub gone: Vec<JobId>,
}

impl JobsWait {
    /// Begins to wait for these jobs.
    pub fn new(until: Until, jobs: &[Job]) -> Self {
        let mut wait = Self { until, jobs: Vec::with_capacity(jobs.len()), next_doubt: Instant::now() };
        wait.add(jobs);
        wait
    }

    /// Waits for all jobs that a filter means now; what comes to match later is not waited
    /// for.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn for_all(until: Until, store: &mut dyn Store, filter: Filter) -> Result<Self, StoreError> {
        let mut wait = Self::new(until, &[]);
        let mut pages = JobPages::new(store, filter, None)?;
        while let Some(jobs) = pages.next(store)? {
            wait.add(&jobs);
        }
        Ok(wait)
    }

    /// Tells whether there is nothing to wait for.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    fn add(&mut self, jobs: &[Job]) {
        self.jobs.extend(jobs.iter().map(|job| WaitedJob {
            id: job.id.clone(),
            seq: job.seq,
            state: job.state,
            is_put_off: is_put_off(job),
            is_gone: false,
        }));
    }

    /// Looks what has become of the jobs, and now and then at what keeps them waiting.
    /// Reads nothing of those that have come to rest.
    ///
    /// # Errors
    ///
    /// Those of the store; also that the queue has moved, where nothing comes to rest any more.
    pub fn look(&mut self, store: &mut dyn Store) -> Result<Look, StoreError> {
        self.read_states(store, |job| !job.is_at_rest())?;
        if self.may_be_over() {
            // One that had come to rest may have been retried since.
            self.read_states(store, |job| !job.is_gone)?;
            if self.may_be_over() {
                return Ok(Look::Over);
            }
        }
        if Instant::now() < self.next_doubt {
            return Ok(Look::Waiting);
        }
        let look = self.doubt(store)?;
        self.next_doubt = Instant::now() + DOUBTS_EVERY;
        Ok(look)
    }

    fn may_be_over(&self) -> bool {
        match self.until {
            Until::AllRest => self.jobs.iter().all(WaitedJob::is_at_rest),
            Until::OneRests => self.jobs.iter().any(WaitedJob::is_at_rest),
        }
    }

    fn read_states(
        &mut self,
        store: &mut dyn Store,
        is_meant: impl Fn(&WaitedJob) -> bool,
    ) -> Result<(), StoreError> {
        let meant: Vec<Seq> = self.jobs.iter().filter(|job| is_meant(job)).map(|job| job.seq).collect();
        let mut states = store.states(&meant)?;
        states.sort_unstable_by_key(|(seq, _)| *seq);
        for job in self.jobs.iter_mut().filter(|job| is_meant(job)) {
            match states.binary_search_by_key(&job.seq, |(seq, _)| *seq) {
                Ok(found) => job.now_is(states[found].1),
                // What was seen at rest and was deleted then has not been lost.
                Err(_) => job.is_gone = !job.state.is_finished(),
            }
        }
        Ok(())
    }

    /// The first of those that no worker has: what they wait for can change.
    fn doubt(&mut self, store: &mut dyn Store) -> Result<Look, StoreError> {
        store.insist_open()?;
        let mut found = Vec::new();
        let idle = |job: &&mut WaitedJob| !job.is_at_rest() && job.state != State::Processing;
        for waited in self.jobs.iter_mut().filter(idle).take(MOST_DOUBTED) {
            if let Some(job) = store.job(&waited.id)?.filter(|job| job.seq == waited.seq) {
                waited.is_put_off = is_put_off(&job);
                found.push(job);
            }
        }
        Ok(if found.is_empty() { Look::Waiting } else { Look::Doubtful(found) })
    }

    /// How many of them stand where, by the last look.
    pub fn progress(&self) -> JobsProgress {
        let mut progress = JobsProgress { all: self.jobs.len() as u64, ..JobsProgress::default() };
        for job in &self.jobs {
            let place = match job.state {
                _ if job.is_gone => &mut progress.gone,
                State::Completed => &mut progress.completed,
                State::Dead => &mut progress.died,
                State::Cancelled => &mut progress.cancelled,
                State::Processing => &mut progress.running,
                State::Pending if !job.is_put_off => continue,
                State::Pending | State::Failed => &mut progress.put_off,
            };
            *place += 1;
        }
        progress
    }

    /// The jobs as they are now.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn end(&self, store: &mut dyn Store) -> Result<JobsEnd, StoreError> {
        let mut end = JobsEnd { jobs: Vec::new(), gone: Vec::new() };
        for waited in &self.jobs {
            match store.job(&waited.id)?.filter(|job| job.seq == waited.seq) {
                Some(job) => end.jobs.push(job),
                None if waited.is_gone => end.gone.push(waited.id.clone()),
                None => {}
            }
        }
        Ok(end)
    }
}

/// So many jobs are read whole at a time, to learn what they wait for.
const MOST_DOUBTED: usize = 100;

impl WaitedJob {
    fn is_at_rest(&self) -> bool {
        self.is_gone || self.state.is_finished()
    }

    fn now_is(&mut self, state: State) {
        if state != self.state {
            self.is_put_off = state == State::Failed;
        }
        self.state = state;
    }
}

fn is_put_off(job: &Job) -> bool {
    matches!(job.stage, Stage::Scheduled | Stage::Blocked)
}

/// How long is paused between two looks: short at first, since many jobs are.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    next: Duration,
    longest: Duration,
}

impl Pace {
    /// For a queue at this place. A look into a file costs no other process anything; at a
    /// server all who wait ask the same one.
    pub fn of(place: &Location) -> Self {
        let (next, longest) = match place {
            Location::File(_) => (5, 10),
            Location::Url(_) => (20, 20),
        };
        Self { next: Duration::from_millis(next), longest: Duration::from_millis(longest) }
    }

    /// How long to pause after a look that took so long.
    pub fn after(&mut self, took: Duration) -> Duration {
        let pause = self.next;
        self.next = (pause + pause / 10).min(self.longest);
        pause.max(took * PAUSE_PER_LOOK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;

    fn waits(queue: &mut Queue, until: Until, ids: &[&str]) -> JobsWait {
        let jobs: Vec<Job> = ids.iter().map(|id| queue.job(id)).collect();
        JobsWait::new(until, &jobs)
    }

    fn is_over(wait: &mut JobsWait, queue: &mut Queue) -> bool {
        matches!(wait.look(queue.store()).unwrap(), Look::Over)
    }

    #[test]
    fn jobs_are_waited_for_until_all_or_one_rests() {
        let mut queue = Queue::new();
        queue.add(&["a", "b"]);
        queue.add_held("held");
        let mut all = waits(&mut queue, Until::AllRest, &["a", "b"]);
        let mut one = waits(&mut queue, Until::OneRests, &["held", "b", "a"]);
        let Look::Doubtful(waiting) = one.look(queue.store()).unwrap() else { panic!("none runs") };
        assert_eq!(waiting.len(), 3);
        assert!(matches!(one.look(queue.store()).unwrap(), Look::Waiting), "not again at once");
        assert!(!is_over(&mut all, &mut queue));
        let claimed = queue.claim(1);
        assert!(!is_over(&mut one, &mut queue));
        let progress = one.progress();
        assert_eq!((progress.all, progress.running, progress.put_off, progress.at_rest()), (3, 1, 1, 0));
        queue.end(claimed, 0);
        assert!(is_over(&mut one, &mut queue) && !is_over(&mut all, &mut queue));
        let claimed = queue.claim(1);
        queue.end(claimed, 7);
        assert!(is_over(&mut all, &mut queue));
        let progress = all.progress();
        assert_eq!((progress.completed, progress.died, progress.at_rest()), (1, 1, 2));
        let states: Vec<State> = all.end(queue.store()).unwrap().jobs.iter().map(|job| job.state).collect();
        assert_eq!(states, [State::Completed, State::Dead]);
    }

    #[test]
    fn what_is_retried_or_deleted_meanwhile_is_not_taken_for_what_it_was() {
        let mut queue = Queue::new();
        queue.add_dead(&["a"]);
        queue.add(&["b"]);
        let mut wait = waits(&mut queue, Until::AllRest, &["a", "b"]);
        assert!(!is_over(&mut wait, &mut queue));
        let now = queue.now();
        queue.store().retry_dead(&JobId::trusted("a".into()), now).unwrap();
        queue.store().cancel(&JobId::trusted("b".into()), now).unwrap();
        assert!(!is_over(&mut wait, &mut queue), "a lives again");
        queue.store().cancel(&JobId::trusted("a".into()), now).unwrap();
        queue.store().delete(&JobId::trusted("a".into()), &[State::Cancelled]).unwrap();
        assert!(is_over(&mut wait, &mut queue));
        let progress = wait.progress();
        assert_eq!((progress.gone, progress.cancelled), (1, 1));
        let end = wait.end(queue.store()).unwrap();
        assert_eq!((end.jobs.len(), end.gone), (1, vec![JobId::trusted("a".into())]));
        // Of this one it is known how it ended.
        queue.store().delete(&JobId::trusted("b".into()), &[State::Cancelled]).unwrap();
        assert!(is_over(&mut wait, &mut queue));
        assert_eq!((wait.progress(), wait.end(queue.store()).unwrap().gone.len()), (progress, 1));
    }

    #[test]
    fn looks_become_rarer_and_never_fill_the_time() {
        let mut pace = Pace::of(&Location::File("queue.db".into()));
        assert_eq!(pace.after(Duration::ZERO), Duration::from_millis(5));
        for _ in 0..100 {
            pace.after(Duration::ZERO);
        }
        assert_eq!(pace.after(Duration::ZERO), Duration::from_millis(10));
        assert_eq!(pace.after(Duration::from_millis(50)), Duration::from_millis(500));
    }
}
