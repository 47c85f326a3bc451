//! Bugs on purpose, to show that the tests of durability would catch them.
//!
//! They are compiled in only with the feature `planted-bugs`, which no release
//! has, and sleep until `QUEUECTL_PLANTED_BUG` names one. Without the feature
//! [`Bug::is_planted`] is a constant, and nothing of this is left in a program.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A result counts, whichever worker hands it in.
    NoLeaseCheck,
    /// `synchronous=NORMAL`.
    NormalSync,
    /// Said to be done whatever comes of the commit.
    AcknowledgedBeforeCommit,
    /// A dead worker's jobs are given back while its processes live.
    EarlyRescue,
    /// A worker lives as long as some process has its pid.
    LivenessByPid,
    /// A worker that cannot renew its lease runs its jobs on.
    LeaseOverrun,
    /// Guards leave a dead or hanging worker's processes alone.
    NoGuard,
    /// How many jobs of a queue workers hold is counted without holding its gate.
    NoGate,
    /// A unique key is given back at the end of the first attempt.
    KeyGivenBackEarly,
}

impl Bug {
    /// The value of `QUEUECTL_PLANTED_BUG` that wakes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLeaseCheck => "no-lease-check",
            Self::NormalSync => "normal-sync",
            Self::AcknowledgedBeforeCommit => "acknowledged-before-commit",
            Self::EarlyRescue => "early-rescue",
            Self::LivenessByPid => "liveness-by-pid",
            Self::LeaseOverrun => "lease-overrun",
            Self::NoGuard => "no-guard",
            Self::NoGate => "no-gate",
            Self::KeyGivenBackEarly => "key-given-back-early",
        }
    }

    /// Tells whether this bug is to show itself.
    #[cfg(feature = "planted-bugs")]
    pub fn is_planted(self) -> bool {
        std::env::var_os("QUEUECTL_PLANTED_BUG").is_some_and(|name| name == self.name())
    }

    /// No bug is planted in this build.
    #[cfg(not(feature = "planted-bugs"))]
    pub const fn is_planted(self) -> bool {
        false
    }
}
