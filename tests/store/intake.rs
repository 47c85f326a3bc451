//! How jobs come in.

use super::conformance::{Place, Queue, T0, at, id, ids, new_job};
use queuectl_core::{CommandLine, Environment, NewJob, Outcome, State};
use queuectl_store::{Enqueued, OnTaken, StoreError};
use std::collections::BTreeMap;
use std::time::Duration;

/// Texts that have broken queues.
const TEXTS: [&str; 12] = [
    "it's",
    "\"quoted\"",
    "';DROP/**/TABLE/**/jobs;--",
    "%s%n${HOME}`id`$(id)",
    "été-漢字-🙂",
    "../../etc/passwd",
    "{\"id\":1}",
    "a,b;c|d&e",
    "\\n\\0\\x1b",
    "-rf",
    "NULL",
    "0",
];

pub fn a_refused_batch_leaves_nothing_behind(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let batch = [new_job("b"), new_job("c"), new_job("a"), new_job("d")];
    queue.store.enqueue(&batch, OnTaken::Refuse, at(1)).unwrap_err();
    assert_eq!(ids(&queue.all()), ["a"]);
    assert_eq!(queue.store.counts().unwrap().total(), 1);
    // And takes no position from those that come next.
    queue.enqueue(&["b"]);
    let worker = queue.register();
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["a", "b"]);
}

pub fn a_duplicate_is_refused_with_its_index(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let error = queue.store.enqueue(&[new_job("x"), new_job("a")], OnTaken::Refuse, T0).unwrap_err();
    assert!(
        matches!(&error, StoreError::DuplicateId { id: taken, index: 1 } if *taken == id("a")),
        "{error:?}"
    );
}

pub fn a_duplicate_within_the_batch_is_refused_with_its_index(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let batch = [new_job("x"), new_job("y"), new_job("x")];
    let error = queue.store.enqueue(&batch, OnTaken::Refuse, T0).unwrap_err();
    assert!(matches!(error, StoreError::DuplicateId { index: 2, .. }), "{error:?}");
    assert_eq!(queue.all(), []);
}

pub fn a_duplicate_is_skipped_on_request(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let batch = [new_job("b"), new_job("a"), new_job("c"), new_job("c")];
    let enqueued = queue.store.enqueue(&batch, OnTaken::Skip, at(1)).unwrap();
    assert_eq!(enqueued, Enqueued { added: 2, skipped: vec![1, 3], duplicates: vec![] });
    assert_eq!(ids(&queue.all()), ["a", "b", "c"]);
    assert_eq!(queue.store.counts().unwrap()[State::Pending], 3);
}

pub fn a_duplicate_leaves_the_first_job_untouched(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a"]);
    let before = queue.job("a");
    for on_taken in [OnTaken::Refuse, OnTaken::Skip] {
        let other = NewJob { priority: 9, max_retries: 9, ..new_job("a") };
        let _refused_or_skipped = queue.store.enqueue(&[other], on_taken, at(5));
        assert_eq!(queue.job("a"), before);
    }
    // Nor does one that has come to rest make room for another.
    let worker = queue.register();
    queue.run(worker.id, Outcome::Exit(0), at(6));
    queue.store.enqueue(&[new_job("a")], OnTaken::Refuse, at(7)).unwrap_err();
}

pub fn every_field_of_a_job_round_trips(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let env = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "x=y\n'".to_owned())]);
    let given = NewJob {
        id: id("a"),
        command: CommandLine::new("echo hello").unwrap(),
        cwd: "/srv/a b".into(),
        env: Environment::new(env).unwrap(),
        queue: "mail".into(),
        priority: -7,
        max_retries: 0,
        timeout: Some(Duration::from_millis(1500)),
        delay: Duration::from_mins(1),
        run_at: None,
        hold: false,
        unique: None,
    };
    queue.accept(std::slice::from_ref(&given), T0);
    let job = queue.job("a");
    assert_eq!((job.id, job.command, job.cwd, job.env), (given.id, given.command, given.cwd, given.env));
    assert_eq!((job.queue, job.priority, job.max_retries), (given.queue, given.priority, given.max_retries));
    assert_eq!((job.timeout, job.run_at), (given.timeout, Some(at(60))));
    assert_eq!((job.created_at, job.updated_at, job.state), (T0, T0, State::Pending));
    assert_eq!((job.attempts, job.crashes, job.lease, job.worker), (0, 0, 0, None));
    assert_eq!((job.started_at, job.finished_at, job.exit_code, job.signal), (None, None, None, None));
    assert_eq!((job.last_error, job.cancel_requested, job.blocked_by), (None, false, None));
}

