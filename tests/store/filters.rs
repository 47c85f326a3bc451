//! Which jobs a filter means: what the core says of each job, the store says of all.

use super::conformance::{Place, Queue, T0, at, ids, new_job};
use super::random::{self, Dice};
use queuectl_core::{
    CommandLine, Filter, Glob, Job, LastRun, NewJob, Order, Outcome, QueueSet, Stage, State, TimeRange,
    Timestamp,
};

/// Filters that are tried of each world.
const FILTERS: u64 = 150;

pub fn a_filter_means_what_the_core_says(place: &dyn Place) {
    for seed in [1, 2] {
        random::live(place, seed);
    }
    let mut queue = random::live(place, 3);
    let all = queue.all();
    let stages: Vec<Stage> = Stage::ALL.into_iter().filter(|&stage| stage != Stage::Claimed).collect();
    assert!(stages.iter().all(|stage| all.iter().any(|job| job.stage == *stage)), "{} jobs", all.len());
    let mut dice = Dice::new(5);
    let mut found = 0;
    for number in 0..FILTERS {
        let filter = any_filter(&mut dice, &all);
        let wanted = meant(&filter, &all);
        let got = queue.store.jobs(&filter).unwrap();
        assert_eq!(ids(&got), ids(&wanted), "{number}: {filter:?}");
        assert_eq!(got, wanted, "{number}: {filter:?}");
        assert_counted(&mut queue, &filter, &all);
        assert_pages(&mut queue, &filter, &wanted);
        found += wanted.len();
    }
    assert!(found > all.len(), "filters that mean nothing prove nothing");
}

/// The jobs that a filter means, in its order, as the core has it.
fn meant(filter: &Filter, all: &[Job]) -> Vec<Job> {
    let mut jobs: Vec<Job> = all.iter().filter(|job| filter.matches(job)).cloned().collect();
    match filter.order {
        Order::OldestFirst { after } => jobs.retain(|job| after.is_none_or(|after| job.seq > after)),
        Order::NewestFirst { before } => {
            jobs.retain(|job| before.is_none_or(|before| job.seq < before));
            jobs.reverse();
        }
        Order::ByEnd => jobs.sort_by_key(|job| (job.finished_at, job.seq)),
    }
    jobs.truncate(filter.limit as usize);
    jobs
}

fn assert_counted(queue: &mut Queue, filter: &Filter, all: &[Job]) {
    let matching: Vec<&Job> = all.iter().filter(|job| filter.matches(job)).collect();
    let count = matching.len() as u64;
    assert_eq!(queue.store.count(filter, u32::MAX).unwrap(), count, "{filter:?}");
    assert_eq!(queue.store.count(filter, 3).unwrap(), count.min(3), "{filter:?}");
    for newest in [1, 4, u64::MAX] {
        let index = matching.len().saturating_sub(usize::try_from(newest).unwrap_or(usize::MAX));
        let first = queue.store.first_of_newest(filter, newest).unwrap();
        assert_eq!(first, matching.get(index).map(|job| job.seq), "{filter:?}");
    }
}

/// Pages of three add up.
fn assert_pages(queue: &mut Queue, filter: &Filter, wanted: &[Job]) {
    if filter.order == Order::ByEnd || filter.limit != u32::MAX {
        return;
    }
    let mut page = Filter { limit: 3, ..filter.clone() };
    let mut read = Vec::new();
    loop {
        let found = queue.store.jobs(&page).unwrap();
        let Some(last) = found.last() else { break };
        page.order = page.order.behind(last.seq);
        read.extend(found);
    }
    assert_eq!(ids(&read), ids(wanted), "{filter:?}");
}

