//! The bar that a person sees who waits for the queue to drain.

use crate::drained::jobs_of;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use queuectl_cli::{Context, Failure};
use queuectl_core::QueueSet;
use queuectl_runtime::Drain;
use queuectl_service::wait::drain::{DrainBegin, DrainProgress, NotDue};
use queuectl_store::Access;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the counts are read; it costs one row.
const REFRESH_EVERY: Duration = Duration::from_millis(200);

/// A slower rate would be shown as none.
const SLOWEST_RATE: f64 = 0.05;

/// A bar on standard error, until it is dropped.
pub(crate) struct Bar {
    drawn: ProgressBar,
    ended: Arc<AtomicBool>,
    refresher: Option<JoinHandle<()>>,
}

impl Bar {
    /// Shows the bar and keeps it up to date.
    pub(crate) fn start(cx: &Context, drain: Drain, queues: QueueSet) -> Result<Self, Failure> {
        let mut store = queuectl_store::open(&cx.location()?, &cx.open_options(Access::Write)?)?;
        let begin = DrainBegin::look(store.as_mut(), jobs_of(drain), queues)?;
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:14} {pos}/{len}{speed}{wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let waits = Arc::new(AtomicBool::new(true));
        let is_open = Arc::clone(&waits);
        bar.set_style(style.with_key("speed", move |state: &ProgressState, speed: &mut dyn fmt::Write| {
            let rate = state.per_sec();
            if rate < SLOWEST_RATE {
                return;
            }
            // Nothing can be told if there is no room for it.
            let _ = write!(speed, ", {rate:.1}/s");
            if !is_open.load(Ordering::Relaxed) {
                let _ = write!(speed, ", {:#} left", HumanDuration(state.eta()));
            }
        }));
        let ended = Arc::new(AtomicBool::new(false));
        let refresher = {
            let (bar, ended) = (bar.clone(), Arc::clone(&ended));
            thread::spawn(move || {
                let mut look = || {
                    if let Ok(progress) = begin.progress(store.as_mut()) {
                        show(&progress, &bar, &waits);
                    }
                };
                while !ended.load(Ordering::Relaxed) {
                    look();
                    thread::park_timeout(REFRESH_EVERY);
                }
                look();
            })
        };
        Ok(Self { drawn: bar, ended, refresher: Some(refresher) })
    }

    /// Prints a line of the log above the bar.
    pub(crate) fn printer(&self) -> Arc<dyn Fn(&str) + Send + Sync> {
        let bar = self.drawn.clone();
        Arc::new(move |line| bar.suspend(|| eprintln!("{line}")))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(refresher) = self.refresher.take() {
            refresher.thread().unpark();
            let _panicked = refresher.join();
        }
        self.drawn.abandon();
    }
}

/// Shows what has come to rest since the beginning.
fn show(progress: &DrainProgress, bar: &ProgressBar, waits: &AtomicBool) {
    waits.store(progress.is_waited_for, Ordering::Relaxed);
    bar.set_length(progress.all);
    bar.set_position(progress.done);
    let not_due = match progress.not_due {
        NotDue::VeryMany => ", very many not due".to_owned(),
        NotDue::Some(0) => String::new(),
        NotDue::Some(jobs) => format!(", {jobs} not due"),
    };
    bar.set_message(format!(", {} died, {} to retry{not_due}", progress.died, progress.to_retry));
}
