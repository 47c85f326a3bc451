//! Queues of which no job is started for now.

use crate::{Limits, QueueSet, Timestamp};

/// A person's wish that no job of a queue is started.
///
/// It holds for every way to a start: first runs, retries, jobs that were given back or
/// rescued, and what a worker has claimed in advance and not started. What runs goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it was asked for.
    pub since: Timestamp,
    /// When it ends by itself; none if a person has to end it.
    pub until: Option<Timestamp>,
    /// Who has asked for it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

impl Pause {
    /// Tells whether it has not ended by itself.
    pub fn holds(&self, now: Timestamp) -> bool {
        Self::lasts(self.until, now)
    }

    /// The same of a pause of which only its end is known: the one rule of when a pause is
    /// over.
    pub fn lasts(until: Option<Timestamp>, now: Timestamp) -> bool {
        until.is_none_or(|until| now < until)
    }
}

/// What people have said of one queue, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRules {
    /// Its name; [`EVERY_QUEUE`] for all of them, also those to come.
    pub queue: String,
    /// Whether its jobs are not to be started.
    pub pause: Option<Pause>,
    /// How many of its jobs may run.
    pub limits: Limits,
    /// What of its row cannot be read, if something cannot.
    pub unreadable: Option<String>,
}

/// What stands where the name of a queue would, and means every queue. No queue has this
/// name, since `*` is refused in names.
pub const EVERY_QUEUE: &str = "*";

/// The queues that are paused at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PausedQueues {
    /// Each with when that ends.
    queues: Vec<(String, Option<Timestamp>)>,
}

impl PausedQueues {
    /// Those that are paused then.
    pub fn at(now: Timestamp, queues: impl IntoIterator<Item = (String, Option<Timestamp>)>) -> Self {
        Self { queues: queues.into_iter().filter(|(_, until)| Pause::lasts(*until, now)).collect() }
    }

    /// The same from what people have said of queues.
    pub fn of(rules: &[QueueRules], now: Timestamp) -> Self {
        let pauses =
            rules.iter().filter_map(|rules| Some((rules.queue.clone(), rules.pause.as_ref()?.until)));
        Self::at(now, pauses)
    }

    /// Tells whether none is.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Tells whether no job of this queue is to be started.
    pub fn stops(&self, queue: &str) -> bool {
        self.meant(queue).next().is_some()
    }

    /// Tells whether no job of this queue is to be started until a person says so.
    pub fn stops_for_good(&self, queue: &str) -> bool {
        self.meant(queue).any(|until| until.is_none())
    }

    /// When the first of those ends by itself that concern these queues.
    pub fn next_end(&self, queues: &QueueSet) -> Option<Timestamp> {
        let concern = self.queues.iter().filter(|(name, _)| name == EVERY_QUEUE || queues.serves(name));
        concern.filter_map(|(_, until)| *until).min()
    }

    fn meant<'a>(&'a self, queue: &'a str) -> impl Iterator<Item = Option<Timestamp>> + 'a {
        let is_meant = move |(name, _): &&(String, _)| name == queue || name == EVERY_QUEUE;
        self.queues.iter().filter(is_meant).map(|(_, until)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(100);

    fn paused(queues: &[(&str, Option<i64>)]) -> PausedQueues {
        let queues = queues.iter().map(|&(name, until)| (name.to_owned(), until.map(Timestamp::from_millis)));
        PausedQueues::at(NOW, queues)
    }

    #[test]
    fn a_pause_that_has_ended_stops_nothing() {
        let paused = paused(&[("a", Some(99)), ("b", Some(100)), ("c", Some(101)), ("d", None)]);
        let stopped = ["a", "b", "c", "d", "e"].map(|queue| paused.stops(queue));
        assert_eq!(stopped, [false, false, true, true, false]);
        assert_eq!(paused.next_end(&QueueSet::ALL), Some(Timestamp::from_millis(101)));
        assert_eq!(paused.next_end(&QueueSet::of(["d"]).unwrap()), None, "the other is not served");
        assert!(paused.stops_for_good("d") && !paused.stops_for_good("c"));
        let pause = Pause { since: NOW, until: Some(NOW), by: String::new(), reason: None };
        assert!(!pause.holds(NOW) && pause.holds(NOW.before(std::time::Duration::from_millis(1))));
    }

    #[test]
    fn a_pause_of_all_stops_every_queue() {
        let paused = paused(&[(EVERY_QUEUE, None)]);
        assert!(paused.stops("anything") && paused.stops_for_good("anything"));
        assert_eq!(paused.next_end(&QueueSet::ALL), None);
        assert!(crate::check_queue_name(EVERY_QUEUE).is_err());
    }
}
