//! Which error leads to which words, which hint and which exit code.
//!
//! Of the errors of the crates below; those of this crate stand with what they are
//! about. A face adds nothing to them but how they are shown.

mod content;
pub mod jobs;
mod moves;
mod server;
pub mod store;
