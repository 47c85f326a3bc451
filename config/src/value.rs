//! What a value of each kind looks like, typed or written in a file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use queuectl_core::{InvalidAmount, Location, NotALocation, duration_of_seconds, parse_duration, parse_size};
use toml::de::DeValue;

use crate::log_level::LogLevel;

/// What the values of a key look like. Bounds are inclusive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A whole number.
    Count { least: u32, most: u32 },
    /// A number, fractions allowed.
    Number { least: f64, most: f64 },
    /// A time: `500ms`, or a number of seconds.
    Duration { least: Duration, most: Duration },
    /// A number of bytes: `1MiB`, or just the number.
    Size { most_bytes: u64 },
    /// How much is logged.
    Level,
    /// A path or a URL.
    Location,
}

/// A value, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Count(u32),
    Number(f64),
    Duration(Duration),
    Size(u64),
    Level(LogLevel),
    /// As it was given: not absolute yet, and `None` is the default one.
    Location(Option<Location>),
}

/// A value as it was given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given<'a> {
    /// By a flag, a variable, or `config set`.
    Typed(&'a OsStr),
    /// By a file, in whose folder relative paths begin.
    Written(&'a DeValue<'a>, &'a Path),
}

/// A value, understood, with the text that shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) value: Value,
    pub(crate) text: String,
}

impl Kind {
    /// Understands a value, or not.
    ///
    /// A file must use TOML's own type for numbers. What has a unit is a text
    /// or a number in both.
    pub(crate) fn read(self, given: Given<'_>) -> Option<Reading> {
        let value = match self {
            Kind::Count { least, most } => Value::Count(
                given.whole().and_then(|n| u32::try_from(n).ok()).filter(|n| (least..=most).contains(n))?,
            ),
            Kind::Number { least, most } => {
                // Adding zero turns -0 into 0.
                Value::Number(given.number().filter(|n| (least..=most).contains(n))? + 0.0)
            }
            Kind::Duration { least, most } => Value::Duration(
                match given.number() {
                    Some(seconds) => duration_of_seconds(seconds),
                    None => parse_duration(given.with_a_unit()?),
                }
                .ok()
                .filter(|duration| (least..=most).contains(duration))?,
            ),
            Kind::Size { most_bytes } => Value::Size(
                given
                    .whole()
                    .or_else(|| parse_size(given.with_a_unit()?).ok())
                    .filter(|bytes| *bytes <= most_bytes)?,
            ),
            Kind::Level => Value::Level(given.text()?.parse().ok()?),
            Kind::Location => Value::Location(given.location()?),
        };
        let text = match &value {
            Value::Count(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Level(level) => level.to_string(),
            Value::Duration(_) | Value::Size(_) => match given.number() {
                Some(number) => number.to_string(),
                None => given.text()?.to_owned(),
            },
            Value::Location(location) => location.as_ref().map(Location::to_string).unwrap_or_default(),
        };
        Some(Reading { value, text })
    }

    /// Says what to type instead of a value that [`read`](Self::read) does not understand.
    pub(crate) fn hint(self, given: Given<'_>) -> Option<String> {
        match (self, given.read_location()) {
            (Kind::Location, Some(Err(error))) => Some(error.hint().to_owned()),
            _ => None,
        }
    }

    /// Says what the key can have instead of this, for messages.
    pub(crate) fn expected_instead_of(self, given: Given<'_>) -> String {
        let ambiguous = given.text().and_then(|text| match self {
            Kind::Duration { .. } => parse_duration(text).err(),
            Kind::Size { .. } => parse_size(text).err(),
            _ => None,
        });
        match ambiguous {
            Some(InvalidAmount::Ambiguous { spellings, .. }) => spellings,
            _ => self.expected(),
        }
    }

    /// Says what the key can have, for messages.
    pub(crate) fn expected(self) -> String {
        match self {
            Kind::Count { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Number { least, most } => format!("a number from {least} to {most}"),
            Kind::Duration { least, most } => format!(
                "a duration from {} to {}, as in 500ms, 2s, 5m (a bare number is seconds)",
                humantime::format_duration(least),
                humantime::format_duration(most)
            ),
            Kind::Size { most_bytes } => {
                format!(
                    "a size from 0 to {} MiB, as in 256KiB, 10MB (a bare number is bytes)",
                    most_bytes >> 20
                )
            }
            Kind::Level => "DEBUG, INFO, WARNING or ERROR".to_owned(),
            Kind::Location => "a path, or a URL such as postgres://USER@HOST/DATABASE".to_owned(),
        }
    }
}

impl<'a> Given<'a> {
    /// Returns what stands between quotes in a file, and everything typed.
    fn text(self) -> Option<&'a str> {
        match self {
            Given::Typed(text) => text.to_str(),
            Given::Written(DeValue::String(text), _) => Some(text),
            Given::Written(..) => None,
        }
    }

    /// Returns a text that is no number: a file has TOML's own numbers.
    fn with_a_unit(self) -> Option<&'a str> {
        self.text().filter(|text| text.trim().parse::<f64>().is_err())
    }

