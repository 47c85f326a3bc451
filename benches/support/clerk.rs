//! A worker that runs nothing: it claims jobs and hands them in as ended.

use super::{Result, now};
use queuectl_core::{Lease, Outcome, QueueSet, RetryPolicy};
use queuectl_store::{Ended, Exchange, NewWorker, Registration, Store, Suspects};
use std::time::Duration;

/// When failed jobs run again, unless a benchmark says otherwise.
const POLICY: RetryPolicy = RetryPolicy { base: 2.0, max: Duration::from_hours(24), crash_limit: 5 };

/// A worker that runs nothing.
pub(crate) struct Clerk {
    store: Box<dyn Store>,
    registration: Registration,
    held: Vec<Lease>,
    outcome: Outcome,
    policy: RetryPolicy,
    serves: QueueSet,
}

impl Clerk {
    /// Makes it known; whatever it claims will succeed.
    pub(crate) fn hire(mut store: Box<dyn Store>) -> Result<Self> {
        let registration = store.register(&NewWorker::of_this_process(1), now())?;
        let (outcome, serves) = (Outcome::Exit(0), QueueSet::ALL);
        Ok(Self { store, registration, held: Vec::new(), outcome, policy: POLICY, serves })
    }

    /// Lets it claim jobs of this queue alone.
    pub(crate) fn serve(mut self, queue: &str) -> Result<Self> {
        self.serves = QueueSet::of([queue])?;
        Ok(self)
    }

    /// Lets whatever it claims fail, and fall due again after `seconds`.
    pub(crate) fn fail_for(mut self, seconds: f64) -> Self {
        self.outcome = Outcome::Exit(1);
        self.policy.base = seconds;
        self
    }

    /// Hands in all that it holds, claims up to `want`; says how many it got.
    pub(crate) fn exchange(&mut self, want: u32) -> Result<usize> {
        let now = now();
        let ended: Vec<Ended> = self.held.drain(..).map(|lease| ended(lease, self.outcome)).collect();
        let exchange = Exchange {
            ahead: 0,
            ended: &ended,
            unstarted: &[],
            output: &[],
            trims: &[],
            want,
            queues: &self.serves,
            suspects: Suspects::One,
            policy: &self.policy,
        };
        let exchanged = self.store.exchange(self.registration.id, &exchange, now)?;
        self.held = exchanged.claimed.iter().map(queuectl_core::Job::last_lease).collect();
        Ok(self.held.len())
    }

    /// Runs through everything that can be claimed.
    pub(crate) fn exhaust(&mut self) -> Result {
        while self.exchange(5000)? > 0 {}
        Ok(())
    }

    /// Ends well.
    pub(crate) fn retire(mut self) -> Result {
        Ok(self.store.retire(self.registration.id, &POLICY, now())?)
    }
}

fn ended(lease: Lease, outcome: Outcome) -> Ended {
    Ended {
        lease,
        started_at: now(),
        ended_at: now(),
        outcome,
        error: (outcome != Outcome::Exit(0)).then(|| "exit code 1".into()),
        output_bytes: 0,
        dropped_bytes: 0,
    }
}
