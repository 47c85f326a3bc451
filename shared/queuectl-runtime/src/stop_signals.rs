//! The signals by which a process is asked to end.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// The signals by which a process is asked to end.
pub(crate) const STOP_SIGNALS: [i32; 3] = [SIGTERM, SIGINT, SIGHUP];

/// Stop signals, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signals(u64);

impl Signals {
    /// One of them.
    pub(crate) const fn of(signal: i32) -> Self {
        Self(1 << (signal - 1))
    }

    /// Those stop signals that a mask of the kernel contains, as in `/proc/PID/status`.
    pub(crate) fn in_mask(mask: u64) -> Self {
        Self(STOP_SIGNALS.into_iter().map(|signal| mask & Self::of(signal).0).sum())
    }

    /// Tells whether there is one.
    pub(crate) fn has_any(self) -> bool {
        self.0 != 0
    }

    /// These and others.
    pub(crate) fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Tells whether some are among both.
    pub(crate) fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_of_the_kernel_are_read() {
        assert_eq!(Signals::in_mask(0x4000), Signals::of(SIGTERM));
        assert_eq!(Signals::in_mask(0x4003).0, 0x4003);
        assert!(!Signals::in_mask(!0x4003).has_any());
    }
}
