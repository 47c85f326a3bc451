//! Random lives of many jobs, the same each time.

use super::conformance::{NOTHING, POLICY, Place, Queue, ended, id, new_job};
use queuectl_core::{
    CommandLine, Filter, Lease, NewJob, OnDuplicate, Outcome, State, Timestamp, Unique, UniqueKey, Wish,
};
use queuectl_store::{Counts, Exchange, OnTaken, Registration};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A small pseudo-random generator (xorshift64*), so that a seed is a test.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed))
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

const OUTCOMES: [Outcome; 7] = [
    Outcome::Exit(0),
    Outcome::Exit(1),
    Outcome::Exit(1),
    Outcome::Signal(9),
    Outcome::Timeout,
    Outcome::Interrupted,
    Outcome::Cancelled,
];

const COMMANDS: [&str; 6] = ["true", "make all", "echo 1", "echo [x] 100%_", "Mail\\'é'", "make 1\nmore"];

/// The world as the test knows it.
struct World {
    queue: Queue,
    dice: Dice,
    now: Timestamp,
    jobs: u64,
    workers: Vec<(Registration, Vec<Lease>)>,
    /// The highest lease seen of each job.
    leases: BTreeMap<i64, i64>,
}

pub fn counts_equal_a_full_count_whatever_happened(place: &dyn Place) {
    for seed in 1..=12 {
        let mut world = World::new(place, seed);
        for step in 0..60 {
            world.step();
            world.check(&format!("seed {seed}, step {step}"));
        }
        assert_eq!(world.queue.store.check().unwrap(), [""; 0], "seed {seed}");
        for (worker, _) in &world.workers {
            world.queue.store.retire(worker.id, &POLICY, world.now).unwrap();
        }
    }
}

/// Leads a random life of many jobs and lets its workers retire.
pub fn live(place: &dyn Place, seed: u64) -> Queue {
    let mut world = World::new(place, seed);
    for _ in 0..150 {
        world.step();
    }
    for (worker, _) in &world.workers {
        world.queue.store.retire(worker.id, &POLICY, world.now).unwrap();
    }
    world.queue
}

