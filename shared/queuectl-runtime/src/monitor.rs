//! The monitor of a worker: passes rings on to the coordinator, looks after neighbours
//! that died, and stops the worker in time when it may not go on.

use crate::lease_guard::LeaseGuard;
use crate::rescue::{RescueError, rescue};
use crate::shared::Shared;
use queuectl_core::WorkerId;
use queuectl_store::{Doorbell, Store, StoreError, open};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How often neighbours' locks are looked at; a look takes about a microsecond.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Alone there are no neighbours to look after; only the files can be lost.
const LOOK_ALONE_EVERY: Duration = Duration::from_secs(1);

/// A worker whose processes we could not see is given so long to be seen by another
/// process, or to be really gone.
const UNSEEN_WAITS: Duration = Duration::from_secs(10);

/// What the coordinator tries when its time is up may take so long.
const LAST_TRY_TAKES: Duration = Duration::from_secs(4);

/// A stuck rescue is tried again after so long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Starts monitoring. The threads end with the process.
///
/// `give_up` is called when the worker's lease has run out, nothing of its jobs is
/// left, and it has had time to hand in what it has.
pub(crate) fn start(
    shared: Arc<Shared>,
    doorbell: Box<dyn Doorbell>,
    give_up: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    if shared.presence().time_left().is_some() {
        let (shared, guarded) = (Arc::clone(&shared), Arc::clone(&shared));
        let fence = move || {
            keep_the_fence(&shared);
            let began = Instant::now();
            while began.elapsed() < shared.last_tries_take() + LAST_TRY_TAKES {
                thread::park_timeout(LOOK_EVERY);
            }
            give_up();
        };
        thread::Builder::new().name("fence".into()).spawn(fence)?;
        // Threads that may wait for a store, as the monitor does, are of no use for this.
        let mut guard = LeaseGuard::new(guarded.presence().lock_file().to_owned(), Some(guarded.worker()));
        let stand_guard = move || loop {
            thread::park_timeout(guard.look().again_after);
        };
        thread::Builder::new().name("guard".into()).spawn(stand_guard)?;
    }
    shared.begins_first_look();
    thread::Builder::new().name("monitor".into()).spawn(move || {
        let mut monitor = Monitor {
            shared: &shared,
            store: None,
            not_before: HashMap::new(),
            unseen_since: HashMap::new(),
        };
        monitor.run(doorbell);
    })?;
    Ok(())
}

/// Stops the worker when its lease runs out.
///
/// A thread that does nothing else: all others may be waiting for a store, and
/// this is about the time when there is none.
fn keep_the_fence(shared: &Shared) {
    let error = loop {
        if let Err(error) = shared.presence().verify_lease() {
            break error;
        }
        thread::park_timeout(LOOK_EVERY);
    };
    // Words come after deeds: the log may lie on a disk that does not answer.
    let why = shared.break_off(error.into());
    let mut ended = shared.end_everything();
    if let Some(why) = why {
        tracing::error!("{why}; running jobs are ended");
    }
    while let Err(error) = ended {
        tracing::error!("Jobs are stuck, and others may run them: {error}");
        ended = shared.end_everything();
    }
    while !shared.is_idle() {
        thread::park_timeout(LOOK_EVERY);
    }
    // A rescue of the jobs must not count a crash: they were ended here.
    if let Err(error) = shared.presence().clear_notes() {
        tracing::warn!("{error}");
    }
}

struct Monitor<'a> {
    shared: &'a Shared,
    /// Opened when it is first needed.
    store: Option<Box<dyn Store>>,
    not_before: HashMap<WorkerId, Instant>,
    /// Dead, and its processes cannot be seen from here; since when.
    unseen_since: HashMap<WorkerId, Instant>,
}

/// How far the rescue of a neighbour has come.
enum Progress {
    /// Nothing of it is left on the list.
    Done,
    /// It is still on the list, and looked at again.
    Underway,
}

impl Monitor<'_> {
    fn run(&mut self, mut doorbell: Box<dyn Doorbell>) {
        let mut last_look: Option<Instant> = None;
        let mut rang = false;
        loop {
            // The process that rings may be a newcomer, of which the coordinator has yet to hear.
            let is_alone = self.shared.is_alone() && !rang;
            let pause = if is_alone { LOOK_ALONE_EVERY } else { LOOK_EVERY };
            // The first look is at once, at those who died while no worker was there.
            if let Some(at) = last_look {
                rang = doorbell.wait(pause);
                if rang {
                    self.shared.outbox().ring();
                }
                if at.elapsed() < pause {
                    continue;
                }
            }
            last_look = Some(Instant::now());
            self.shared.background().drain();
            if let Err(error) = self.shared.presence().verify() {
                self.shared.cannot_go_on(error.into());
                return;
            }
            self.look_at_neighbours();
            self.shared.ends_first_look();
        }
    }

    fn look_at_neighbours(&mut self) {
        for neighbour in self.shared.neighbours() {
            if self.not_before.get(&neighbour).is_some_and(|&at| Instant::now() < at) {
                continue;
            }
            match self.shared.presence().lives(neighbour) {
                Ok(true) => {}
                Ok(false) => self.look_after(neighbour),
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }

    fn look_after(&mut self, dead: WorkerId) {
        let has_waited = self.unseen_since.get(&dead).is_some_and(|since| since.elapsed() >= UNSEEN_WAITS);
        match self.try_rescue(dead, has_waited) {
            Ok(Progress::Underway) => _ = self.not_before.insert(dead, Instant::now() + LOOK_ALONE_EVERY),
            Ok(Progress::Done) => {
                self.not_before.remove(&dead);
                self.unseen_since.remove(&dead);
                self.shared.forget_neighbour(dead);
            }
            Err(RescueError::Unseen) => {
                tracing::warn!(
                    "Worker {dead} is gone and ran in a pid namespace that cannot be seen from here; its jobs wait {} s",
                    UNSEEN_WAITS.as_secs()
                );
                self.unseen_since.insert(dead, Instant::now());
                self.not_before.insert(dead, Instant::now() + UNSEEN_WAITS);
            }
            Err(error) => {
                tracing::warn!("Worker {dead} is dead and cannot be rescued yet: {error}");
                self.not_before.insert(dead, Instant::now() + TRY_AGAIN_AFTER);
            }
        }
    }

    fn try_rescue(&mut self, dead: WorkerId, has_waited: bool) -> Result<Progress, RescueError> {
        let policy = self.shared.options().policy();
        let store = self.store()?;
        let was_rescued = rescue(store, dead, &policy, has_waited)?.is_some();
        // Else another process is rescuing it and may fail, or it is about to end.
        let is_done = was_rescued || store.worker(dead)?.is_none_or(|worker| worker.ended_at.is_some());
        Ok(if is_done { Progress::Done } else { Progress::Underway })
    }

    fn store(&mut self) -> Result<&mut dyn Store, StoreError> {
        let options = self.shared.options();
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(open(&options.location(), &options.open_options())?),
        };
        Ok(store.as_mut())
    }
}
