//! The bar that a person sees who waits for the queue to drain.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use queuectl_cli::{Context, Failure};
use queuectl_core::State;
use queuectl_store::{Access, Counts, Store};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the counts are read; it costs one row.
const REFRESH_EVERY: Duration = Duration::from_millis(200);

/// A bar on standard error, until it is dropped.
pub(crate) struct Bar {
    drawn: ProgressBar,
    ended: Arc<AtomicBool>,
    refresher: Option<JoinHandle<()>>,
}

impl Bar {
    /// Shows the bar and keeps it up to date.
    pub(crate) fn start(cx: &Context) -> Result<Self, Failure> {
        let mut store = queuectl_store::open(&cx.location()?, &cx.open_options(Access::Write)?)?;
        let begin = store.counts()?;
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:14} {pos}/{len}, {rate}, {eta} left, {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("rate", |state: &ProgressState, rate: &mut dyn fmt::Write| {
            // Nothing can be told if there is no room for it.
            let _ = write!(rate, "{:.1}/s", state.per_sec());
        }));
        let ended = Arc::new(AtomicBool::new(false));
        let refresher = {
            let (bar, ended) = (bar.clone(), Arc::clone(&ended));
            thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    refresh(&bar, store.as_mut(), begin);
                    thread::park_timeout(REFRESH_EVERY);
                }
                refresh(&bar, store.as_mut(), begin);
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

/// Counts what has come to rest since the beginning.
fn refresh(bar: &ProgressBar, store: &mut dyn Store, begin: Counts) {
    let Ok(now) = store.counts() else { return };
    let settled = |counts: &Counts| counts.total() - counts.unsettled();
    let done = (settled(&now) - settled(&begin)).max(0) as u64;
    bar.set_length(done + now.unsettled().max(0) as u64);
    bar.set_position(done);
    let died = (now[State::Dead] - begin[State::Dead]).max(0);
    bar.set_message(format!("{died} died, {} to retry", now[State::Failed]));
}
