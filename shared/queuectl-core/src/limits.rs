//! How many jobs of a queue may run at a time.

/// What bounds the jobs of a queue, over all workers and machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// So many of its jobs may be held by workers at a time; none means any number.
    pub running: Option<u32>,
}

impl Limits {
    /// The highest limit; more is a slip of the hand.
    pub const MOST_RUNNING: u32 = 1_000_000;

    /// Tells whether nothing is bounded.
    pub const fn are_none(&self) -> bool {
        self.running.is_none()
    }

    /// How many more jobs may be claimed while workers hold so many; none means any number.
    /// A limit that was lowered ends nothing: nothing is claimed until fewer are held.
    pub fn room(&self, held: u64) -> Option<u32> {
        let running = self.running?;
        Some(u32::try_from(u64::from(running).saturating_sub(held)).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_many_as_are_missing_from_the_limit() {
        let limits = Limits { running: Some(2) };
        let rooms = [0, 1, 2, 3, u64::MAX].map(|held| limits.room(held).unwrap());
        assert_eq!(rooms, [2, 1, 0, 0, 0]);
        assert_eq!(Limits::default().room(9), None);
        assert!(Limits::default().are_none() && !limits.are_none());
    }
}
