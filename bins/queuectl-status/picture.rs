//! How the queue is at one moment.

use queuectl_cli::json::{CountsDocument, StatusDocument, WorkerDocument};
use queuectl_cli::text::{duration, escape, plural};
use queuectl_cli::{Context, Failure, table};
use queuectl_core::{State, Timestamp};
use queuectl_store::{Access, Counts, Life, Worker};
use std::collections::HashSet;

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
    let is_unknown = |is_here| workers.iter().any(|w| w.life == Life::Unknown && w.is_here == is_here);
    if is_unknown(true) {
        cx.output().warn("the lock file of the workers is missing, so nobody can tell which of them live");
    }
    if is_unknown(false) {
        cx.output().warn("it is too early to tell which of the workers on other machines live");
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
        lines.push(format!("Active workers: {}", self.active_workers()));
        for worker in &self.workers {
            let line = self.worker(worker);
            let columns = cx.output().columns().unwrap_or(usize::MAX);
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
        let how = match (worker.life, worker.stop) {
            (Life::Alive, _) if worker.is_stalled => ", stands still",
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
        let workers = workers.iter().map(|&(host, boot_id, life)| worker(host, boot_id, life)).collect();
        Picture { counts: Counts::default(), workers, at: Timestamp::default() }.active_workers()
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
