//! What makes the tables of a queue: numbered files, each applied once.

/// Schema n is what the first n of these make of an empty one.
pub(crate) const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/postgres/0001_queue.sql")];

/// The schema that these lead to.
pub(super) fn newest(migrations: &[&str]) -> i64 {
    migrations.len() as i64
}
