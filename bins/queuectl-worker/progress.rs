//! The bar that a person sees who waits for the queue to drain.

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use queuectl_cli::{Context, Failure};
use queuectl_core::State;
use queuectl_runtime::Drain;
use queuectl_store::{Access, Counts, Store, StoreError};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the counts are read; it costs one row.
const REFRESH_EVERY: Duration = Duration::from_millis(200);

/// More jobs that are not due are not counted: that reads a row for each.
const MOST_WAITING: u32 = 10_000;

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
    pub(crate) fn start(cx: &Context, drain: Drain) -> Result<Self, Failure> {
        let mut store = queuectl_store::open(&cx.location()?, &cx.open_options(Access::Write)?)?;
        let begin = store.counts()?;
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
                    if let Ok(picture) = Picture::take(store.as_mut(), drain) {
                        picture.show(&bar, &begin, &waits);
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

/// The queue at one moment, as a drain sees it.
struct Picture {
    counts: Counts,
    /// Jobs that are not due.
    waiting: i64,
    drain: Drain,
}

impl Picture {
    fn take(store: &mut dyn Store, drain: Drain) -> Result<Self, StoreError> {
        let counts = store.counts()?;
        let waiting = i64::try_from(store.waiting(MOST_WAITING)?).unwrap_or(i64::MAX);
        Ok(Self { counts, waiting, drain })
    }

    /// Counts what has come to rest since the beginning; how long it takes can be told
    /// only as long as nothing has to be waited for.
    fn show(&self, bar: &ProgressBar, begin: &Counts, waits: &AtomicBool) {
        let settled = |counts: &Counts| counts.total() - counts.unfinished();
        let done = (settled(&self.counts) - settled(begin)).max(0);
        let (left_out, is_waited_for) = match self.drain {
            Drain::Everything => (0, self.waiting > 0),
            Drain::Ready => (self.waiting, self.waiting >= MOST_WAITING.into()),
        };
        waits.store(is_waited_for, Ordering::Relaxed);
        bar.set_length((done + (self.counts.unfinished() - left_out).max(0)).unsigned_abs());
        bar.set_position(done.unsigned_abs());
        let died = (self.counts[State::Dead] - begin[State::Dead]).max(0);
        let failed = self.counts[State::Failed];
        let not_due = match self.waiting - failed {
            _ if self.waiting >= MOST_WAITING.into() => ", very many not due".to_owned(),
            others @ 1.. => format!(", {others} not due"),
            _ => String::new(),
        };
        bar.set_message(format!(", {died} died, {failed} to retry{not_due}"));
    }
}