pub fn a_job_that_names_its_time_waits_for_it(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs = [
        NewJob { run_at: Some(at(60)), ..new_job("later") },
        // What was printed and has passed meanwhile.
        NewJob { run_at: Some(T0.before(Duration::from_mins(1))), ..new_job("now") },
        // The time is stronger than a delay.
        NewJob { run_at: Some(at(60)), delay: Duration::from_secs(5), ..new_job("both") },
    ];
    queue.accept(&jobs, T0);
    let due = ["later", "now", "both"].map(|name| queue.job(name).run_at);
    assert_eq!(due, [Some(at(60)), None, Some(at(60))]);
}

pub fn every_text_round_trips(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs: Vec<NewJob> = TEXTS
        .iter()
        .map(|text| NewJob {
            command: CommandLine::new(format!("{text}\n\t\u{1b}[31m\u{202e}\r'; DROP TABLE jobs;--"))
                .unwrap(),
            cwd: format!("/{text}"),
            env: Environment::new(BTreeMap::from([("X".into(), (*text).into())])).unwrap(),
            queue: (*text).into(),
            ..new_job(text)
        })
        .collect();
    queue.accept(&jobs, T0);
    for given in jobs {
        let job = queue.job(given.id.as_str());
        assert_eq!((&job.id, &job.command, &job.cwd), (&given.id, &given.command, &given.cwd));
        assert_eq!((&job.env, &job.queue), (&given.env, &given.queue));
    }
    let longest = CommandLine::new("x".repeat(CommandLine::MAX_BYTES)).unwrap();
    queue.accept(&[NewJob { command: longest.clone(), ..new_job("long") }], T0);
    assert_eq!(queue.job("long").command, longest);
}

pub fn taken_ids_are_told_in_the_given_order(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b", "c"]);
    let asked = [id("c"), id("x"), id("a"), id("A")];
    let taken = queue.store.taken_ids(&asked.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(taken, [id("c"), id("a")]);
    assert_eq!(queue.store.taken_ids(&[]).unwrap(), []);
}

pub fn numbers_grow_and_are_never_reused(place: &dyn Place) {
    let mut queue = Queue::open(place);
    queue.enqueue(&["a", "b"]);
    let (a, b) = (queue.job("a").seq, queue.job("b").seq);
    assert!(a < b);
    queue.store.cancel(&id("b"), at(1)).unwrap();
    assert_eq!(queue.prune(&[State::Cancelled], at(2), 10).unwrap(), 1);
    queue.enqueue(&["b"]);
    assert!(queue.job("b").seq > b, "the number of a deleted job is used again");
}

pub fn ten_thousand_jobs_are_accepted_at_once(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let jobs: Vec<NewJob> = (0..10_000).map(|number| new_job(&format!("job-{number}"))).collect();
    queue.accept(&jobs, T0);
    assert_eq!(queue.store.counts().unwrap()[State::Pending], 10_000);
    assert_eq!(queue.all().len(), 10_000);
}

pub fn enqueue_rings_every_worker(place: &dyn Place) {
    let mut queue = Queue::open(place);
    let mut workers = [queue.register(), queue.register()];
    for worker in &mut workers {
        // The later ones rang the earlier when they came.
        worker.doorbell.wait(Duration::ZERO);
        assert!(!worker.doorbell.wait(Duration::ZERO), "it rings before anything happened");
    }
    queue.enqueue(&["a"]);
    for worker in &mut workers {
        assert!(worker.doorbell.wait(Duration::from_mins(1)));
    }
}
