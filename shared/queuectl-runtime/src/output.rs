//! What is kept of what a job writes.
//!
//! The head and a rolling tail; the middle is dropped and counted. Rows are
//! handed to the store at 64 KiB or after a second, so that it can be followed
//! from anywhere, and memory stays bounded however much a job writes.

use queuectl_core::{Lease, Stream, Timestamp};
use queuectl_store::{OutputPart, OutputTrim};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A part is handed to the store when it has so many bytes …
const PART_BYTES: usize = 64 * 1024;

/// … or is so old.
pub(crate) const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// The longest line of standard error that is kept to explain a failure.
const LAST_WORDS_BYTES: usize = 200;

/// The output of one running attempt.
#[derive(Debug)]
pub(crate) struct OutputBuffer {
    lease: Lease,
    started_at: Timestamp,
    head_left: u64,
    tail_limit: u64,
    part_limit: usize,
    /// Parts not yet handed to the store, oldest first; the last may still grow.
    fresh: VecDeque<Part>,
    /// Number and size of the parts of the tail that the store has.
    stored_tail: VecDeque<(i64, u64)>,
    tail_bytes: u64,
    /// Rows of the store that have fallen out of the tail.
    trim: Option<(i64, i64)>,
    next_n: i64,
    oldest_fresh: Option<Instant>,
    written: u64,
    dropped: u64,
    last_words: LastWords,
}

#[derive(Debug)]
struct Part {
    n: i64,
    stream: Stream,
    at: Timestamp,
    bytes: Vec<u8>,
    in_tail: bool,
}

impl OutputBuffer {
    /// Keeps at most `limit` bytes: a quarter from the beginning, the rest from the end.
    pub(crate) fn new(lease: Lease, started_at: Timestamp, limit: u64) -> Self {
        let head = limit / 4;
        let tail_limit = limit - head;
        Self {
            lease,
            started_at,
            head_left: head,
            tail_limit,
            // Small enough that dropping a whole part costs little of the tail.
            part_limit: usize::try_from(tail_limit / 12).unwrap_or(usize::MAX).clamp(1, PART_BYTES),
            fresh: VecDeque::new(),
            stored_tail: VecDeque::new(),
            tail_bytes: 0,
            trim: None,
            next_n: 0,
            oldest_fresh: None,
            written: 0,
            dropped: 0,
            last_words: LastWords::default(),
        }
    }

    /// Takes what the job has written.
    pub(crate) fn append(&mut self, stream: Stream, mut bytes: &[u8], at: Timestamp) {
        self.written += bytes.len() as u64;
        if stream == Stream::Stderr {
            self.last_words.append(bytes);
        }
        if self.head_left == 0 && self.tail_limit == 0 {
            self.dropped += bytes.len() as u64;
            return;
        }
        // What would fall out of the tail before it was handed over is not even copied.
        let room = usize::try_from(self.head_left.saturating_add(self.tail_limit)).unwrap_or(usize::MAX);
        if self.head_left == 0 && bytes.len() > room {
            let skipped = bytes.len() - room;
            self.dropped += skipped as u64;
            bytes = &bytes[skipped..];
        }
        while !bytes.is_empty() {
            let in_tail = self.head_left == 0;
            let taken = self.room_in_part(stream, in_tail, at).min(bytes.len());
            let (now, later) = bytes.split_at(taken);
            if let Some(part) = self.fresh.back_mut() {
                part.bytes.extend_from_slice(now);
            }
            if in_tail {
                self.tail_bytes += taken as u64;
                self.forget_beyond_the_tail();
            } else {
                self.head_left -= taken as u64;
            }
            bytes = later;
        }
        self.oldest_fresh.get_or_insert_with(Instant::now);
    }

    /// Makes sure that the last part can grow; tells by how much.
    fn room_in_part(&mut self, stream: Stream, in_tail: bool, at: Timestamp) -> usize {
        let limit = if in_tail { self.part_limit } else { PART_BYTES };
        let fits = |part: &Part| part.stream == stream && part.in_tail == in_tail && part.bytes.len() < limit;
        if !self.fresh.back().is_some_and(fits) {
            self.fresh.push_back(Part { n: self.next_n, stream, at, bytes: Vec::new(), in_tail });
            self.next_n += 1;
        }
        let room = self.fresh.back().map_or(0, |part| limit - part.bytes.len());
        if in_tail { room } else { room.min(usize::try_from(self.head_left).unwrap_or(usize::MAX)) }
    }

    /// Drops whole parts from the beginning of the tail while it is too long.
    fn forget_beyond_the_tail(&mut self) {
        while self.tail_bytes > self.tail_limit {
            let size = if let Some((n, size)) = self.stored_tail.pop_front() {
                self.trim = Some((self.trim.map_or(n, |(from, _)| from), n));
                size
            } else if let Some(index) = self.fresh.iter().position(|part| part.in_tail)
                && index + 1 < self.fresh.len()
            {
                self.fresh.remove(index).map_or(0, |part| part.bytes.len() as u64)
            } else {
                return;
            };
            self.tail_bytes -= size;
            self.dropped += size;
        }
    }

    /// Tells whether there is something the store should have by now.
    pub(crate) fn is_due(&self) -> bool {
        self.fresh.front().is_some_and(|part| part.bytes.len() >= PART_BYTES && !part.in_tail)
            || self.oldest_fresh.is_some_and(|oldest| oldest.elapsed() >= FLUSH_AFTER)
    }

