//! How many words a program makes.

/// How many words a program makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// What a person wants to know.
    Normal,
    /// What a person wants to know who looks for a fault.
    Verbose,
}
