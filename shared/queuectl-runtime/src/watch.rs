//! Watches: passes rings on to the desk, looks after neighbours that died, and
//! stops the worker in time when it may not go on.

use crate::floor::Floor;
use crate::guard::Guard;
use crate::rescue::{RescueError, rescue};
use queuectl_core::WorkerId;
use queuectl_store::{Doorbell, Store, StoreError, open};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How often neighbours' locks are looked at; a look takes about a microsecond.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Alone there is nobody to look after; only the files can be lost.
const LOOK_ALONE_EVERY: Duration = Duration::from_secs(1);

/// A worker whose processes we could not see is given so long to be seen by
/// somebody else, or to be really gone.
const UNSEEN_WAITS: Duration = Duration::from_secs(10);

/// What the desk tries when its time is up may take so long.
const LAST_TRY_TAKES: Duration = Duration::from_secs(4);

/// A stuck rescue is tried again after so long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Starts watching. The threads end with the process.
///
/// `give_up` is called when the worker's lease has run out, nothing of its jobs is
/// left, and it has had time to hand in what it has.
pub(crate) fn start(
    floor: Arc<Floor>,
    doorbell: Box<dyn Doorbell>,
    give_up: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    if floor.presence().time_left().is_some() {
        let (floor, guarded) = (Arc::clone(&floor), Arc::clone(&floor));
        let fence = move || {
            keep_the_fence(&floor);
            let began = Instant::now();
            while began.elapsed() < floor.last_tries_take() + LAST_TRY_TAKES {
                thread::park_timeout(LOOK_EVERY);
            }
            give_up();
        };
        thread::Builder::new().name("fence".into()).spawn(fence)?;
        // Threads that may wait for a store, as the watch does, are of no use for this.
        let mut guard = Guard::new(guarded.presence().lock_file().to_owned(), Some(guarded.worker()));
        let stand_guard = move || loop {
            thread::park_timeout(guard.look().again_after);
        };
        thread::Builder::new().name("guard".into()).spawn(stand_guard)?;
    }
    floor.begins_first_look();
    thread::Builder::new().name("watch".into()).spawn(move || {
        let mut watch =
            Watch { floor: &floor, store: None, not_before: HashMap::new(), unseen_since: HashMap::new() };
        watch.keep_watch(doorbell);
    })?;
    Ok(())
}

/// Stops the worker when its lease runs out.
///
/// A thread that does nothing else: all others may be waiting for a store, and
/// this is about the time when there is none.
fn keep_the_fence(floor: &Floor) {
    let error = loop {
        if let Err(error) = floor.presence().verify_lease() {
            break error;
        }
        thread::park_timeout(LOOK_EVERY);
    };
    // Words come after deeds: the log may lie on a disk that does not answer.
    let why = floor.break_off(error.into());
    let mut ended = floor.end_everything();
    if let Some(why) = why {
        tracing::error!("{why}; running jobs are ended");
    }
    while let Err(error) = ended {
        tracing::error!("Jobs are stuck, and others may run them: {error}");
        ended = floor.end_everything();
    }
    while !floor.is_idle() {
        thread::park_timeout(LOOK_EVERY);
    }
    // Whoever rescues the jobs must not count a crash: they were ended here.
    if let Err(error) = floor.presence().clear_notes() {
        tracing::warn!("{error}");
    }
}

struct Watch<'a> {
    floor: &'a Floor,
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

impl Watch<'_> {
    fn keep_watch(&mut self, mut doorbell: Box<dyn Doorbell>) {
        let mut last_look: Option<Instant> = None;
        let mut rang = false;
        loop {
            // Whoever rings may be a newcomer, of whom the desk has yet to hear.
            let is_alone = self.floor.is_alone() && !rang;
            let pause = if is_alone { LOOK_ALONE_EVERY } else { LOOK_EVERY };
            // The first look is at once, at those who died while nobody was there.
            if let Some(at) = last_look {
                rang = doorbell.wait(pause);
                if rang {
                    self.floor.ring();
                }
                if at.elapsed() < pause {
                    continue;
                }
            }
            last_look = Some(Instant::now());
            self.floor.background().drain();
            if let Err(error) = self.floor.presence().verify() {
                self.floor.cannot_go_on(error.into());
                return;
            }
            self.look_at_neighbours();
            self.floor.ends_first_look();
        }
    }

    fn look_at_neighbours(&mut self) {
        for neighbour in self.floor.neighbours() {
            if self.not_before.get(&neighbour).is_some_and(|&at| Instant::now() < at) {
                continue;
            }
            match self.floor.presence().lives(neighbour) {
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
                self.floor.forget_neighbour(dead);
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
        let policy = self.floor.options().policy();
        let store = self.store()?;
        let was_rescued = rescue(store, dead, &policy, has_waited)?.is_some();
        // Else another process is rescuing it and may fail, or it is about to end.
        let is_done = was_rescued || store.worker(dead)?.is_none_or(|worker| worker.ended_at.is_some());
        Ok(if is_done { Progress::Done } else { Progress::Underway })
    }

    fn store(&mut self) -> Result<&mut dyn Store, StoreError> {
        let options = self.floor.options();
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(open(&options.location(), &options.open_options())?),
        };
        Ok(store.as_mut())
    }
}
