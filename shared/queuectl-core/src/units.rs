//! Units of time and size: one table for everything that people write.
//!
//! Not by `humantime`, which takes `5M` for months and knows no capitals and no sizes.

use std::time::Duration;

/// The longest duration: ten years of 365.25 days, as `humantime` shows them too.
pub const LONGEST_DURATION: Duration = Duration::from_hours(87_660);

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A twelfth of a year.
const MONTH: u64 = 2_630_016 * SECOND;
const YEAR: u64 = 31_557_600 * SECOND;

/// Units of time in milliseconds; capitals are as good, but for a lone `M`.
const TIMES: [(&[&str], u64); 8] = [
    (&["ms", "msec", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "secs", "second", "seconds"], SECOND),
    (&["m", "min", "mins", "minute", "minutes"], MINUTE),
    (&["h", "hr", "hrs", "hour", "hours"], HOUR),
    (&["d", "day", "days"], DAY),
    (&["w", "wk", "wks", "week", "weeks"], 7 * DAY),
    (&["month", "months"], MONTH),
    (&["y", "yr", "yrs", "year", "years"], YEAR),
];

/// Units of size in bytes; capitals are as good as small letters.
const SIZES: [(&str, u64); 7] = [
    ("b", 1),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

/// Why a text is no duration or no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// It is none.
    #[error("expected a duration such as 500ms, 30s, 10m, 24h or 7d")]
    NoDuration,
    /// It is none.
    #[error("expected a size such as 256KiB, 10MB or 1GiB")]
    NoSize,
    /// Its unit means one thing to some and another to others.
    #[error("`{unit}` can be meant both ways; write {spellings}")]
    Ambiguous {
        /// The unit as it was written.
        unit: String,
        /// How to write each of the two, with what they mean.
        spellings: String,
    },
    /// Something, and less than the queue can tell from nothing.
    #[error("shorter than 1ms")]
    TooShort,
    /// Longer than [`LONGEST_DURATION`].
    #[error("longer than 10 years")]
    TooLong,
}

/// Understands a duration as people write it: `30s`, `10m`, `7d`, `1h 30m`; a bare
/// number is seconds.
///
/// # Errors
///
/// [`InvalidAmount`]. `M` is refused, since it is minutes to some and months to others.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidAmount> {
    let text = text.trim();
    match text.parse::<f64>() {
        Ok(seconds) => duration_of_seconds(seconds),
        Err(_) => within_bounds(sum_of_parts(text)?),
    }
}

/// Understands a number of seconds, as a file or a document may have it.
///
/// # Errors
///
/// [`InvalidAmount`].
pub fn duration_of_seconds(seconds: f64) -> Result<Duration, InvalidAmount> {
    if seconds.is_finite() && seconds >= 0.0 {
        within_bounds(Duration::try_from_secs_f64(seconds).map_err(|_| InvalidAmount::TooLong)?)
    } else {
        Err(InvalidAmount::NoDuration)
    }
}

fn within_bounds(span: Duration) -> Result<Duration, InvalidAmount> {
    if span > LONGEST_DURATION {
        Err(InvalidAmount::TooLong)
    } else if !span.is_zero() && span < Duration::from_millis(1) {
        Err(InvalidAmount::TooShort)
    } else {
        Ok(span)
    }
}

/// Understands `1h 30m`: numbers, each with its unit.
fn sum_of_parts(text: &str) -> Result<Duration, InvalidAmount> {
    let mut sum = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split_where(rest, |c| !(c.is_ascii_digit() || c == '.'));
        let (unit, after) = split_where(after.trim_start(), |c| !c.is_alphabetic());
        let amount: f64 = number.parse().map_err(|_| InvalidAmount::NoDuration)?;
        let seconds = amount * milliseconds(number, unit)? as f64 / 1000.0;
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| InvalidAmount::TooLong)?;
        sum = sum.checked_add(part).ok_or(InvalidAmount::TooLong)?;
        rest = after.trim_start();
    }
    if text.is_empty() { Err(InvalidAmount::NoDuration) } else { Ok(sum) }
}

fn milliseconds(number: &str, unit: &str) -> Result<u64, InvalidAmount> {
    if unit == "M" {
        let spellings = format!("{number}m for minutes, or {number}months");
        return Err(InvalidAmount::Ambiguous { unit: unit.to_owned(), spellings });
    }
    let small = unit.to_ascii_lowercase();
    let found = TIMES.iter().find(|(spellings, _)| spellings.contains(&small.as_str()));
    found.map(|(_, milliseconds)| *milliseconds).ok_or(InvalidAmount::NoDuration)
}