    fn whole(self) -> Option<u64> {
        match self {
            Given::Typed(_) => {
                self.text().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
            }
            Given::Written(DeValue::Integer(integer), _) => {
                u64::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
            Given::Written(..) => None,
        }
    }

    fn number(self) -> Option<f64> {
        let number: f64 = match self {
            Given::Typed(_) => self.text()?.parse().ok()?,
            Given::Written(DeValue::Integer(integer), _) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok()? as f64
            }
            Given::Written(DeValue::Float(float), _) => float.as_str().parse().ok()?,
            Given::Written(..) => return None,
        };
        number.is_finite().then_some(number)
    }

    /// `Some(None)` is an empty text in a file: the default one.
    #[expect(clippy::option_option, reason = "not a location, and the location that is not named, differ")]
    fn location(self) -> Option<Option<Location>> {
        let text = match self {
            Given::Typed(path) if path.is_empty() => return None,
            Given::Written(..) if self.text()?.is_empty() => return Some(None),
            // Paths need not be UTF-8; URLs are.
            Given::Typed(path) if path.to_str().is_none() => {
                return Some(Some(Location::File(PathBuf::from(path))));
            }
            Given::Typed(_) | Given::Written(..) => self.text()?,
        };
        if text.contains('\0') {
            return None;
        }
        Some(Some(self.read_location()?.ok()?))
    }

