//! Why a job does not run, in words.

use crate::amounts::plural;
use crate::dates::rfc3339;
use crate::words::{typed, typed_option};
use queuectl_core::{
    EVERY_QUEUE, Facts, Filter, Job, Limits, Obstacle, Pause, QueueSet, Seq, Server, State, Timestamp,
    WorkerId, obstacles,
};
use queuectl_store::{Move, Stage, Store, StoreError};
use serde::Serialize;
use std::collections::HashSet;

/// So many of the jobs that fill a queue are named.
const MOST_NAMED: usize = 5;

/// So many of the jobs that run are looked at for one that may be what kills workers.
const MOST_RUNNING: u32 = 1000;

/// How a face says times.
pub trait TimeWords {
    /// When something was, behind `since`: `14:05:09`, `3 d ago`.
    fn past(&self, at: Timestamp) -> String;

    /// When something is due, behind `is due` or `until`: `in 40 s`.
    fn due(&self, at: Timestamp) -> String;
}

/// One thing that keeps a job from being started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Which: `held`, `not-due`, `paused`, `limit`, `moving`, `no-worker`, `all-busy`, `suspect`,
    /// `unreadable`, `at-rest`, `moved`.
    pub kind: &'static str,
    /// The same for a person, without a full stop.
    pub text: String,
    /// When it ends by itself, if that is known.
    pub until: Option<String>,
    /// What to type, if something helps.
    pub hint: Option<String>,
}

/// Why a job does not run, as programs read it.
#[derive(Debug, Serialize)]
pub struct WhyDocument<'a> {
    /// Its number.
    pub seq: i64,
    /// Its name.
    pub id: &'a str,
    /// Its queue.
    pub queue: &'a str,
    /// Its state.
    pub state: &'static str,
    /// What keeps it; nothing if it is processing, or the next free slot takes it.
    pub reasons: &'a [Reason],
}

impl<'a> WhyDocument<'a> {
    /// What is told of a job.
    pub fn new(job: &'a Job, reasons: &'a [Reason]) -> Self {
        Self { seq: job.seq.0, id: job.id.as_str(), queue: &job.queue, state: job.state.as_str(), reasons }
    }
}

/// Finds out why a job does not run; nothing if it does, or is about to.
///
/// # Errors
///
/// Those of the store.
pub fn why(store: &mut dyn Store, job: &Job, times: &dyn TimeWords) -> Result<Vec<Reason>, StoreError> {
    let (workers, rules, now) = (store.workers()?, store.rules()?, store.clock().now());
    let stage = store.whereabouts()?.map(|here| here.stage);
    if let Some(Stage::Left(moved)) = &stage {
        return Ok(vec![gone(job, moved)]);
    }
    let is_moving = stage.is_some_and(|stage| !matches!(stage, Stage::Idle | Stage::Arrived(_)));
    let suspects = if job.is_suspect() { who_runs_suspects(store)? } else { HashSet::new() };
    let takes_jobs = workers.iter().filter(|worker| worker.takes_jobs());
    let servers: Vec<Server<'_>> = takes_jobs
        .map(|worker| Server {
            queues: &worker.queues,
            slots: worker.concurrency.into(),
            jobs: worker.jobs_now,
            has_suspect: suspects.contains(&worker.id),
        })
        .collect();
    let has_limit = rules.iter().any(|rules| rules.queue == job.queue && !rules.limits.are_none());
    let running = if has_limit { running_in(store, &job.queue)? } else { Vec::new() };
    let facts = Facts { now, rules: &rules, held: running.len() as u64, is_moving, servers: &servers };
    Ok(obstacles(job, &facts).iter().map(|obstacle| in_words(job, obstacle, &running, times)).collect())
}

/// The queue is elsewhere, and this is what was left here.
fn gone(job: &Job, moved: &Move) -> Reason {
    let text = format!("the queue was moved to {}, with this job", moved.place);
    let place = typed_option("--database", &moved.place);
    let hint = format!("queuectl why {place} {}", typed(job.id.as_str()));
    Reason { kind: "moved", text, until: None, hint: Some(hint) }
}

/// The numbers of the jobs of a queue that workers hold.
fn running_in(store: &mut dyn Store, queue: &str) -> Result<Vec<Seq>, StoreError> {
    let Ok(queues) = QueueSet::of([queue]) else { return Ok(Vec::new()) };
    let limit = Limits::MOST_RUNNING;
    let running = Filter { queues, limit, ..Filter::of_states(&[State::Processing]) };
    Ok(store.jobs(&running)?.iter().map(|job| job.seq).collect())
}

