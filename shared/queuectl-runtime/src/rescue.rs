//! What happens to the jobs of a worker that died.

use crate::marker;
use crate::processes::{self, Extent, Scope, StillThere};
use crate::stamp;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use queuectl_core::{Lease, RetryPolicy, WorkerId};
use queuectl_store::{Bug, Reader, Rescued, StoreError, Worker, WorkerRecord, machine};
use std::time::Duration;

/// A process that dies lets go of its locks a little before it has ended.
const DYING_TAKES_AT_MOST: Duration = Duration::from_millis(100);

/// Why a dead worker's jobs stay where they are for now.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    /// Its processes are in a pid namespace that cannot be seen from here.
    #[error("its processes cannot be seen from here")]
    Unseen,
    /// Some of its processes cannot be ended.
    #[error("its jobs are stuck: {0}")]
    Stuck(#[from] StillThere),
    /// The queue is out of order.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends what a dead worker has left behind and gives its jobs back.
///
/// Call it again at any time: a rescue that is killed, or fails, has given nothing back,
/// and its lock is free for the next.
///
/// The process that has taken the dead worker's lock is its only rescuer. First everything
/// that carries the worker's marker is ended, and what is left in the groups it
/// noted; only when two looks in a row find nothing, its jobs are given back. A
/// crash counts for those it had noted as started. None if it is alive, has
/// ended well, or another process is rescuing it.
///
/// A free lock is no proof where the lock file is another than the one in which the
/// worker holds its lock: a worker whose process is there is never rescued. Otherwise
/// it could start a job between the look that finds nothing and the moment in which
/// its jobs are given back. It notices by itself that its lock file was replaced, and
/// ends.
///
/// # Errors
///
/// [`RescueError::Unseen`] if its pid namespace is another than ours, unless
/// `has_waited` says that it has been given time; [`RescueError::Stuck`] if some of its
/// processes do not die of KILL; [`RescueError::Store`] if the queue cannot be asked or
/// written. Its jobs stay where they are then.
pub fn rescue(
    store: &mut (impl Worker + Reader + ?Sized),
    worker: WorkerId,
    policy: &RetryPolicy,
    has_waited: bool,
) -> Result<Option<Rescued>, RescueError> {
    let Some(found) = store.worker(worker)?.filter(|worker| worker.ended_at.is_none()) else {
        return Ok(None);
    };
    if Bug::LivenessByPid.is_planted() && kill(Pid::from_raw(found.pid.cast_signed()), None).is_ok() {
        return Ok(None);
    }
    let Some(taken) = store.take(&found)? else { return Ok(None) };
    // It may have ended well between the look at its row and the lock.
    if store.worker(worker)?.is_none_or(|worker| worker.ended_at.is_some()) {
        return Ok(None);
    }
    // Of another machine nothing is to be seen here, unless it is one in name only.
    let same_boot = found.boot_id == machine::boot_id() && (found.is_here || !found.boot_id.is_empty());
    let visible = found.is_here && found.pid_namespace == machine::pid_namespace();
    if found.is_here && same_boot && !visible && !has_waited {
        return Err(RescueError::Unseen);
    }
    if same_boot && visible && lives(&found) {
        tracing::debug!("Worker {worker} (PID {}) lives, and does not hold its lock", found.pid);
        return Ok(None);
    }

    let claims = store.claims(worker)?;
    let notes = taken.notes()?;
    let noted: Vec<_> = notes.iter().filter(|note| claims.contains(&note.lease)).collect();
    if same_boot && !Bug::EarlyRescue.is_planted() {
        // Pids that were noted in another namespace are other processes' here; the
        // marker is the same everywhere, and a namespace below ours can be seen.
        let pids = noted.iter().filter(|note| visible && note.pid != 0);
        let groups = pids.map(|note| (found.pid, note.pid)).collect();
        let marker = marker::of_worker(&found.run, worker);
        processes::kill(&Scope { marker, extent: Extent::Beginning, groups })?;
    }

    let started: Vec<Lease> = noted.iter().map(|note| note.lease).collect();
    let now = store.clock().now();
    let rescued = match store.rescue(worker, &started, policy, now) {
        Err(StoreError::StillAlive { .. }) => return Ok(None),
        rescued => rescued?,
    };
    if let Err(error) = taken.note_ended(worker) {
        // Then it is looked for once more, and nothing is found.
        tracing::debug!("{error}");
    }
    for (lease, effect) in &rescued.jobs {
        let was = if started.contains(lease) { "lost" } else { "never started" };
        tracing::debug!("Claim {} of job {} was {was}: {}", lease.number, lease.seq, effect.state);
    }
    tracing::warn!(
        "Worker {worker} (PID {}) died; {} of its jobs were taken back.",
        found.pid,
        rescued.jobs.len()
    );
    Ok(Some(rescued))
}

/// Tells whether the process of a worker is there: the one that has its pid carries its
/// stamp, and is not about to end.
fn lives(worker: &WorkerRecord) -> bool {
    // Held before its stamp is read: should the pid be another's by then, this one has ended.
    let Some(process) = processes::hold(worker.pid) else { return false };
    let marker = marker::of_worker(&worker.run, worker.id);
    stamp::is_on_worker(worker.pid, &marker) && process.outlives(DYING_TAKES_AT_MOST)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::fixture::Queue;
    use crate::stamp::Stamp;
    use queuectl_core::State;
    use queuectl_store::{Exchange, NewWorker};
    use std::fs;
    use std::process::{Command, Stdio};

    #[test]
    fn a_worker_whose_lock_file_was_replaced_is_not_rescued_while_its_process_is_there() {
        let queue = Queue::new();
        queue.enqueue("a", "true");
        let policy = queue.options().policy();
        let mut process = Command::new("sleep");
        // What holds nothing of the test's keeps no test waiting if it fails.
        process.arg("1000").stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = process.spawn().unwrap();
        let mut worker = queue.store();
        let newcomer = NewWorker { pid: process.id(), ..NewWorker::of_this_process(1) };
        let now = worker.clock().now();
        let registration = worker.register(&newcomer, now).unwrap();
        let id = registration.id;
        Stamp::of_worker(&marker::of_worker(&registration.run, id)).put_on(process.id());
        let claim = Exchange { want: 1, ..Exchange::nothing(&policy) };
        assert_eq!(worker.exchange(id, &claim, now).unwrap().claimed.len(), 1);

        let lock_file = worker.lock_file_path();
        fs::copy(&lock_file, queue.path("copy")).unwrap();
        fs::rename(queue.path("copy"), &lock_file).unwrap();
        let mut neighbour = queue.store();
        assert_eq!(rescue(neighbour.as_mut(), id, &policy, false).unwrap(), None);
        assert_eq!(queue.job("a").state, State::Processing);

        process.kill().unwrap();
        process.wait().unwrap();
        assert!(rescue(neighbour.as_mut(), id, &policy, false).unwrap().is_some());
        assert_eq!(queue.job("a").state, State::Pending);
    }
}
