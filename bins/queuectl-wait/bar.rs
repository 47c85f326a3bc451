//! The bar that a person sees who waits for jobs.

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use queuectl_cli::{Context, Verbosity};
use queuectl_service::wait::jobs::JobsProgress;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a bar is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// On a terminal, unless it is to be quiet.
    OnTerminal,
    /// Nowhere: a program reads what is said.
    Nothing,
}

/// A bar on standard error, until it is dropped.
pub(crate) struct Bar {
    drawn: ProgressBar,
    at_the_beginning: u64,
    can_be_estimated: Arc<AtomicBool>,
}

impl Bar {
    /// Shows the bar. How many jobs rested before tells nothing of how long the others take.
    pub(crate) fn start(cx: &Context, show: Show, progress: &JobsProgress) -> Self {
        let target = if show == Show::OnTerminal && cx.output().verbosity() > Verbosity::Quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let drawn = ProgressBar::with_draw_target(Some(progress.all), target);
        drawn.set_position(progress.at_rest());
        drawn.reset_eta();
        let can_be_estimated = Arc::new(AtomicBool::new(false));
        let is_known = Arc::clone(&can_be_estimated);
        // The template is a constant that indicatif understands.
        if let Ok(style) = ProgressStyle::with_template("{bar:14} {pos}/{len}{estimate}{wide_msg}") {
            drawn.set_style(style.with_key(
                "estimate",
                move |state: &ProgressState, estimate: &mut dyn fmt::Write| {
                    if is_known.load(Ordering::Relaxed) {
                        // Nothing can be told if there is no room for it.
                        let _ = write!(estimate, ", {:#} left", HumanDuration(state.eta()));
                    }
                },
            ));
        }
        Self { drawn, at_the_beginning: progress.at_rest(), can_be_estimated }
    }

    /// Shows how far it is.
    pub(crate) fn show(&self, progress: &JobsProgress) {
        if self.drawn.is_hidden() {
            return;
        }
        // What waits for a time or for a person cannot be estimated, nor the first.
        let is_known = progress.put_off == 0 && progress.at_rest() > self.at_the_beginning;
        self.can_be_estimated.store(is_known, Ordering::Relaxed);
        let cancelled = match progress.cancelled {
            0 => String::new(),
            jobs => format!(", {jobs} cancelled"),
        };
        self.drawn.set_message(format!(", {} died{cancelled}, {} running", progress.died, progress.running));
        self.drawn.set_position(progress.at_rest());
    }

    /// Has what is said meanwhile stand above the bar.
    pub(crate) fn above(&self, say: impl FnOnce()) {
        self.drawn.suspend(say);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
}
