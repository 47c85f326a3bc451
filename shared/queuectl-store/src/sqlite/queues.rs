//! The queues that a worker serves, and what comes first in several of them.
//!
//! Which queues have something is found by seeks through an index, each to the first name
//! that is greater than the last: rows of other queues are not looked at.

use super::row::Name;
use super::{row, sql};
use crate::worker::Exchange;
use queuectl_core::{Limits, PausedQueues, QueueSet, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Result, Row};
use std::collections::BinaryHeap;

/// The queues that a worker serves, which of them are paused, and how many jobs may be
/// claimed of those that have a limit.
pub(super) struct Served<'a> {
    pub(super) queues: &'a QueueSet,
    pub(super) paused: PausedQueues,
    /// Each with how many jobs may be claimed of it by its limit.
    limited: Vec<(Name, u32)>,
    /// How many of the jobs that are wanted can be started at once.
    at_once: u32,
}

impl<'a> Served<'a> {
    /// Reads what people have said of queues, and how full those with a limit are.
    pub(super) fn read(connection: &Connection, exchange: &Exchange<'a>, now: Timestamp) -> Result<Self> {
        let (queues, mut paused, mut limited) = (exchange.queues, Vec::new(), Vec::new());
        let mut statement = connection.prepare_cached(sql::GATES)?;
        let mut rows = statement.query([])?;
        while let Some(found) = rows.next()? {
            let queue: Name = found.get(0)?;
            if found.get(1)? {
                paused.push((queue.to_string(), row::optional_time(found, 2).unwrap_or_default()));
            }
            let limits = Limits { running: found.get(3).unwrap_or_default() };
            if !limits.are_none() && queue.is_served_by(queues) {
                let mut held = connection.prepare_cached(sql::HELD_OF_QUEUE)?;
                let held: i64 = held.query_row([&queue], |found| found.get(0))?;
                let room = limits.room(held.unsigned_abs()).unwrap_or(u32::MAX);
                limited.push((queue, room));
            }
        }
        Ok(Self { queues, paused: PausedQueues::at(now, paused), limited, at_once: exchange.at_once() })
    }

    /// Tells whether jobs of a queue are claimed, as far as it is not full.
    pub(super) fn is_claimed_from(&self, queue: &Name) -> bool {
        queue.is_served_by(self.queues) && !self.is_paused(queue)
    }

    /// Tells whether no job of a queue is claimed until a person says so.
    pub(super) fn is_paused_for_good(&self, queue: &Name) -> bool {
        !self.paused.is_empty() && self.paused.stops_for_good(&queue.to_string())
    }

    fn is_paused(&self, queue: &Name) -> bool {
        !self.paused.is_empty() && self.paused.stops(&queue.to_string())
    }

    /// How many jobs of a queue may be claimed, of so many that are wanted.
    pub(super) fn room(&self, queue: &Name, want: usize) -> usize {
        let limited = self.limited.iter().find(|(limited, _)| limited == queue);
        limited.map_or(want, |&(_, room)| want.min(room.min(self.at_once) as usize))
    }

    /// Tells whether a queue with a limit has a ready job and room for it.
    pub(super) fn limited_waits(&self, connection: &Connection) -> Result<bool> {
        for (queue, room) in &self.limited {
            if *room > 0 && !self.is_paused(queue) {
                let mut any = connection.prepare_cached(sql::HOW_MANY_READY)?;
                if any.query_row((queue, 1), |found| found.get::<_, u32>(0))? > 0 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The names of the queues with a limit.
    pub(super) fn limited(&self) -> Vec<String> {
        self.limited.iter().map(|(queue, _)| queue.to_string()).collect()
    }
}

/// A queue that has something, and what comes first in it.
#[derive(Clone)]
pub(super) struct Head<K> {
    pub(super) queue: Name,
    pub(super) key: K,
}

/// The served queues that have something, are not paused and have room. The statement finds
/// the first queue from a name on, and gives its name and the key of what comes first in it,
/// which `key` reads.
pub(super) fn heads<K>(
    connection: &Connection,
    statement: &str,
    served: &Served<'_>,
    key: impl Fn(&Row<'_>) -> Result<K>,
) -> Result<Vec<Head<K>>> {
    let mut next = connection.prepare_cached(statement)?;
    let mut from = |name: &Name| {
        next.query_row([name], |found| Ok(Head { queue: found.get(0)?, key: key(found)? })).optional()
    };
    let mut heads = Vec::new();
    let queues = served.queues;
    for name in queues.names() {
        let name = Name::from(name.as_str());
        heads.extend(from(&name)?.filter(|head| head.queue == name));
    }
    let any_beginning = [String::new()];
    let beginnings = if queues.is_all() { &any_beginning } else { queues.beginnings() };
    for beginning in beginnings {
        let beginning = Name::from(beginning.as_str());
        let mut name = beginning.clone();
        while let Some(head) = from(&name)?.filter(|head| head.queue.begins_with(&beginning)) {
            name = head.queue.clone().next();
            heads.push(head);
        }
    }
    heads.retain(|head| !served.is_paused(&head.queue) && served.room(&head.queue, 1) > 0);
    Ok(heads)
}

/// The first of several queues, each of which gives what it has in order: `read` gives at
/// most so many of one.
///
/// A queue is read only as far as what it has is among the first.
pub(super) fn first_of<K: Ord + Clone>(
    mut heads: Vec<Head<K>>,
    limit: usize,
    mut read: impl FnMut(&Name, usize, &mut dyn FnMut(K) -> bool) -> Result<()>,
) -> Result<Vec<K>> {
    heads.sort_by(|one, other| one.key.cmp(&other.key));
    // The last of them on top.
    let mut first: BinaryHeap<K> = BinaryHeap::new();
    for head in heads {
        if is_behind(&first, limit, &head.key) {
            break;
        }
        read(&head.queue, limit, &mut |key| {
            if is_behind(&first, limit, &key) {
                return false;
            }
            if first.len() == limit {
                first.pop();
            }
            first.push(key);
            true
        })?;
    }
    Ok(first.into_sorted_vec())
}

/// Tells whether a key comes behind enough others.
fn is_behind<K: Ord>(first: &BinaryHeap<K>, limit: usize, key: &K) -> bool {
    limit == 0 || (first.len() >= limit && first.peek().is_some_and(|last| last < key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_first_of_several_queues_are_found_and_no_more_is_read() {
        let queues =
            BTreeMap::from([("a", vec![1, 5, 9, 10]), ("b", vec![2, 3, 20, 21]), ("c", vec![30, 31])]);
        let heads =
            queues.iter().map(|(name, keys)| Head { queue: Name::from(*name), key: keys[0] }).collect();
        let mut read = Vec::new();
        let first = first_of(heads, 3, |name, limit, take| {
            for &key in queues[name.to_string().as_str()].iter().take(limit) {
                read.push(key);
                if !take(key) {
                    break;
                }
            }
            Ok(())
        });
        assert_eq!(first.unwrap(), [1, 2, 3]);
        assert_eq!(read, [1, 5, 9, 2, 3, 20]);
    }

    #[test]
    fn nothing_is_read_where_nothing_is_wanted() {
        let heads = vec![Head { queue: Name::from("a"), key: 1 }];
        assert_eq!(first_of(heads, 0, |_, _, _| unreachable!()).unwrap(), [0; 0]);
    }
}
