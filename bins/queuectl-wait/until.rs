//! Looks again and again, until the wait is over.

use crate::bar::{Bar, Show};
use queuectl_cli::{Context, Failure, Waiting};
use queuectl_service::wait::jobs::{JobsWait, Look, Pace};
use queuectl_store::Store;
use std::thread;
use std::time::{Duration, Instant};

/// How a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// What was waited for has come.
    Over,
    /// So much time has passed.
    TimedOut(Duration),
}

/// Waits until what is waited for has come, or the time has passed.
pub(crate) fn over(
    cx: &Context,
    store: &mut dyn Store,
    wait: &mut JobsWait,
    timeout: Option<Duration>,
    show: Show,
) -> Result<Ended, Failure> {
    let began = Instant::now();
    let bar = Bar::start(cx, show, &wait.progress());
    let mut pace = Pace::of(&cx.location()?);
    let mut waiting = Waiting::default();
    loop {
        let looked = Instant::now();
        match wait.look(store)? {
            Look::Over => return Ok(Ended::Over),
            Look::Doubtful(jobs) => bar.above(|| waiting.tell(cx, store, &jobs)),
            Look::Waiting => {}
        }
        bar.show(&wait.progress());
        let mut pause = pace.after(looked.elapsed());
        if let Some(timeout) = timeout {
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(Ended::TimedOut(timeout));
            }
            pause = pause.min(left);
        }
        // Nobody wakes it; to be woken by chance is one more look.
        thread::park_timeout(pause);
    }
}
