//! How a job's process is known when its environment cannot be read.
//!
//! A program that is setuid, or that makes itself undumpable as `ssh-agent` does,
//! hides its environment from other processes of the same user, and with it the
//! [marker](crate::marker). What it cannot hide, and inherits like the environment,
//! are its resource limits. One of them, on file locks, has had no effect since
//! Linux 2.4: its soft value is set to a number made of the marker, for a worker by
//! itself and for the shell of each attempt by its worker, and means nothing else.
//!
//! A shell may have started a process before its own stamp was set; that carries
//! the worker's.

use uuid::Uuid;

/// The part of a stamp that tells attempts of one worker apart.
const ATTEMPT_BITS: u32 = 24;

/// The part that tells workers apart, of this and of other queues.
const WORKER_BITS: u32 = 38;

/// No limit that a person sets has this bit, and "unlimited" has all.
const IS_A_STAMP: u64 = 1 << (ATTEMPT_BITS + WORKER_BITS);

/// A number made of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// The stamp of a worker, by what its markers begin with.
    pub(crate) fn of_worker(marker: &str) -> Self {
        let name = marker.trim_end_matches('/');
        Self(IS_A_STAMP | bits(name, WORKER_BITS) << ATTEMPT_BITS)
    }

    /// The stamp of an attempt, by its marker: `RUN/WORKER/SEQ/LEASE`.
    pub(crate) fn of_attempt(marker: &str) -> Self {
        let end_of_worker = marker.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at);
        let Self(worker) = Self::of_worker(&marker[..end_of_worker]);
        Self(worker | bits(marker, ATTEMPT_BITS).max(1))
    }

    /// The stamp of the worker that this one belongs to.
    pub(crate) fn worker(self) -> Self {
        Self(self.0 >> ATTEMPT_BITS << ATTEMPT_BITS)
    }
}

fn bits(name: &str, count: u32) -> u64 {
    // The same in every version of the program.
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).as_u64_pair().0;
    hash >> (u64::BITS - count)
}

#[cfg(target_os = "linux")]
mod platform {
    use super::{IS_A_STAMP, Stamp};
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
    use std::fs;

    impl Stamp {
        /// Stamps this process, and all that it starts from now on.
        pub(crate) fn put_on_this_process(self) {
            set_own(Some(self.0));
        }

        /// Stamps a child that is not reaped, and all that it starts from now on.
        pub(crate) fn put_on(self, child: u32) {
            if getrlimit(Resource::Locks).maximum.is_none()
                && let Some(child) = Pid::from_raw(child.cast_signed())
            {
                // One that has ended already has nothing more to start.
                let _ended = prlimit(Some(child), Resource::Locks, limit(Some(self.0)));
            }
        }

        /// Reads the stamp of a process; none if it has none, or is gone.
        pub(crate) fn of_process(pid: i32) -> Option<Self> {
            let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
            // `Max file locks            4611686018427387904  unlimited            locks`
            let line = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
            let soft: u64 = line.split_whitespace().next()?.parse().ok()?;
            (soft & IS_A_STAMP != 0).then_some(Self(soft))
        }
    }

    /// Tells whether a process carries the stamp of a worker, by what the worker's
    /// markers begin with.
    pub(crate) fn is_on_worker(pid: u32, marker: &str) -> bool {
        Stamp::of_process(pid.cast_signed()) == Some(Stamp::of_worker(marker))
    }

    /// Takes the stamp off that a program inherited which was started by a job, and
    /// is to outlive it.
    pub(crate) fn take_off_this_process() {
        set_own(None);
    }

    /// Where a person has set a hard limit, that stays as it is, and there are no stamps.
    fn set_own(soft: Option<u64>) {
        if getrlimit(Resource::Locks).maximum.is_none()
            && let Err(error) = setrlimit(Resource::Locks, limit(soft))
        {
            tracing::debug!("Processes that hide their environment cannot be told apart: {error}");
        }
    }

    fn limit(soft: Option<u64>) -> Rlimit {
        Rlimit { current: soft, maximum: None }
    }
}

/// Elsewhere a job is its process group.
#[cfg(not(target_os = "linux"))]
mod platform {
    use super::Stamp;

    impl Stamp {
        pub(crate) fn put_on_this_process(self) {}

        pub(crate) fn put_on(self, _child: u32) {}
    }

    pub(crate) fn is_on_worker(_pid: u32, _marker: &str) -> bool {
        false
    }

    pub(crate) fn take_off_this_process() {}
}

pub(crate) use platform::{is_on_worker, take_off_this_process};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_of_an_attempt_is_one_of_its_worker_and_of_no_other() {
        let worker = Stamp::of_worker("run/7/");
        let attempts = ["run/7/1/1", "run/7/1/2", "run/7/11/1"].map(Stamp::of_attempt);
        for attempt in attempts {
            assert_eq!(attempt.worker(), worker);
            assert_ne!(attempt, worker);
        }
        assert_ne!(attempts[0], attempts[1]);
        assert_ne!(Stamp::of_worker("run/77/"), worker);
        assert_ne!(Stamp::of_attempt("other/7/1/1").worker(), worker);
        assert!(attempts.iter().all(|stamp| stamp.0 < u64::MAX / 2), "none is unlimited");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_wears_what_was_put_on_it() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let stamp = Stamp::of_attempt("run/7/1/1");
        assert_eq!(Stamp::of_process(child.id().cast_signed()), None);
        stamp.put_on(child.id());
        assert_eq!(Stamp::of_process(child.id().cast_signed()), Some(stamp));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
