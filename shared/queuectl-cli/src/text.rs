//! Text for people: nothing hidden, and units they know.

use jiff::tz::TimeZone;
pub use queuectl_core::parse_duration;
use queuectl_core::{Timestamp, is_hidden};
use queuectl_store::{Life, Stop, Worker};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Shows what is hidden: `\n`, `\t`, `\x1b`, `\u{202e}`.
///
/// A job must not be able to paint over its neighbours, whatever its command is.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            push_escaped(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Writes the escape of a character.
pub(crate) fn push_escaped(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        _ => {
            let number = u32::from(character);
            // Writing to a string cannot fail.
            let _ = match number {
                0..0x80 => write!(shown, "\\x{number:02x}"),
                _ => write!(shown, "\\u{{{number:x}}}"),
            };
        }
    }
}

/// Cuts a text to so many columns of a terminal; what was cut shows as `…`.
pub fn shorten(text: &str, columns: usize) -> Cow<'_, str> {
    // No character is wider than its bytes are many.
    if text.len() <= columns || text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let mut left = columns.saturating_sub(1);
    let fitting = text.char_indices().find_map(|(at, character)| {
        let width = character.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        (!fits).then_some(at)
    });
    let mut shown = text[..fitting.unwrap_or(text.len())].to_owned();
    if columns > 0 {
        shown.push('…');
    }
    Cow::Owned(shown)
}

/// Cuts the beginning of a text, so that its end fits into so many columns of a terminal.
pub fn shorten_beginning(text: &str, columns: usize) -> Cow<'_, str> {
    if text.len() <= columns || text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let mut left = columns.saturating_sub(1);
    let mut from = text.len();
    for (at, character) in text.char_indices().rev() {
        let width = character.width().unwrap_or(0);
        if width > left {
            break;
        }
        (left, from) = (left - width, at);
    }
    let mark = if columns > 0 { "…" } else { "" };
    Cow::Owned(format!("{mark}{}", &text[from..]))
}

/// A number of things: `1 job`, `2 jobs`.
pub fn plural(number: u64, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{ending}")
}

/// How a worker is, in one word.
pub fn worker_state(worker: &Worker) -> &'static str {
    match (worker.life, worker.stop) {
        (Life::Dead, _) => "dead",
        (Life::Unknown, _) => "unknown",
        (Life::Alive, _) if worker.is_stalled => "stalled",
        (Life::Alive, Some(Stop::Graceful)) => "stopping",
        (Life::Alive, Some(Stop::Forced)) => "ending",
        (Life::Alive, None) => "running",
    }
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

/// A point in time for people: `2026-11-22 09:30:12Z`.
pub fn time(time: Timestamp) -> String {
    instant(time).to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A point in time for programs: RFC 3339, UTC, milliseconds.
pub fn rfc3339(time: Timestamp) -> String {
    format!("{:.3}", instant(time))
}

/// The nearest point in time that has a date.
pub(crate) fn instant(time: Timestamp) -> jiff::Timestamp {
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

/// Returns up to three of the candidates that were probably meant, nearest first.
///
/// One slip in three characters is forgiven, and a beginning is enough;
/// nonsense is not corrected.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let forgiven = (wanted.chars().count() / 3).max(1);
    let mut meant: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let slips = strsim::damerau_levenshtein(wanted, candidate);
            let begins = wanted.len() >= 3 && candidate.starts_with(wanted);
            // One letter for another of a name of one or two letters is another name.
            let same_start = wanted.chars().count() > 2 || wanted.chars().next() == candidate.chars().next();
            (begins || (slips <= forgiven && same_start)).then_some((slips, candidate))
        })
        .collect();
    meant.sort_unstable();
    meant.dedup();
    meant.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_shown() {
        assert_eq!(escape("echo 'é 漢' \\n"), "echo 'é 漢' \\n");
        assert_eq!(escape("a\nb\tc\r\u{1b}[31m\0\u{7f}"), r"a\nb\tc\r\x1b[31m\x00\x7f");
        assert_eq!(escape("\u{202e}x\u{200b}\u{9b}"), r"\u{202e}x\u{200b}\u{9b}");
    }

    #[test]
    fn a_short_text_is_never_cut_and_a_long_one_never_too_wide() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abcd", 3), "ab…");
        assert_eq!(shorten("漢字漢字", 5), "漢字…");
        assert_eq!(shorten("漢字漢字", 4), "漢…");
        assert_eq!(shorten("éé", 2), "éé");
        assert_eq!(shorten("abc", 0), "");
        assert_eq!(shorten_beginning("abcd", 3), "…cd");
        assert_eq!(shorten_beginning("abc", 3), "abc");
        assert_eq!(shorten_beginning("漢字漢字", 4), "…字");
        assert_eq!(shorten_beginning("abc", 0), "");
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!((plural(1, "job"), plural(0, "job")), ("1 job".into(), "0 jobs".into()));
        assert_eq!(duration(Duration::from_micros(1_234_567)), "1s 234ms");
        assert_eq!(duration(Duration::from_millis(125_999)), "2m 5s");
        assert_eq!(
            (size(1023), size(1536), size(1 << 20)),
            ("1023 B".into(), "1.5 KiB".into(), "1.0 MiB".into())
        );
        assert_eq!(size(1024 * 1024 - 1), "1.0 MiB");
    }

    #[test]
    fn every_point_in_time_has_a_date() {
        let time_of =
            |millis| (time(Timestamp::from_millis(millis)), rfc3339(Timestamp::from_millis(millis)));
        assert_eq!(
            time_of(1_795_339_812_007),
            ("2026-11-22 09:30:12Z".into(), "2026-11-22T09:30:12.007Z".into())
        );
        for absurd in [i64::MIN, i64::MAX] {
            assert!(!time_of(absurd).0.is_empty());
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
    fn a_slip_is_corrected_and_nonsense_is_not() {
        let names = ["enqueue", "list", "logs", "status", "dlq", "stop", "start"];
        assert_eq!(nearest("enqeue", names), ["enqueue"]);
        assert_eq!(nearest("stat", names), ["start", "status"]);
        assert_eq!(nearest("lst", names), ["list"]);
        assert_eq!(nearest("dlp", names), ["dlq"]);
        assert!(nearest("make-coffee", names).is_empty());
        assert!(nearest("x", names).is_empty());
    }
}
