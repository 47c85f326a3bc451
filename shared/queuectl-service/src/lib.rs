//! What a person or a program can ask of a queue, whatever the face.
//!
//! The command line stands on it; a server and a screen can. It prints nothing, draws
//! nothing, waits for nothing, and knows no command line. What it cannot do is a typed
//! error, and every error becomes an [`Explanation`]: the words, what to do about it, and
//! the exit code from the one table.
//!
//! | Module | What it knows |
//! |---|---|
//! | [`place`] | which queue the settings mean, and how it is opened |
//! | [`draft`] | a job before it is added: flags, JSON, lines of a file, defaults |
//! | [`add`] | how the jobs of a file are added, in steps |
//! | [`job_fields`] | every field of a job, as it is said and as it is printed |
//! | [`find`], [`named`] | which job is meant; what is done to each of several |
//! | [`verbs`] | cancel, hold, release, retry, delete, prune: of one job, of several, of many in steps |
//! | [`wait`] | what is waited for, look by look |
//! | [`status`], [`counts`], [`WorkerState`], [`detail`] | the queue, a worker, a job at one moment |
//! | [`queues`] | the queues of one place by name, and which are paused |
//! | [`why`] | why a job does not run |
//! | [`doctor`] | how well a queue is |
//! | [`pages`] | jobs and output that are too long to be held in memory |
//! | [`document`] | what programs read |
//! | [`explain`] | which error leads to which words, which hint and which exit code |
//! | [`amounts`], [`dates`] | spans, sizes and points in time, as they are read and written |

pub mod add;
pub mod amounts;
pub mod counts;
pub mod dates;
pub mod detail;
pub mod doctor;
pub mod document;
pub mod draft;
pub mod explain;
mod explanation;
pub mod find;
#[cfg(test)]
mod fixture;
pub mod job_fields;
pub mod named;
pub mod pages;
pub mod place;
pub mod queues;
pub mod status;
pub mod verbs;
pub mod wait;
pub mod why;
mod words;
mod worker_state;

pub use explanation::Explanation;
pub use words::{typed, typed_option};
pub use worker_state::WorkerState;
