//! Numbers, spans of time and sizes, as people write and read them.
//!
//! How they are read stands in the core, where the settings find it too.

pub use queuectl_core::{InvalidAmount, parse_duration, parse_size, two_units};

use std::time::Duration;

/// A number of things: `1 job`, `2 jobs`.
pub fn plural(number: u64, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{ending}")
}

/// A large number as people write it: `1,234`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A duration as people write it, no finer than they care: `340ms`, `2m 5s`.
pub fn duration(span: Duration) -> String {
    let shown = match span.as_secs() {
        0..10 => Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        seconds => Duration::from_secs(seconds),
    };
    humantime::format_duration(shown).to_string()
}

/// A number of bytes as people write it: `512 B`, `1.5 KiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// A span in whole milliseconds, as documents have it.
pub fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!((plural(1, "job"), plural(0, "job")), ("1 job".into(), "0 jobs".into()));
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(duration(Duration::from_micros(1_234_567)), "1s 234ms");
        assert_eq!(duration(Duration::from_millis(125_999)), "2m 5s");
        assert_eq!(
            (size(1023), size(1536), size(1 << 20)),
            ("1023 B".into(), "1.5 KiB".into(), "1.0 MiB".into())
        );
        assert_eq!(size(1024 * 1024 - 1), "1.0 MiB");
    }
}
