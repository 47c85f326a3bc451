//! Jobs before they are added: what is said of them, completed and checked.
//!
//! A new field of a job is added in [`job_fields`](crate::job_fields), and nowhere here.

pub mod complete;
pub mod error;
pub mod fields;
pub mod file;
pub mod file_error;
mod folder;
pub mod json;
pub mod lookalike;
pub mod run;
mod shell_lines;
mod unique;
pub(crate) mod value;
