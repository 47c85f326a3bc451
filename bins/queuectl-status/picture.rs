//! How the queue is at one moment.

use queuectl_cli::json::{StatusCounts, StatusDocument, WorkerDocument};
use queuectl_cli::text::{duration, escape, plural, shorten_beginning, worker_state};
use queuectl_cli::{Context, Failure, table};
use queuectl_core::{State, Timestamp};
use queuectl_store::{Access, Counts, Life, Location, Store, Worker};
use std::collections::HashSet;

/// Jobs and workers at one moment.
pub(crate) struct Picture {
    /// The queue, if it is another than the one that is meant by default.
    place: Option<Location>,
    /// Whether there is a queue.
    pub(crate) is_there: bool,
    counts: StatusCounts,
    workers: Vec<Worker>,
    at: Timestamp,
}

/// Looks at the queue; one that is not there is an empty one.
pub(crate) fn take(cx: &Context) -> Result<Picture, Failure> {
    let mut store = cx.store(Access::Read)?;
    let (counts, workers) = at_one_moment(&mut *store)?;
    let is_unknown = |is_here| workers.iter().any(|w| w.life == Life::Unknown && w.is_here == is_here);
    if is_unknown(true) {
        cx.output().warn("the lock file of the workers is missing, so nobody can tell which of them live");
    }
    if is_unknown(false) {
        cx.output().warn("it is too early to tell which of the workers on other machines live");
    }
    let counts = StatusCounts::new(counts, &workers);
    let is_there = counts.counts.total() > 0 || !workers.is_empty() || store.whereabouts()?.is_some();
    Ok(Picture { place: cx.chosen_queue()?, is_there, counts, workers, at: cx.now() })
}

/// The first line; of a place that is too long the end is shown, which tells more.
fn heading(place: Option<&Location>, columns: usize) -> String {
    const HEADING: &str = "Queue status";
    let Some(place) = place.map(ToString::to_string) else { return HEADING.to_owned() };
    let room = columns.saturating_sub(HEADING.len() + " of ".len());
    format!("{HEADING} of {}", shorten_beginning(&escape(&place), room))
}

/// How often the queue is looked at for two things that belong together.
const MOST_LOOKS: u32 = 3;

/// Jobs and workers that belong together: what is processing, the workers hold. In a
/// queue that never holds still, nearly so.
fn at_one_moment(store: &mut dyn Store) -> Result<(Counts, Vec<Worker>), Failure> {
    let mut look = || Ok::<_, Failure>((store.counts()?, store.workers()?));
    let belong_together = |(counts, workers): &(Counts, Vec<Worker>)| {
        let held: u64 = workers.iter().map(|worker| worker.jobs_now).sum();
        held.cast_signed() == counts[State::Processing]
    };
    let mut seen = look()?;
    for _ in 1..MOST_LOOKS {
        if belong_together(&seen) {
            break;
        }
        seen = look()?;
    }
    Ok(seen)
}

impl Picture {
    pub(crate) fn document(&self) -> StatusDocument<'_> {
        let workers = self.workers.iter().map(WorkerDocument::from);
        StatusDocument { jobs: self.counts, workers: workers.collect() }
    }

    /// Whether a job is being run.
    pub(crate) fn runs_jobs(&self) -> bool {
        self.counts.shown(State::Processing) > 0
    }

    /// One line a state, then the total, then the workers; without the last line break.
    pub(crate) fn text(&self, cx: &Context) -> String {
        let columns = cx.output().columns().unwrap_or(usize::MAX);
        let mut lines = vec![heading(self.place.as_ref(), columns)];
        for state in State::ALL {
            let padding = " ".repeat(10 - state.as_str().len());
            lines.push(format!("  {}{padding}: {}", table::state(state), self.counts.shown(state)));
            if state == State::Processing && self.counts.claimed > 0 {
                lines.push(format!("  claimed   : {} (in advance, not started)", self.counts.claimed));
            }
        }
        lines.push(format!("  total     : {}", self.counts.counts.total()));
        lines.push(format!("Active workers: {}", self.active_workers()));
        for worker in &self.workers {
            let line = self.worker(worker);
            lines.push(queuectl_cli::text::shorten(&line, columns).into_owned());
        }
        lines.join("\n")
    }

    /// How many live, and on how many machines if that is not plain.
    fn active_workers(&self) -> String {
        let active: Vec<_> = self.workers.iter().filter(|worker| worker.life == Life::Alive).collect();
        // Machines may have the same name, and one machine may have many.
        let machines: HashSet<_> = active.iter().map(|worker| (&worker.host, &worker.boot_id)).collect();
        match machines.len() {
            0 | 1 => active.len().to_string(),
            machines => format!("{} on {machines} machines", active.len()),
        }
    }

    fn worker(&self, worker: &Worker) -> String {
        let how = match worker_state(worker) {
            "running" => String::new(),
            "dead" => ", dead: its jobs go to the next worker".to_owned(),
            "unknown" => ", perhaps".to_owned(),
            "stalled" => ", stalled, its process was stopped".to_owned(),
            state => format!(", {state}"),
        };
        // What matters first: the end may be cut.
        format!(
            "  worker {}{how}: {} now, {} done, for {} (PID {} on {})",
            worker.id,
            plural(worker.jobs_running(), "job"),
            worker.jobs_done,
            duration(std::time::Duration::from_secs(self.at.since(worker.started_at).as_secs())),
            worker.pid,
            escape(&worker.host),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::WorkerId;

    fn worker(host: &str, boot_id: &str, life: Life) -> Worker {
        Worker {
            id: WorkerId(1),
            host: host.into(),
            pid: 1,
            manager_pid: 1,
            boot_id: boot_id.into(),
            pid_namespace: 0,
            run: String::new(),
            note_region: 0,
            concurrency: 1,
            path: String::new(),
            queues: queuectl_core::QueueSet::ALL,
            started_at: Timestamp::default(),
            ended_at: None,
            is_here: true,
            heartbeat_at: None,
            lease: None,
            life,
            is_stalled: false,
            stop: None,
            jobs_done: 0,
            jobs_now: 0,
            unreadable: None,
        }
    }

    fn active(workers: &[(&str, &str, Life)]) -> String {
        let workers: Vec<_> =
            workers.iter().map(|&(host, boot_id, life)| worker(host, boot_id, life)).collect();
        let counts = StatusCounts::new(Counts::default(), &workers);
        Picture { place: None, is_there: true, counts, workers, at: Timestamp::default() }.active_workers()
    }

    #[test]
    fn machines_are_counted_where_there_are_several() {
        let (alive, dead) = (Life::Alive, Life::Dead);
        assert_eq!(active(&[]), "0");
        assert_eq!(active(&[("a", "1", alive), ("a", "1", alive)]), "2");
        assert_eq!(active(&[("a", "1", alive), ("b", "2", dead)]), "1");
        assert_eq!(active(&[("a", "1", alive), ("b", "2", alive), ("b", "2", alive)]), "3 on 2 machines");
        assert_eq!(active(&[("same", "1", alive), ("same", "2", alive)]), "2 on 2 machines");
    }
}