    /// A text, understood as where a queue is.
    fn read_location(self) -> Option<Result<Location, NotALocation>> {
        let folder = match self {
            Given::Typed(_) => Path::new(""),
            Given::Written(_, folder) => folder,
        };
        Some(Location::read(self.text()?, |path| folder.join(path).symlink_metadata().is_ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    fn typed(key: Key, text: &str) -> Option<Value> {
        key.kind().read(Given::Typed(OsStr::new(text))).map(|reading| reading.value)
    }

    fn written(key: Key, toml: &str) -> Option<Value> {
        let value = DeValue::parse(toml).unwrap();
        key.kind().read(Given::Written(value.get_ref(), Path::new("/nowhere"))).map(|reading| reading.value)
    }

    fn shown(key: Key, text: &str) -> String {
        key.kind().read(Given::Typed(OsStr::new(text))).unwrap().text
    }

    #[test]
    fn a_count_is_a_whole_number_within_its_bounds() {
        assert_eq!(typed(Key::MaxRetries, "0"), Some(Value::Count(0)));
        assert_eq!(typed(Key::MaxRetries, "1000000"), Some(Value::Count(1_000_000)));
        assert_eq!(written(Key::MaxRetries, "1_000"), Some(Value::Count(1000)));
        assert_eq!(written(Key::MaxRetries, "0x10"), Some(Value::Count(16)));
        for text in ["", "-1", "+1", "1000001", "3.0", "three", " 3", "3 ", "99999999999999999999", "1e3"] {
            assert_eq!(typed(Key::MaxRetries, text), None, "{text}");
        }
        for toml in ["'3'", "3.0", "true", "[3]", "{}", "-1", "2020-01-01", "9223372036854775807"] {
            assert_eq!(written(Key::MaxRetries, toml), None, "{toml}");
        }
        for key in [Key::WorkerCount, Key::Concurrency] {
            assert_eq!((typed(key, "0"), typed(key, "1025")), (None, None));
            assert_eq!(typed(key, "1024"), Some(Value::Count(1024)));
        }
        assert_eq!(
            (typed(Key::CrashLimit, "0"), typed(Key::CrashLimit, "1001")),
            (Some(Value::Count(0)), None)
        );
    }

    #[test]
    fn a_number_may_have_a_fraction_and_is_finite() {
        assert_eq!(typed(Key::BackoffBase, "1.5"), Some(Value::Number(1.5)));
        assert_eq!(typed(Key::BackoffBase, "2"), Some(Value::Number(2.0)));
        assert_eq!(written(Key::BackoffBase, "1.5e1"), Some(Value::Number(15.0)));
        assert_eq!(written(Key::BackoffBase, "2"), Some(Value::Number(2.0)));
        for text in ["inf", "nan", "-1", "-inf", "1000000.1", "1e999", ""] {
            assert_eq!(typed(Key::BackoffBase, text), None, "{text}");
        }
        for toml in ["inf", "nan", "'2'", "true", "-0.1"] {
            assert_eq!(written(Key::BackoffBase, toml), None, "{toml}");
        }
        assert_eq!(shown(Key::BackoffBase, "-0"), "0");
    }

    #[test]
    fn a_bare_duration_is_seconds() {
        assert_eq!(typed(Key::PollInterval, "2"), Some(Value::Duration(Duration::from_secs(2))));
        assert_eq!(typed(Key::PollInterval, "0.25"), Some(Value::Duration(Duration::from_millis(250))));
        assert_eq!(written(Key::PollInterval, "0.25"), Some(Value::Duration(Duration::from_millis(250))));
        assert_eq!(written(Key::PollInterval, "'2m'"), Some(Value::Duration(Duration::from_mins(2))));
        assert_eq!(typed(Key::BackoffMax, "1h 30m"), Some(Value::Duration(Duration::from_mins(90))));
        assert_eq!(typed(Key::JobTimeout, "0"), Some(Value::Duration(Duration::ZERO)));
        assert_eq!(typed(Key::PollInterval, "24h"), Some(Value::Duration(Duration::from_hours(24))));
    }

    #[test]
    fn a_duration_has_bounds() {
        for text in ["0", "0s", "-1", "25h", "1e300", "nan", "2 parsecs", "", "100us"] {
            assert_eq!(typed(Key::PollInterval, text), None, "{text}");
        }
        for toml in ["0", "-1", "true", "''", "[]", "'2'"] {
            assert_eq!(written(Key::PollInterval, toml), None, "{toml}");
        }
        assert!(Key::PollInterval.kind().expected().starts_with("a duration from 1ms to 1day"));
        assert!(Key::BackoffMax.kind().expected().starts_with("a duration from 0s to 10years"));
    }

    #[test]
    fn a_unit_with_two_meanings_is_refused_with_both_spellings() {
        let said = |key: Key, text: &str| key.kind().expected_instead_of(Given::Typed(OsStr::new(text)));
        assert_eq!((typed(Key::JobTimeout, "5M"), typed(Key::OutputLimit, "1M")), (None, None));
        assert!(said(Key::JobTimeout, "5M").contains("5m for minutes, or 5months"));
        assert!(
            said(Key::OutputLimit, "1M").contains("1MB") && said(Key::OutputLimit, "1M").contains("1MiB")
        );
        assert!(said(Key::OutputLimit, "2GiB").starts_with("a size from 0"));
        assert_eq!(typed(Key::JobTimeout, "0.0005"), None, "it would be told from none nowhere");
    }

    #[test]
    fn a_size_is_bytes_or_has_a_unit() {
        for (text, bytes) in [
            ("1048576", 1 << 20),
            ("1MiB", 1 << 20),
            ("256KiB", 256 << 10),
            ("10MB", 10_000_000),
            ("0", 0),
            ("1 gib", 1 << 30),
        ] {
            assert_eq!(typed(Key::OutputLimit, text), Some(Value::Size(bytes)), "{text}");
        }
        assert_eq!(written(Key::OutputLimit, "4096"), Some(Value::Size(4096)));
        assert_eq!(written(Key::OutputLimit, "'1MiB'"), Some(Value::Size(1 << 20)));
        for text in ["", "MiB", "-1", "1M", "1.5MiB", "2GiB", "1073741825", "18446744073709551615GiB"] {
            assert_eq!(typed(Key::OutputLimit, text), None, "{text}");
        }
        for toml in ["4096.0", "-1", "true", "'4096'"] {
            assert_eq!(written(Key::OutputLimit, toml), None, "{toml}");
        }
    }

    #[test]
    fn a_log_level_is_taken_in_any_case_and_shown_in_one() {
        for (text, level) in
            [("debug", "DEBUG"), ("Info", "INFO"), ("warn", "WARNING"), ("WARNING", "WARNING")]
        {
            assert_eq!(shown(Key::LogLevel, text), level);
        }
        assert_eq!(typed(Key::LogLevel, "TRACE"), None);
        assert_eq!(written(Key::LogLevel, "1"), None);
    }

    #[test]
    fn a_database_is_a_path_or_has_a_scheme() {
        let url = "postgres://user@host/queue";
        assert_eq!(typed(Key::Database, url), Some(Value::Location(Some(Location::Url(url.to_owned())))));
        for path in ["queue.db", "./a:b", "./postgres://x", "~/q.db"] {
            assert_eq!(typed(Key::Database, path), Some(Value::Location(Some(Location::File(path.into())))));
        }
        for neither in ["", "a:b", "://x", "shop", "POSTGRES://h/q", "'postgres://h/q'"] {
            assert_eq!(typed(Key::Database, neither), None);
        }
        assert_eq!(written(Key::Database, "''"), Some(Value::Location(None)));
        assert_eq!(written(Key::Database, "\"a\\u0000b\""), None);
        assert_eq!(written(Key::Database, "1"), None);
    }

    #[test]
    fn a_value_is_shown_as_it_was_typed() {
        for (key, text) in [
            (Key::MaxRetries, "5"),
            (Key::BackoffBase, "1.5"),
            (Key::BackoffMax, "24h"),
            (Key::PollInterval, "4"),
            (Key::OutputLimit, "1MiB"),
            (Key::OutputLimit, "1048576"),
        ] {
            assert_eq!(shown(key, text), text);
        }
        assert_eq!(shown(Key::MaxRetries, "007"), "7");
    }
}
