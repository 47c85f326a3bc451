//! Which processes are looked for, and what is done with them.

/// Which processes are meant.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// `QUEUECTL_RUN` begins with this …
    pub(crate) marker: String,
    /// … and goes on, or must end there.
    pub(crate) extent: Extent,
    /// Session and group of processes that belong here even without the marker.
    pub(crate) groups: Vec<(u32, u32)>,
}

/// How much of the marker must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: one attempt.
    Whole,
    /// Its beginning: all attempts of a worker.
    Beginning,
}

/// What is done with a process at the moment it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnSight {
    /// It is held, for whatever comes next.
    Hold,
    /// It is killed: each that forks and exits would be gone at the end of the look.
    Kill,
}
