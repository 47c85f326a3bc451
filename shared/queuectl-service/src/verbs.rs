//! What can be done to jobs: to one, to several that are named, to many in steps.

pub mod cancel;
pub mod delete;
pub mod hold;
pub mod many;
pub mod prune;
pub mod release;
pub mod retry;
pub mod would_be;
