//! Points in time, as programs write and read them.

use crate::amounts::parse_duration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use queuectl_core::{InvalidAmount, Timestamp};
use std::time::Duration;

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

/// A point in time as people mean one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Then.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl When {
    /// The point in time, as seen from now.
    pub fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => now.before(span),
        }
    }
}

/// Understands a point in time as people write it: a date, which begins at midnight, a date
/// and time, both of where they are unless a zone stands behind it, or a span before now.
///
/// # Errors
///
/// What is expected, if it is none of them, or could be two.
pub fn parse_when(text: &str) -> Result<When, String> {
    parse_when_in(text, &TimeZone::system())
}

fn parse_when_in(text: &str, zone: &TimeZone) -> Result<When, String> {
    let text = text.trim();
    let date = || text.parse::<DateTime>();
    match parse_duration(text) {
        // Such a number of seconds is 200 days and more, and nobody means it.
        Ok(_) if text.len() == "20261122".len() && text.parse::<u32>().is_ok() && date().is_ok() => {
            let (year, month, day) = (&text[..4], &text[4..6], &text[6..]);
            Err(format!(
                "`{text}` can be meant both ways; write {year}-{month}-{day}, or {text}s for seconds"
            ))
        }
        Ok(span) => Ok(When::Ago(span)),
        Err(InvalidAmount::NoDuration) => {
            let with_zone = parse_time(text).ok();
            let local = || Some(date().ok()?.to_zoned(zone.clone()).ok()?.timestamp());
            let time =
                with_zone.or_else(|| local().map(|time| Timestamp::from_millis(time.as_millisecond())));
            time.map(When::At).ok_or_else(|| {
                "expected a date such as 2026-11-22, a time such as 2026-11-22T09:30:00Z, or a span before now \
                 such as 2h"
                    .to_owned()
            })
        }
        Err(problem) => Err(problem.to_string()),
    }
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

    #[test]
    fn a_person_names_a_date_a_time_or_how_long_ago_it_was() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let read = |text| parse_when_in(text, &zone);
        let at = |text| Ok(When::At(parse_time(text).unwrap()));
        assert_eq!(read("2026-11-22"), at("2026-11-21T23:00:00Z"));
        assert_eq!(read("2026-11-22 14:05"), at("2026-11-22T13:05:00Z"));
        assert_eq!(read("2026-11-22T14:05:09"), at("2026-11-22T13:05:09Z"));
        assert_eq!(read("2026-11-22T14:05:09.5Z"), at("2026-11-22T14:05:09.5Z"));
        assert_eq!(read("2026-11-22 14:05:09+03:00"), at("2026-11-22T11:05:09Z"));
        assert_eq!(read("2h"), Ok(When::Ago(Duration::from_hours(2))));
        assert_eq!(read("90"), Ok(When::Ago(Duration::from_secs(90))));
        let now = Timestamp::from_millis(7_200_001);
        assert_eq!(When::Ago(Duration::from_hours(2)).before(now), Timestamp::from_millis(1));
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        let said = |text| parse_when_in(text, &TimeZone::UTC).unwrap_err();
        for text in ["", "yesterday", "2026-13-01", "2026-11-31", "14:05", "-2h", "2026-11"] {
            assert!(said(text).starts_with("expected a date such as"), "{text}: {}", said(text));
        }
        assert!(said("20261122").contains("2026-11-22") && said("20261122").contains("20261122s"));
        assert!(said("5M").contains("5months"));
        assert!(said("11y").contains("10 years"));
    }
}
