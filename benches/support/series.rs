//! Figures of the same thing, measured again and again.

use super::Result;
use std::time::{Duration, Instant};

/// Figures of the same thing, in the order in which they were measured.
#[derive(Clone, Debug)]
pub(crate) struct Series(Vec<f64>);

impl From<Vec<f64>> for Series {
    fn from(figures: Vec<f64>) -> Self {
        Self(figures)
    }
}

impl Series {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// The figure that this part of the figures does not exceed.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * part).ceil() as usize).copied().unwrap_or(f64::NAN)
    }

    /// This one's figure against the other's, round by round.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(this, that)| this / that).collect())
    }

    /// Every figure less a constant.
    pub(crate) fn less(&self, constant: f64) -> Self {
        Self(self.0.iter().map(|figure| figure - constant).collect())
    }
}

/// Measures several sides in turn, every second round in reverse, so that what
/// else the machine does hits all of them alike.
pub(crate) fn in_turn<const N: usize>(
    rounds: usize,
    sides: &mut [&mut dyn FnMut() -> Result<f64>; N],
) -> Result<[Series; N]> {
    let mut figures = [const { Vec::new() }; N];
    for round in 0..rounds {
        for turn in 0..N {
            let side = if round % 2 == 0 { turn } else { N - 1 - turn };
            figures[side].push(sides[side]()?);
        }
    }
    Ok(figures.map(Series::from))
}

/// How long something takes.
pub(crate) fn timed(action: impl FnOnce() -> Result) -> Result<Duration> {
    let began = Instant::now();
    action()?;
    Ok(began.elapsed())
}