    /// When there will be something due; none if there is nothing.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.oldest_fresh.map(|oldest| oldest + FLUSH_AFTER)
    }

    /// Hands over what the store does not have yet, and what it may forget.
    pub(crate) fn flush(&mut self, parts: &mut Vec<OutputPart>, trims: &mut Vec<OutputTrim>) {
        self.oldest_fresh = None;
        let (lease, started_at) = (self.lease, self.started_at);
        for Part { n, stream, at, bytes, in_tail } in self.fresh.drain(..) {
            if in_tail {
                self.stored_tail.push_back((n, bytes.len() as u64));
            }
            parts.push(OutputPart { lease, started_at, n, stream, at, bytes });
        }
        trims.extend(self.trim.take().map(|(from, to)| OutputTrim { lease, from, to }));
    }

    /// Bytes the job has written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes of these that are not kept.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The last line of standard error with something in it.
    pub(crate) fn last_words(&self) -> Option<String> {
        self.last_words.get()
    }
}

/// Remembers the last line of a stream, or the beginning of it.
#[derive(Debug, Default)]
struct LastWords {
    line: Vec<u8>,
    previous: Vec<u8>,
}

impl LastWords {
    fn append(&mut self, bytes: &[u8]) {
        // Only the end can matter.
        let from = bytes.len().saturating_sub(16 * LAST_WORDS_BYTES);
        for piece in bytes[from..].split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LAST_WORDS_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                let line = std::mem::take(&mut self.line);
                if !line.trim_ascii().is_empty() {
                    self.previous = line;
                }
            }
        }
    }

    fn get(&self) -> Option<String> {
        let line = if self.line.trim_ascii().is_empty() { &self.previous } else { &self.line };
        let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::Seq;

    const LEASE: Lease = Lease { seq: Seq(1), number: 1 };
    const NOW: Timestamp = Timestamp::from_millis(0);

    fn buffer(limit: u64) -> OutputBuffer {
        OutputBuffer::new(LEASE, NOW, limit)
    }

    /// What the store would hold, flushing after every write.
    fn kept(limit: u64, writes: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut buffer = buffer(limit);
        let mut rows: Vec<OutputPart> = Vec::new();
        for bytes in writes {
            buffer.append(Stream::Stdout, bytes, NOW);
            let mut trims = Vec::new();
            buffer.flush(&mut rows, &mut trims);
            for trim in trims {
                rows.retain(|row| row.n < trim.from || row.n > trim.to);
            }
        }
        assert!(rows.windows(2).all(|pair| pair[0].n < pair[1].n));
        let bytes: Vec<u8> = rows.into_iter().flat_map(|row| row.bytes).collect();
        assert_eq!(bytes.len() as u64 + buffer.dropped(), buffer.written());
        (bytes, buffer.dropped())
    }

    #[test]
    fn little_output_is_kept_whole_and_in_order() {
        let (bytes, dropped) = kept(1 << 20, &[b"hello ", b"world", b"\n"]);
        assert_eq!((bytes.as_slice(), dropped), (b"hello world\n".as_slice(), 0));
    }

    #[test]
    fn of_much_output_the_head_and_the_tail_are_kept() {
        let lines: Vec<Vec<u8>> = (0..10_000).map(|n| format!("line {n:06}\n").into_bytes()).collect();
        let writes: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let (bytes, dropped) = kept(4096, &writes);
        assert!(bytes.len() <= 4096 && bytes.len() > 3500, "{}", bytes.len());
        assert!(bytes.starts_with(b"line 000000\n") && bytes.ends_with(b"line 009999\n"));
        assert_eq!(dropped, 120_000 - bytes.len() as u64);
    }

    #[test]
    fn one_huge_write_is_bounded_too() {
        let (bytes, _) = kept(4096, &[&vec![b'x'; 1_000_000]]);
        assert!(bytes.len() <= 4096, "{}", bytes.len());
    }

    #[test]
    fn any_limit_holds() {
        for limit in [0, 1, 2, 3, 5, 13, 100] {
            let (bytes, _) = kept(limit, &[b"abc", b"defghij", b"klmnopqrstuvwxyz", b"0123456789"]);
            assert!(bytes.len() as u64 <= limit.max(1), "{limit}: {}", bytes.len());
        }
    }

    #[test]
    fn memory_stays_bounded_without_a_flush() {
        let mut buffer = buffer(1 << 20);
        for _ in 0..1000 {
            buffer.append(Stream::Stdout, &vec![b'x'; 65536], NOW);
        }
        let held: usize = buffer.fresh.iter().map(|part| part.bytes.len()).sum();
        assert!(held <= 1 << 20, "{held}");
        assert_eq!(held as u64 + buffer.dropped(), buffer.written());
    }

    #[test]
    fn the_last_line_of_standard_error_is_remembered() {
        let mut buffer = buffer(0);
        buffer.append(Stream::Stderr, b"first\nsec", NOW);
        buffer.append(Stream::Stdout, b"not this\n", NOW);
        buffer.append(Stream::Stderr, b"ond\n\n", NOW);
        assert_eq!(buffer.last_words().as_deref(), Some("second"));
        buffer.append(Stream::Stderr, b"third", NOW);
        assert_eq!(buffer.last_words().as_deref(), Some("third"));
    }
}
