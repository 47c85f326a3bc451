//! What programs read: the JSON documents.
//!
//! Keys are `snake_case`; fields are added, never renamed; what is not set is
//! null. Times are RFC 3339 in UTC with milliseconds.

pub mod attempt;
pub mod counts;
pub mod done;
pub mod job;
pub mod queue;
pub mod said;
pub mod setting;
pub mod worker;
pub mod write;