impl World {
    fn new(place: &dyn Place, seed: u64) -> Self {
        Self {
            queue: Queue::open(place),
            dice: Dice::new(seed),
            now: super::conformance::at(seed * 1_000_000),
            jobs: seed * 1_000_000,
            workers: Vec::new(),
            leases: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        self.now = self.now.after(Duration::from_millis(self.dice.below(5000)));
        match self.dice.below(11) {
            0 | 1 => self.enqueue(),
            2..=5 => self.exchange(),
            6 => self.lose_a_worker(),
            7 => self.cancel(),
            8 => self.release(),
            9 => self.wish(),
            _ => {
                let states = [State::Completed, State::Cancelled];
                let before = self.now.before(Duration::from_secs(self.dice.below(30)));
                self.queue.prune(&states, before, self.dice.below(4) as u32).unwrap();
            }
        }
    }

    fn enqueue(&mut self) {
        let jobs: Vec<NewJob> = (0..=self.dice.below(6))
            .map(|_| {
                self.jobs += 1;
                NewJob {
                    priority: self.dice.below(3) as i32,
                    max_retries: self.dice.below(3) as u32,
                    delay: Duration::from_secs(self.dice.of(&[0, 0, 5])),
                    queue: self.dice.of(&["default", "default", "mail", "video"]).into(),
                    hold: self.dice.below(5) == 0,
                    command: CommandLine::new(self.dice.of(&COMMANDS)).unwrap(),
                    unique: self.unique(),
                    // Now and then one that is taken.
                    ..new_job(&format!("job-{}", self.jobs - self.dice.of(&[0, 0, 0, 0, 0, 1])))
                }
            })
            .collect();
        let on_taken = self.dice.of(&[OnTaken::Skip, OnTaken::Refuse]);
        let _taken_is_fine = self.queue.store.enqueue(&jobs, on_taken, self.now);
    }

    /// Now and then a key, of few.
    fn unique(&mut self) -> Option<Unique> {
        let window = self.dice.of(&[None, None, Some(Duration::from_secs(20))]);
        let on_duplicate = self.dice.of(&[OnDuplicate::Keep, OnDuplicate::Replace, OnDuplicate::Fail]);
        let key = UniqueKey::new(self.dice.of(&["a", "b", "é/%_"])).unwrap();
        (self.dice.below(3) == 0).then_some(Unique { key, window, on_duplicate })
    }

    fn exchange(&mut self) {
        if self.workers.is_empty() || (self.workers.len() < 4 && self.dice.below(3) == 0) {
            self.workers.push((self.queue.register(), Vec::new()));
        }
        let which = self.dice.below(self.workers.len() as u64) as usize;
        let (mut ends, mut unstarted) = (Vec::new(), Vec::new());
        let (registration, held) = &mut self.workers[which];
        held.retain(|&lease| match self.dice.below(4) {
            0 => true,
            1 => {
                unstarted.push(lease);
                false
            }
            _ => {
                ends.push(ended(lease, self.dice.of(&OUTCOMES), self.now));
                false
            }
        });
        let want = self.dice.below(6) as u32;
        let exchange = Exchange { ended: &ends, unstarted: &unstarted, want, ..NOTHING };
        let exchanged = self.queue.exchange(registration.id, &exchange, self.now);
        assert_eq!(exchanged.superseded, []);
        assert_eq!(exchanged.finished.len(), ends.len());
        for job in exchanged.claimed {
            held.push(job.last_lease());
            let highest = self.leases.insert(job.seq.0, job.lease).unwrap_or(0);
            assert!(job.lease > highest, "a lease went back");
        }
    }

    fn lose_a_worker(&mut self) {
        if self.workers.is_empty() {
            return;
        }
        let which = self.dice.below(self.workers.len() as u64) as usize;
        let (worker, held) = self.workers.swap_remove(which);
        if self.dice.below(3) == 0 {
            self.queue.store.retire(worker.id, &POLICY, self.now).unwrap();
        } else {
            let started: Vec<Lease> = held.iter().copied().filter(|_| self.dice.below(2) == 0).collect();
            let rescued = self.queue.store.rescue(worker.id, &started, &POLICY, self.now).unwrap();
            assert_eq!(rescued.jobs.len(), held.len());
        }
    }

    fn cancel(&mut self) {
        let jobs = self.queue.all();
        if let Some(job) = jobs.get(self.dice.below(jobs.len().max(1) as u64) as usize) {
            let result = self.queue.store.cancel(&id(job.id.as_str()), self.now);
            assert_eq!(result.is_err(), job.state.is_finished());
        }
    }

    fn release(&mut self) {
        let jobs = self.queue.all();
        if let Some(job) = jobs.get(self.dice.below(jobs.len().max(1) as u64) as usize) {
            let result = self.queue.store.release(&id(job.id.as_str()), self.now);
            assert_eq!(result.is_ok(), job.blocked_by.is_some());
        }
    }

    /// Wants something of a few jobs at once.
    fn wish(&mut self) {
        let wish = self.dice.of(&[Wish::Hold, Wish::Release, Wish::Retry, Wish::Retry]);
        let mut filter = wish.narrowed(Filter::default()).unwrap();
        if wish == Wish::Retry {
            filter.states = vec![self.dice.of(&[State::Dead, State::Dead, State::Failed])];
        }
        let mut seqs = self.queue.store.seqs(&filter).unwrap();
        seqs.truncate(self.dice.below(3) as usize);
        let granted = self.queue.store.grant_some(wish, &filter, &seqs, self.now).unwrap();
        assert!(granted.looked_at == seqs.len() && granted.requested.is_empty());
    }

    fn check(&mut self, when: &str) {
        let mut counted = Counts::default();
        let mut by_queue: BTreeMap<String, Counts> = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for job in self.queue.all() {
            if let Some(key) = job.unique_key.filter(|_| !job.state.is_finished()) {
                assert!(keys.insert(key), "{when}: two jobs of a key");
            }
            let of_queue = by_queue.entry(job.queue).or_default();
            for counts in [&mut counted, of_queue] {
                counts[job.state] += 1;
                counts.blocked += i64::from(job.blocked_by.is_some());
            }
        }
        assert_eq!(self.queue.store.counts().unwrap(), counted, "{when}");
        let mut kept = self.queue.store.counts_by_queue().unwrap();
        kept.retain(|(_, counts)| !counts.is_zero());
        assert_eq!(kept, Vec::from_iter(by_queue), "{when}");
        let held: usize = self.workers.iter().map(|(_, held)| held.len()).sum();
        assert_eq!(counted[State::Processing], held as i64, "{when}");
    }
}
