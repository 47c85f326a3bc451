//! Options of other programs for what is said another way here.

use clap::builder::TypedValueParser;

/// The value of an option that is never taken: it leads to another.
#[derive(Clone, Copy, Debug)]
pub enum Elsewhere {}

/// What to type instead; the hint of the error that says that there is no such option.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Lead(&'static str);

/// Refuses every value with what to type instead.
pub fn elsewhere(lead: &'static str) -> impl TypedValueParser<Value = Elsewhere> {
    move |_: &str| Err::<Elsewhere, _>(Lead(lead))
}
