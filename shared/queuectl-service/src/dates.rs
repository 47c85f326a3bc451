//! Points in time, as programs write and read them.

use queuectl_core::Timestamp;

/// A point in time for programs: RFC 3339, UTC, milliseconds.
pub fn rfc3339(time: Timestamp) -> String {
    format!("{:.3}", instant(time))
}

/// The nearest point in time that has a date.
pub fn instant(time: Timestamp) -> jiff::Timestamp {
    let nearest = if time.as_millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or(nearest)
}

/// Understands a point in time as programs write it: RFC 3339, in any zone.
///
/// # Errors
///
/// What is expected, if it is none.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let instant: Result<jiff::Timestamp, _> = text.trim().parse();
    instant
        .map(|instant| Timestamp::from_millis(instant.as_millisecond()))
        .map_err(|_| "expected a time with its zone, such as 2030-01-01T09:30:00Z".to_owned())
}

/// The same of a point in time that may be missing.
pub(crate) fn optional_rfc3339(time: Option<Timestamp>) -> Option<String> {
    time.map(rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_in_time_has_a_date() {
        assert_eq!(rfc3339(Timestamp::from_millis(1_795_339_812_007)), "2026-11-22T09:30:12.007Z");
        for absurd in [i64::MIN, i64::MAX] {
            assert!(!rfc3339(Timestamp::from_millis(absurd)).is_empty());
        }
    }

    #[test]
    fn a_time_is_read_as_it_is_printed() {
        let printed = Timestamp::from_millis(1_795_339_812_007);
        assert_eq!(parse_time(&rfc3339(printed)), Ok(printed));
        assert_eq!(parse_time("2026-11-22T11:30:12.007+02:00"), Ok(printed));
        for text in ["", "soon", "2026-11-22", "2026-11-22T09:30:12", "1795339812"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
