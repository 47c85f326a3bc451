//! How figures are printed.

use super::Series;

/// What a figure counts.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    PerSecond,
    Millis,
    MiB,
    MiBPerSecond,
    Times,
    Count,
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", grouped(figure)),
            Self::Millis => format!("{figure:.2} ms"),
            Self::MiB => format!("{figure:.1} MiB"),
            Self::MiBPerSecond => format!("{} MiB/s", grouped(figure)),
            Self::Times => format!("{figure:.2}"),
            Self::Count => grouped(figure),
        }
    }
}

/// What is to be reached, and what is aimed for.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast { reach: f64, aim: f64 },
    AtMost { reach: f64, aim: f64 },
}

impl Goal {
    fn verdict(self, figure: f64, unit: Unit) -> String {
        let (reach, aim, word) = match self {
            Self::AtLeast { reach, aim } => (reach, aim, "at least"),
            Self::AtMost { reach, aim } => (reach, aim, "at most"),
        };
        let meets = |bound: f64| match self {
            Self::AtLeast { .. } => figure >= bound,
            Self::AtMost { .. } => figure <= bound,
        };
        let verdict = match (meets(reach), meets(aim)) {
            (_, true) => "reached, and the aim",
            (true, false) => "reached; the aim is missed",
            (false, false) => "missed",
        };
        format!("reach {word} {}, aim {}: {verdict}", unit.show(reach), unit.show(aim))
    }
}

/// What is measured, with its number in the list of targets.
pub(crate) fn title(what: &str) {
    println!("{what}");
}

/// One side's figures: median, and from least to most.
pub(crate) fn figure(what: &str, series: &Series, unit: Unit) {
    println!("  {what:<42} {}", spread(series, unit));
}

/// The figure a target is about: the median.
pub(crate) fn goal(what: &str, series: &Series, unit: Unit, goal: Goal) {
    println!("  {what:<42} {}", spread(series, unit));
    println!("    {}", goal.verdict(series.median(), unit));
}

/// Anything else that should be known.
pub(crate) fn note(text: &str) {
    println!("  ({text})");
}

fn spread(series: &Series, unit: Unit) -> String {
    let median = unit.show(series.median());
    if series.len() < 2 {
        return median;
    }
    format!("{median:>12}   {} to {}, n={}", unit.show(series.min()), unit.show(series.max()), series.len())
}

/// 20000 as `20,000`.
fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && digit.is_ascii_digit() {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