/// The workers that run a job which may be what kills workers.
fn who_runs_suspects(store: &mut dyn Store) -> Result<HashSet<WorkerId>, StoreError> {
    let running = Filter { limit: MOST_RUNNING, ..Filter::of_states(&[State::Processing]) };
    let running = store.jobs(&running)?;
    Ok(running.iter().filter(|job| job.is_suspect()).filter_map(|job| job.worker).collect())
}

fn in_words(job: &Job, obstacle: &Obstacle<'_>, running: &[Seq], times: &dyn TimeWords) -> Reason {
    let id = typed(job.id.as_str());
    let reason = |kind, text: String| Reason { kind, text, until: None, hint: None };
    let hinted = |reason: Reason, hint: String| Reason { hint: Some(hint), ..reason };
    match *obstacle {
        Obstacle::AtRest(state) => {
            let rest = reason("at-rest", format!("it is {state}{}", ended(job)));
            if state == State::Dead { hinted(rest, format!("queuectl dlq retry {id}")) } else { rest }
        }
        Obstacle::Unreadable(problem) => {
            let text = format!("its row cannot be read: {problem}");
            hinted(reason("unreadable", text), "queuectl doctor".to_owned())
        }
        Obstacle::Held => hinted(reason("held", "it is held".to_owned()), format!("queuectl release {id}")),
        Obstacle::NotDue(due) => {
            let text = match (&job.last_error, job.state) {
                (Some(error), State::Failed) => {
                    let (attempt, all) = (job.attempts + 1, u64::from(job.max_retries) + 1);
                    format!("it is due {} as attempt {attempt} of {all}, after {error}", times.due(due))
                }
                _ => format!("it is due {}", times.due(due)),
            };
            Reason { until: Some(rfc3339(due)), ..reason("not-due", text) }
        }
        Obstacle::Paused { queue, pause } => {
            let text = format!("{} is paused{}", queue_in_words(queue), pause_in_words(pause, times));
            let paused = Reason { until: pause.until.map(rfc3339), ..reason("paused", text) };
            hinted(paused, resume(queue))
        }
        Obstacle::Full { limit } => {
            let named = running.iter().take(MOST_NAMED).map(Seq::to_string).collect::<Vec<_>>().join(", ");
            let more = if running.len() > MOST_NAMED { ", …" } else { "" };
            let jobs = if running.len() == 1 { "job" } else { "jobs" };
            let text = format!(
                "the queue {} runs {} of {limit} at a time: {jobs} {named}{more}",
                job.queue,
                running.len()
            );
            hinted(reason("limit", text), format!("queuectl queue set {} --limit N", typed(&job.queue)))
        }
        Obstacle::Moving => reason("moving", "the queue is being moved to another place".to_owned()),
        Obstacle::NoWorker { others: 0 } => {
            hinted(reason("no-worker", "no worker is running".to_owned()), "queuectl worker start".to_owned())
        }
        Obstacle::NoWorker { others } => {
            let are = if others == 1 { "the one that runs serves" } else { "those that run serve" };
            let text = format!("no worker serves the queue {}: {are} others", job.queue);
            let start = format!("queuectl worker start {}", typed_option("--queue", &job.queue));
            hinted(reason("no-worker", text), start)
        }
        Obstacle::AllBusy { slots } => {
            let text = match slots {
                1 => "the only slot for it is busy".to_owned(),
                slots => format!("all {} for it are busy", plural(slots, "slot")),
            };
            hinted(reason("all-busy", text), "queuectl list --state processing".to_owned())
        }
        Obstacle::Suspect => {
            let text = format!(
                "{} of its attempts were lost with their worker, and each worker runs one such job at a time",
                job.crashes
            );
            reason("suspect", text)
        }
    }
}

/// What its last attempt has led to.
fn ended(job: &Job) -> String {
    match (&job.last_error, job.exit_code) {
        (Some(error), _) => format!(": {error}"),
        (None, Some(code)) => format!(": exit {code}"),
        (None, None) => String::new(),
    }
}

/// How a queue that is paused is named.
pub fn queue_in_words(queue: &str) -> String {
    if queue == EVERY_QUEUE { "every queue".to_owned() } else { format!("the queue {queue}") }
}

/// Since when, until when, by whom and why, behind `is paused`.
pub fn pause_in_words(pause: &Pause, times: &dyn TimeWords) -> String {
    let until = pause.until.map(|until| format!(" (ends {})", times.due(until))).unwrap_or_default();
    let reason = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!(" since {} by {}{until}{reason}", times.past(pause.since), pause.by)
}

/// What ends a pause.
pub fn resume(queue: &str) -> String {
    if queue == EVERY_QUEUE {
        "queuectl queue resume --all".to_owned()
    } else {
        format!("queuectl queue resume {}", typed(queue))
    }
}
