//! How the queue is at one moment.

use queuectl_cli::json::{CountsDocument, StatusDocument, WorkerDocument};
use queuectl_cli::text::{duration, escape, plural};
use queuectl_cli::{Context, Failure, table};
use queuectl_core::{State, Timestamp};
use queuectl_store::{Access, Counts, Life, Worker};

/// Jobs and workers at one moment.
pub(crate) struct Picture {
    counts: Counts,
    workers: Vec<Worker>,
    at: Timestamp,
}

/// Looks at the queue; one that is not there is an empty one.
pub(crate) fn take(cx: &Context) -> Result<Picture, Failure> {
    let mut store = cx.store(Access::Read)?;
    let counts = store.counts()?;
    let workers = store.workers()?;
    if workers.iter().any(|worker| worker.life == Life::Unknown) {
        cx.output().warn("the lock file of the workers is missing, so nobody can tell which of them live");
    }
    Ok(Picture { counts, workers, at: cx.now() })
}

impl Picture {
    pub(crate) fn document(&self) -> StatusDocument<'_> {
        let workers = self.workers.iter().map(WorkerDocument::from);
        StatusDocument { jobs: CountsDocument(self.counts), workers: workers.collect() }
    }

    /// One line a state, then the total, then the workers; without the last line break.
    pub(crate) fn text(&self, cx: &Context) -> String {
        let mut lines = vec!["Queue status".to_owned()];
        for state in State::ALL {
            let padding = " ".repeat(10 - state.as_str().len());
            lines.push(format!("  {}{padding}: {}", table::state(state), self.counts[state]));
        }
        lines.push(format!("  total     : {}", self.counts.total()));
        let active = self.workers.iter().filter(|worker| worker.life == Life::Alive).count();
        lines.push(format!("Active workers: {active}"));
        for worker in &self.workers {
            let line = self.worker(worker);
            let columns = cx.output().columns().unwrap_or(usize::MAX);
            lines.push(queuectl_cli::text::shorten(&line, columns).into_owned());
        }
        lines.join("\n")
    }

    fn worker(&self, worker: &Worker) -> String {
        let how = match (worker.life, worker.stop) {
            (Life::Alive, None) => "",
            (Life::Alive, Some(_)) => ", stopping",
            (Life::Dead, _) => ", dead: its jobs go to the next worker",
            (Life::Unknown, _) => ", perhaps",
        };
        format!(
            "  worker {} (PID {} on {}): {} now, {} done, for {}{how}",
            worker.id,
            worker.pid,
            escape(&worker.host),
            plural(worker.jobs_now, "job"),
            worker.jobs_done,
            duration(std::time::Duration::from_secs(self.at.since(worker.started_at).as_secs())),
        )
    }
}
