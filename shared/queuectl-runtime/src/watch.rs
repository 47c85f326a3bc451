//! Watches: passes rings on to the desk, and looks after neighbours that died.

use crate::clock;
use crate::floor::Floor;
use crate::rescue::{RescueError, rescue};
use queuectl_core::WorkerId;
use queuectl_store::{Doorbell, Store, open};
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

/// A stuck rescue is tried again after so long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Starts watching. The thread ends with the process.
pub(crate) fn start(floor: Arc<Floor>, doorbell: Box<dyn Doorbell>) -> io::Result<()> {
    thread::Builder::new().name("watch".into()).spawn(move || {
        let mut watch =
            Watch { floor: &floor, store: None, not_before: HashMap::new(), unseen_since: HashMap::new() };
        watch.keep_watch(doorbell);
    })?;
    Ok(())
}

struct Watch<'a> {
    floor: &'a Floor,
    /// Opened when it is first needed.
    store: Option<Box<dyn Store>>,
    not_before: HashMap<WorkerId, Instant>,
    /// Dead, and its processes cannot be seen from here; since when.
    unseen_since: HashMap<WorkerId, Instant>,
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
            self.floor.drain_left_open();
            if let Err(error) = self.floor.presence().verify() {
                self.floor.broken(error.to_string());
                return;
            }
            self.look_at_neighbours();
        }
    }

    fn look_at_neighbours(&mut self) {
        for neighbour in self.floor.neighbours() {
            if self.not_before.get(&neighbour).is_some_and(|&at| Instant::now() < at) {
                continue;
            }
            match self.floor.presence().is_held(neighbour) {
                Ok(true) => {}
                Ok(false) => self.look_after(neighbour),
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }

    fn look_after(&mut self, dead: WorkerId) {
        let has_waited = self.unseen_since.get(&dead).is_some_and(|since| since.elapsed() >= UNSEEN_WAITS);
        match self.try_rescue(dead, has_waited) {
            Ok(()) => {
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

    fn try_rescue(&mut self, dead: WorkerId, has_waited: bool) -> Result<(), RescueError> {
        let options = self.floor.options();
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert(open(&options.location(), &options.open_options())?),
        };
        rescue(store.as_mut(), dead, &options.policy(), has_waited, clock::now())?;
        Ok(())
    }
}
