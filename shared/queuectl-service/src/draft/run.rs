//! A run of a file of jobs: what makes it safe to repeat.
//!
//! Each line without an id of its own gets one that follows from the run, the line's
//! number and its text. A run that is repeated finds by them what is there already. A line
//! that was changed meanwhile is another job.

use queuectl_core::JobId;
use uuid::{Builder, Uuid};

/// One run, by its name.
#[derive(Debug)]
pub struct Run {
    name: String,
    key: Uuid,
    /// The time in its ids, in milliseconds.
    millis: u64,
}

impl Run {
    /// The run of this name.
    pub fn named(name: &str) -> Self {
        let key =
            Uuid::parse_str(name).unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()));
        // The first 48 bits: of a run that got its name here, the time of its beginning.
        let millis = (key.as_u128() >> 80) as u64;
        Self { name: name.to_owned(), key, millis }
    }

    /// A run that was never begun before.
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        Self::named(&Uuid::now_v7().to_string())
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the job on a line: a UUID of version 7, so that the ids of a run follow
    /// one another and an index has them together.
    pub fn id(&self, line: usize, text: &str) -> JobId {
        let digest = Uuid::new_v5(&self.key, format!("{line}\n{text}").as_bytes());
        let mut rest = [0; 10];
        // 12 bits, then 6 and 8, around what the version and the variant take.
        rest[..2].copy_from_slice(&((line >> 14) as u16 & 0xfff).to_be_bytes());
        rest[2] = (line >> 8) as u8 & 0x3f;
        rest[3] = line as u8;
        rest[4..].copy_from_slice(&digest.as_bytes()[..6]);
        JobId::trusted(Builder::from_unix_timestamp_millis(self.millis, &rest).into_uuid().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Run;

    #[test]
    fn the_same_line_of_the_same_run_has_the_same_id_and_no_other_has() {
        let (run, again) = (Run::named("nightly"), Run::named("nightly"));
        assert_eq!(run.id(7, "{}"), again.id(7, "{}"));
        assert_ne!(run.id(7, "{}"), run.id(8, "{}"));
        assert_ne!(run.id(7, "{}"), run.id(7, "{ }"));
        assert_ne!(run.id(7, "{}"), Run::named("daily").id(7, "{}"));
        assert_ne!(Run::new().id(1, "{}"), Run::new().id(1, "{}"));
    }

    #[test]
    fn the_ids_of_a_run_are_in_the_order_of_its_lines() {
        let run = Run::new();
        let ids: Vec<String> = [1, 2, 255, 256, 16_383, 16_384, 1_000_000]
            .map(|line| run.id(line, "{}").as_str().to_owned())
            .to_vec();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(run.name()[..13], ids[0][..13], "a run without a name begins with its time");
    }
}
