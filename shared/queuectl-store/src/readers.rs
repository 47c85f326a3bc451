//! Several connections that look at one queue, for a face that serves many at once.
//!
//! Own code: the pools there are start threads of their own or need a runtime, and each
//! connection here is a plain value that is opened when it is needed.

use crate::reader::Reader;
use crate::{Access, Location, OpenOptions, Result, Store, StoreError, open};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Up to so many readers of one queue, each lent to one caller at a time.
///
/// A reader is opened when all that are open are lent, and kept for the next caller. One
/// that has seen an error is closed, and so is one of a location where no queue is yet.
pub struct Readers {
    location: Location,
    options: OpenOptions,
    most: usize,
    open: Mutex<Open>,
    given_back: Condvar,
}

#[derive(Default)]
struct Open {
    idle: Vec<Box<dyn Store>>,
    /// How many are lent, or are being opened.
    lent: usize,
}

impl Readers {
    /// Of the queue at a location; `most` is at least 1. Nothing is opened yet.
    pub fn new(location: Location, options: &OpenOptions, most: usize) -> Self {
        let options = OpenOptions { access: Access::Read, ..options.clone() };
        Self { location, options, most: most.max(1), open: Mutex::default(), given_back: Condvar::new() }
    }

    /// Looks at the queue through one of them. Waits for one that is given back if all are
    /// lent, as long as for a busy queue.
    ///
    /// # Errors
    ///
    /// Those of [`open`] and of the look; [`StoreError::Busy`] if none was given back in time.
    pub fn look<T>(&self, look: impl FnOnce(&mut dyn Reader) -> Result<T>) -> Result<T> {
        let mut lent = self.lend()?;
        let mut reader = match lent.reader.take() {
            Some(reader) => reader,
            None => open(&self.location, &self.options)?,
        };
        let seen = look(&mut *reader);
        // What is no queue may be one the next time.
        if seen.is_ok() && reader.whereabouts().is_ok_and(|queue| queue.is_some()) {
            self.locked().idle.push(reader);
        }
        seen
    }

    fn lend(&self) -> Result<Lent<'_>> {
        let patience = self.options.busy_timeout;
        let all_are_lent = |open: &mut Open| open.lent >= self.most;
        let (mut open, waited) = self
            .given_back
            .wait_timeout_while(self.locked(), patience, all_are_lent)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(busy(&self.location, patience));
        }
        open.lent += 1;
        Ok(Lent { readers: self, reader: open.idle.pop() })
    }

    fn locked(&self) -> MutexGuard<'_, Open> {
        // A caller that has panicked has left nothing half done here.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the place of a reader back, also when its caller panics.
struct Lent<'a> {
    readers: &'a Readers,
    /// None if one is to be opened.
    reader: Option<Box<dyn Store>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.locked().lent -= 1;
        self.readers.given_back.notify_one();
    }
}

fn busy(location: &Location, waited: Duration) -> StoreError {
    StoreError::Busy { queue: location.clone(), waited_s: waited.as_secs() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OnTaken;
    use queuectl_core::{CommandLine, DEFAULT_QUEUE, Environment, JobId, NewJob};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    fn job(id: &str) -> NewJob {
        NewJob {
            id: JobId::trusted(id.to_owned()),
            command: CommandLine::new("true").unwrap(),
            cwd: "/".into(),
            env: Environment::default(),
            queue: DEFAULT_QUEUE.into(),
            priority: 0,
            max_retries: 3,
            timeout: None,
            delay: Duration::ZERO,
            run_at: None,
            hold: false,
            unique: None,
        }
    }

    #[test]
    fn many_look_at_once_through_few_connections() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::File(folder.path().join("queue.db"));
        let options = OpenOptions::new(Access::Write, Duration::from_secs(30));
        let mut store = open(&location, &options).unwrap();
        let readers = Arc::new(Readers::new(location, &options, 2));
        store.enqueue(&[job("a")], OnTaken::Refuse, store.clock().now()).unwrap();
        let (looking, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let begin = Arc::new(Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    begin.wait();
                    for _ in 0..20 {
                        let jobs = readers.look(|reader| {
                            most.fetch_max(looking.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            let jobs = reader.counts().map(|counts| counts.total());
                            looking.fetch_sub(1, Ordering::SeqCst);
                            jobs
                        });
                        assert_eq!(jobs.unwrap(), 1);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert!(readers.locked().idle.len() <= 2 && readers.locked().lent == 0);
        assert!(store.stops().is_ok());
    }

    #[test]
    fn a_queue_that_is_made_later_is_seen_and_an_error_closes_a_reader() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::File(folder.path().join("queue.db"));
        let options = OpenOptions::new(Access::Write, Duration::from_secs(30));
        let readers = Readers::new(location.clone(), &options, 1);
        let total = || readers.look(|reader| Ok(reader.counts()?.total())).unwrap();
        assert_eq!(total(), 0);
        let mut store = open(&location, &options).unwrap();
        store.enqueue(&[job("a"), job("b")], OnTaken::Refuse, store.clock().now()).unwrap();
        assert_eq!(total(), 2);
        assert_eq!(readers.locked().idle.len(), 1);
        let id = JobId::trusted("a".into());
        let failed: Result<()> = readers.look(|_| Err(StoreError::NoSuchJob { id: id.clone() }));
        assert!(failed.is_err() && readers.locked().idle.is_empty());
        assert_eq!(total(), 2);
    }

    #[test]
    fn who_finds_all_of_them_lent_for_too_long_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions::new(Access::Read, Duration::from_millis(1));
        let readers = Readers::new(Location::File(folder.path().join("queue.db")), &options, 1);
        let second = readers.look(|_| Ok(matches!(readers.look(|_| Ok(())), Err(StoreError::Busy { .. }))));
        assert!(second.unwrap());
    }
}