/// A filter with some conditions, made of what the jobs are.
pub fn any_filter(dice: &mut Dice, all: &[Job]) -> Filter {
    let mut filter = Filter::default();
    let one = |dice: &mut Dice| all[dice.below(all.len() as u64) as usize].clone();
    for _ in 0..dice.below(4) {
        match dice.below(9) {
            0 => filter.states = vec![dice.of(&State::ALL)],
            1 => filter.states = vec![one(dice).state, dice.of(&State::ALL)],
            2 => filter.stages = vec![dice.of(&Stage::ALL)],
            3 => filter.stages = vec![one(dice).stage, dice.of(&Stage::ALL)],
            4 => {
                let patterns = [&["mail"][..], &["m*", "video"], &["none", "d*"], &["*"], &["none"]];
                filter.queues = QueueSet::of(dice.of(&patterns)).unwrap();
            }
            5 => {
                let pattern = dice.of(&["1", "make *", "*[x]*", "*%?", "*\\*", "M", "echo ?", "é"]);
                filter.command = Some(Glob::new(pattern).unwrap());
            }
            6 => {
                let ends = [LastRun::Exit(0), LastRun::Exit(1), LastRun::Signal(9), LastRun::Signal(15)];
                filter.last_runs = vec![dice.of(&ends), dice.of(&ends)];
            }
            7 => {
                let (job, other) = (one(dice), one(dice));
                filter.created = range(dice, Some(job.created_at), Some(other.created_at));
            }
            _ => {
                let (job, other) = (one(dice), one(dice));
                match dice.below(2) {
                    0 => filter.started = range(dice, job.started_at, other.started_at),
                    _ => filter.finished = range(dice, job.finished_at, other.finished_at),
                }
            }
        }
    }
    let cursor = (dice.below(2) == 0).then(|| one(dice).seq);
    filter.order = match dice.below(5) {
        0 | 1 => Order::OldestFirst { after: cursor },
        2 | 3 => Order::NewestFirst { before: cursor },
        _ => Order::ByEnd,
    };
    filter.limit = dice.of(&[u32::MAX, u32::MAX, 0, 2]);
    filter
}

fn range(dice: &mut Dice, from: Option<Timestamp>, until: Option<Timestamp>) -> TimeRange {
    match dice.below(3) {
        0 => TimeRange { from, until: None },
        1 => TimeRange { from: None, until },
        _ => TimeRange { from, until },
    }
}

pub fn a_pattern_of_a_command_means_the_same_everywhere(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let commands =
        ["make all", "Make all", "100%", "a_b", "axb", "[x]", "x", "a\\b", "two\nlines", "été *", "'?'"];
    let jobs: Vec<NewJob> = commands
        .iter()
        .enumerate()
        .map(|(number, command)| NewJob {
            command: CommandLine::new(*command).unwrap(),
            ..new_job(&number.to_string())
        })
        .collect();
    queue.accept(&jobs, T0);
    let longest = format!("{}*", "[".repeat(Glob::MAX_BYTES - 1));
    for pattern in [
        "make", "*all", "?ake*", "%", "_", "a_b", "a?b", "[x]", "*[*", "[a-z]", "\\", "a\\?", "*\n*", "*é*",
        "?té ?", "*", "?", "??", &longest,
    ] {
        let filter = Filter { command: Some(Glob::new(pattern).unwrap()), ..Filter::default() };
        let wanted: Vec<Job> = queue.all().into_iter().filter(|job| filter.matches(job)).collect();
        assert_eq!(ids(&queue.store.jobs(&filter).unwrap()), ids(&wanted), "{pattern:?}");
    }
}

pub fn what_is_counted_is_what_is_deleted(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let of = |queue: &str, name: &str| NewJob { queue: queue.into(), max_retries: 0, ..new_job(name) };
    queue.accept(&[of("a", "1"), of("b", "2"), of("a", "3"), of("a", "4"), of("b", "5")], T0);
    let worker = queue.register();
    for (job, (code, second)) in queue.claim(worker.id, 4, T0).iter().zip([(0, 1), (1, 2), (0, 3), (1, 4)]) {
        queue.end(worker.id, job.last_lease(), Outcome::Exit(code), at(second));
    }
    let states = [State::Completed, State::Dead];
    let queues = QueueSet::of(["a"]).unwrap();
    let filter = Filter { queues, ..Filter::finished_before(&states, at(4)) };
    assert_eq!(queue.store.count(&filter, u32::MAX).unwrap(), 2);
    assert_eq!(queue.store.prune(&Filter { limit: 1, ..filter.clone() }).unwrap(), 1);
    assert_eq!(queue.store.prune(&filter).unwrap(), 1);
    assert_eq!((queue.store.prune(&filter).unwrap(), queue.store.count(&filter, 9).unwrap()), (0, 0));
    assert_eq!(ids(&queue.all()), ["2", "4", "5"]);
    // What names no state means also what is not at rest.
    assert!(queue.store.prune(&Filter::default()).is_err());
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}
