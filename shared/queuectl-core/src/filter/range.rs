//! A span of time that has a beginning or an end, or neither.

use crate::time::Timestamp;

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// It begins with this time; none means that it has no beginning.
    pub from: Option<Timestamp>,
    /// It ends before this time; none means that it has no end.
    pub until: Option<Timestamp>,
}

impl TimeRange {
    /// Every time, and no time as well.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// Tells whether a time is in it. What has no time is in none but [`ALWAYS`](Self::ALWAYS).
    pub fn contains(&self, time: Option<Timestamp>) -> bool {
        let Some(time) = time else { return *self == Self::ALWAYS };
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }

    /// Tells whether it ends before it begins.
    pub fn is_reversed(&self) -> bool {
        self.from.zip(self.until).is_some_and(|(from, until)| until < from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_beginning_and_not_its_end() {
        let at = |millis| Some(Timestamp::from_millis(millis));
        let range = TimeRange { from: at(10), until: at(20) };
        let inside: Vec<i64> = (0..30).filter(|&millis| range.contains(at(millis))).collect();
        assert_eq!(inside, (10..20).collect::<Vec<_>>());
        assert!(!range.contains(None) && TimeRange::ALWAYS.contains(None));
        assert!(!range.is_reversed() && TimeRange { from: at(2), until: at(1) }.is_reversed());
    }
}
