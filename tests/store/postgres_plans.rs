//! How the server runs the store's statements: it never reads a table of jobs from
//! end to end, neither before nor after it has counted them.
//!
//! The server itself writes down the plan of every statement.

use super::conformance::{self, NOTHING, Place, Queue, at, ended, id, new_job};
use crate::support::postgres::{Schema, Server};
use crate::support::trials::trials;
use queuectl_core::{Filter, Job, NewJob, Order, Outcome, QueueSet, Seq, State, Stream, Wish};
use queuectl_store::{Access, Exchange, Location, OpenOptions, OutputPart, Store};
use std::time::Duration;
use tempfile::TempDir;

trials![a_busy_queue_is_never_read_from_end_to_end if Postgres];

/// Enough that reading all of them would never be the better plan.
const JOBS: usize = 4000;

struct Watched {
    server: Server,
    schema: Schema,
    folder: TempDir,
}

impl conformance::Harness for Watched {
    const BACKEND: &str = "store::postgres_plans";

    fn new() -> Self {
        let server = Server::start(&[
            ("session_preload_libraries", "auto_explain"),
            ("auto_explain.log_min_duration", "0"),
            ("autovacuum", "off"),
            ("fsync", "off"),
        ]);
        let schema = server.schema();
        Self { server, schema, folder: tempfile::tempdir().unwrap() }
    }

    fn connect(&self) -> Box<dyn Store> {
        let options = OpenOptions {
            state_folder: Some(self.folder.path().to_owned()),
            ..OpenOptions::new(Access::Write, Duration::from_mins(1))
        };
        queuectl_store::open(&Location::Url(self.server.url(self.schema.name())), &options).unwrap()
    }

    fn falsify_the_counts(&self) {
        self.schema.client().execute("INSERT INTO change (queue, dead) VALUES ('default', 1)", &[]).unwrap();
    }

    fn falsify_the_keys(&self) {
        self.schema.client().execute("UPDATE unique_key SET seq = seq + 100", &[]).unwrap();
    }
}

fn a_busy_queue_is_never_read_from_end_to_end() {
    let place: Watched = conformance::Harness::new();
    let mut queue = Queue::open(&place);
    fill(&mut queue);
    let uncounted = plans_of(&place, |place| work(place, "before"));
    place.schema.client().batch_execute("ANALYZE").unwrap();
    let counted = plans_of(&place, |place| work(place, "after"));
    for (when, plans) in [("before it has counted", uncounted), ("after it has counted", counted)] {
        assert!(plans.contains("using ready_pkey"), "{when}, claims go by the order of the ready:\n{plans}");
        for table in ["job", "attempt", "output", "ready", "scheduled", "blocked", "finished"] {
            let whole = format!("Seq Scan on {table} ");
            let found = plans.lines().position(|line| line.contains(&whole));
            assert_eq!(found, None, "{when}, {table} is read from end to end:\n{}", near(&plans, found));
        }
    }
}

/// Jobs in every state.
fn fill(queue: &mut Queue) {
    let jobs: Vec<NewJob> = (0..JOBS).map(|number| new_job(&format!("job-{number}"))).collect();
    queue.accept(&jobs, at(0));
    let later: Vec<NewJob> = (0..JOBS / 4)
        .map(|number| NewJob { delay: Duration::from_hours(9), ..new_job(&format!("later-{number}")) })
        .collect();
    queue.accept(&later, at(0));
    let worker = queue.register();
    for outcome in [Outcome::Exit(0), Outcome::Exit(1)] {
        let claimed = queue.claim(worker.id, JOBS as u32 / 4, at(1));
        let ended: Vec<_> = claimed.iter().map(|job| ended(job.last_lease(), outcome, at(2))).collect();
        queue.exchange(worker.id, &Exchange { ended: &ended, ..NOTHING }, at(2));
    }
    queue.store.retire(worker.id, &conformance::POLICY, at(3)).unwrap();
}

