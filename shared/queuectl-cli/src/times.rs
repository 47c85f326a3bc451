//! Times for people: local and short on a terminal, UTC and full in a pipe.

use crate::context::Context;
use jiff::tz::TimeZone;
use queuectl_core::Timestamp;
use queuectl_service::amounts::two_units;
use queuectl_service::dates::instant;
use queuectl_service::why::TimeWords;
use std::time::Duration;

/// Shows times as the reader of standard output wants them.
#[derive(Clone, Debug)]
pub struct Times {
    now: Timestamp,
    /// Where the person is; none in a pipe.
    zone: Option<TimeZone>,
}

impl Times {
    /// For the reader of this program's standard output; the time is that of the queue
    /// that was opened last.
    pub fn of(cx: &Context) -> Self {
        Self { now: cx.now(), zone: cx.output().is_terminal().then(TimeZone::system) }
    }

    /// A time in a table: `14:05:09` if it is today, else `3 d ago`.
    pub fn short(&self, time: Timestamp) -> String {
        let Some(zone) = &self.zone else { return in_utc(time) };
        let local = |time| instant(time).to_zoned(zone.clone());
        if local(time).date() == local(self.now).date() {
            return local(time).strftime("%H:%M:%S").to_string();
        }
        self.distance(time)
    }

    /// When something is due: `in 40 s`, `now`.
    pub fn due(&self, time: Timestamp) -> String {
        match &self.zone {
            None => in_utc(time),
            Some(_) if time <= self.now => "now".to_owned(),
            Some(_) => self.distance(time),
        }
    }

    /// How long something has been going on: `for 1 m 5 s`.
    pub fn since(&self, time: Timestamp) -> String {
        format!("for {}", two_units(self.until_now(time)))
    }

    /// How long ago it was, in whole seconds.
    pub(crate) fn until_now(&self, time: Timestamp) -> Duration {
        Duration::from_secs(self.now.since(time).as_secs())
    }

    /// A time on a line of its own: `2026-11-22 14:05:09 (3 d ago)`.
    pub fn full(&self, time: Timestamp) -> String {
        let Some(zone) = &self.zone else { return in_utc(time) };
        let local = instant(time).to_zoned(zone.clone());
        format!("{} ({})", local.strftime("%Y-%m-%d %H:%M:%S"), self.distance(time))
    }

    fn distance(&self, time: Timestamp) -> String {
        if time > self.now {
            format!("in {}", two_units(time.since(self.now)))
        } else {
            format!("{} ago", coarse(self.now.since(time)))
        }
    }
}

impl TimeWords for Times {
    fn past(&self, at: Timestamp) -> String {
        self.short(at)
    }

    fn due(&self, at: Timestamp) -> String {
        Self::due(self, at)
    }
}

/// A point in time for people: `2026-11-22 09:30:12Z`.
fn in_utc(time: Timestamp) -> String {
    instant(time).to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// How long ago something was, in one unit: `40 s`, `12 m`, `9 h`, `3 d`.
fn coarse(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} m", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

    fn on_a_terminal(hours_from_utc: i8) -> Times {
        Times { now: NOON, zone: Some(TimeZone::fixed(jiff::tz::offset(hours_from_utc))) }
    }

    #[test]
    fn a_time_of_today_is_local_and_another_is_a_distance() {
        let times = on_a_terminal(1);
        assert_eq!(times.short(NOON), "13:00:00");
        assert_eq!(times.short(NOON.before(Duration::from_hours(14))), "14 h ago");
        assert_eq!(times.short(NOON.before(Duration::from_hours(80))), "3 d ago");
        assert_eq!(times.short(NOON.after(Duration::from_hours(100))), "in 4 d 4 h");
        assert_eq!(times.full(NOON.before(Duration::from_secs(5))), "2026-11-22 12:59:55 (5 s ago)");
    }

    #[test]
    fn what_is_due_is_told_by_how_long_that_takes() {
        let times = on_a_terminal(0);
        let due = |seconds| times.due(NOON.after(Duration::from_secs(seconds)));
        assert_eq!([due(0), due(1), due(59), due(61)], ["now", "in 1 s", "in 59 s", "in 1 m 1 s"]);
        assert_eq!([due(7199), due(259_199)], ["in 1 h 59 m", "in 2 d 23 h"]);
    }

    #[test]
    fn what_goes_on_is_told_by_whole_seconds() {
        let since = |millis| on_a_terminal(0).since(NOON.before(Duration::from_millis(millis)));
        assert_eq!([since(900), since(3999), since(3_660_000)], ["for 0 s", "for 3 s", "for 1 h 1 m"]);
    }

    #[test]
    fn in_a_pipe_every_time_is_full() {
        let times = Times { now: NOON, zone: None };
        for shown in [times.short(NOON), times.due(NOON), times.full(NOON)] {
            assert_eq!(shown, "2026-11-22 12:00:00Z");
        }
    }
}