/// A duration in the two largest units that it has: `40 s`, `12 m 30 s`, `1 h 59 m`,
/// `2 d`. What is begun of a second counts as one: what is due in 59.9 s is due in a
/// minute, and never in 0 s.
pub fn two_units(span: Duration) -> String {
    let seconds = u64::try_from(span.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    let both = |large: u64, large_unit, small: u64, small_unit| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => both(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => both(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => both(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// Understands a size as people write it: `256KiB`, `10MB`; a bare number is bytes.
///
/// # Errors
///
/// [`InvalidAmount`]. `K`, `M` and `G` are refused, since they are powers of 1000 to
/// some and of 1024 to others.
pub fn parse_size(text: &str) -> Result<u64, InvalidAmount> {
    let (number, unit) = split_where(text, |c| !c.is_ascii_digit());
    let unit = unit.trim_start();
    let factor = match (unit.to_ascii_lowercase().as_str(), unit) {
        ("", "") => 1,
        (small @ ("k" | "m" | "g"), _) => {
            let capital = small.to_ascii_uppercase();
            let spellings =
                format!("{number}{capital}B for powers of 1000, or {number}{capital}iB for powers of 1024");
            return Err(InvalidAmount::Ambiguous { unit: unit.to_owned(), spellings });
        }
        (small, _) => SIZES.iter().find(|(name, _)| *name == small).ok_or(InvalidAmount::NoSize)?.1,
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or(InvalidAmount::NoSize)
}

fn split_where(text: &str, is_other: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_other).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_a_unit() {
        for (text, millis) in [
            ("30s", 30_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("0", 0),
            ("0s", 0),
            ("2.5", 2500),
            ("1.5h", 5_400_000),
            ("500 ms", 500),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("5H", 18_000_000),
            ("5MIN", 300_000),
            ("5months", 5 * 2_630_016_000),
            (" 10years ", 315_576_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "-1", "soon", "NaN", "inf", "5", "s", "1h30", "5 parsecs", "1..5h", "5µs", "5us"] {
            let expected =
                if text == "5" { Ok(Duration::from_secs(5)) } else { Err(InvalidAmount::NoDuration) };
            assert_eq!(parse_duration(text), expected, "{text}");
        }
        for text in ["1e300", "11y", "99999999999999999999s", "9e9d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(parse_duration("11y"), Err(InvalidAmount::TooLong));
        for text in ["0.0001", "0.5ms"] {
            assert_eq!(parse_duration(text), Err(InvalidAmount::TooShort), "{text}");
        }
    }

    #[test]
    fn a_duration_is_told_in_two_units_at_most() {
        for (millis, told) in [
            (0, "0 s"),
            (1, "1 s"),
            (59_000, "59 s"),
            (59_900, "1 m"),
            (61_000, "1 m 1 s"),
            (7_199_000, "1 h 59 m"),
            (7_199_700, "2 h"),
            (3 * 86_400_000 - 1000, "2 d 23 h"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(two_units(Duration::from_millis(millis)), told, "{millis} ms");
        }
    }

    #[test]
    fn a_unit_with_two_meanings_is_refused_with_both_spellings() {
        for text in ["5M", "1h 5M", "5 M"] {
            let said = parse_duration(text).unwrap_err().to_string();
            assert!(said.contains("5m") && said.contains("5months"), "{said}");
        }
        for (text, spellings) in
            [("1M", ["1MB", "1MiB"]), ("64k", ["64KB", "64KiB"]), ("2 G", ["2GB", "2GiB"])]
        {
            let said = parse_size(text).unwrap_err().to_string();
            assert!(spellings.iter().all(|spelling| said.contains(spelling)), "{said}");
        }
    }

    #[test]
    fn a_size_is_bytes_or_has_a_unit() {
        for (text, bytes) in [
            ("1048576", 1 << 20),
            ("1MiB", 1 << 20),
            ("256kib", 256 << 10),
            ("10MB", 10_000_000),
            ("1 gib", 1 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "18446744073709551615GiB", "1TB"] {
            assert_eq!(parse_size(text), Err(InvalidAmount::NoSize), "{text}");
        }
    }
}