/// What workers and people do again and again.
fn work(place: &dyn Place, name: &str) {
    let mut queue = Queue::open(place);
    let worker = queue.register();
    let mut held: Vec<Job> = Vec::new();
    for second in 10..20 {
        let ends: Vec<_> =
            held.iter().map(|job| ended(job.last_lease(), Outcome::Exit(0), at(second))).collect();
        held = queue.exchange(worker.id, &Exchange { ended: &ends, want: 8, ..NOTHING }, at(second)).claimed;
        assert_eq!(held.len(), 8);
    }
    let lease = held[0].last_lease();
    let part = OutputPart {
        lease,
        started_at: at(20),
        n: 0,
        stream: Stream::Stdout,
        at: at(20),
        bytes: b"said".to_vec(),
    };
    queue.exchange(worker.id, &Exchange { output: &[part], ..NOTHING }, at(20));
    queue.exchange(worker.id, &Exchange { want: 0, ..NOTHING }, at(20));
    queue.store.cancel(&held[0].id, at(21)).unwrap();
    queue.exchange(worker.id, &NOTHING, at(21));
    queue.accept(&[new_job(name)], at(21));
    queue.store.taken_ids(&[&id(name)]).unwrap();
    queue.store.job(&id(name)).unwrap();
    queue.store.states(&[held[0].seq, held[1].seq]).unwrap();
    queue.store.attempts(held[0].seq).unwrap();
    queue.store.output(lease, 0, 10).unwrap();
    look(&mut queue);
    queue.store.workers().unwrap();
    wish(&mut queue);
    queue.prune(&[State::Completed], at(0), 10).unwrap();
    queue.store.retire(worker.id, &conformance::POLICY, at(23)).unwrap();
}

/// Wants something of some of many jobs. (Which they are is found as jobs are listed.)
fn wish(queue: &mut Queue) {
    let page = |after| Filter {
        limit: 30,
        order: Order::OldestFirst { after: Some(Seq(after)) },
        ..Filter::default()
    };
    for (wish, state) in [
        (Wish::Retry, State::Dead),
        (Wish::Retry, State::Failed),
        (Wish::Hold, State::Pending),
        (Wish::Release, State::Pending),
        (Wish::Cancel, State::Pending),
    ] {
        let filter = Filter::of_states(&[state]);
        for after in [1_500, 3_000, 4_200] {
            let jobs = queue.store.jobs(&page(after)).unwrap();
            let seqs: Vec<Seq> = jobs.iter().map(|job| job.seq).collect();
            queue.store.grant_some(wish, &filter, &seqs, at(22)).unwrap();
        }
    }
}

/// Filters whose jobs lie in places of their own, and pages of all jobs. (Those that are
/// ready have no order of acceptance: where few are, all are looked at.)
fn look(queue: &mut Queue) {
    let of_states = [&[State::Dead, State::Failed][..], &[State::Cancelled], &[State::Processing]];
    let few = of_states.map(|states| Filter { limit: 10, ..Filter::of_states(states) });
    let page = Filter { limit: 10, order: Order::OldestFirst { after: Some(Seq(70)) }, ..Filter::default() };
    let by_queue = Filter { queues: QueueSet::of(["default"]).unwrap(), ..page.clone() };
    for filter in few.into_iter().chain([page, by_queue]) {
        queue.store.jobs(&filter).unwrap();
        let newest = Filter { order: Order::NewestFirst { before: Some(Seq(99)) }, ..filter };
        queue.store.jobs(&newest).unwrap();
        queue.store.first_of_newest(&newest, 10).unwrap();
    }
}

/// The plans of all that is done meanwhile.
fn plans_of(place: &Watched, done: impl FnOnce(&Watched)) -> String {
    let before = place.server.log().len();
    done(place);
    place.server.log()[before..].to_owned()
}

/// What stands around a line of the log.
fn near(log: &str, line: Option<usize>) -> String {
    let first = line.unwrap_or(0).saturating_sub(30);
    log.lines().skip(first).take(40).collect::<Vec<_>>().join("\n")
}
