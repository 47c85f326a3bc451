//! Options of other programs for what is said another way here.

use clap::builder::TypedValueParser;

/// The value of an option that is never taken: it leads to another.
#[derive(Clone, Copy, Debug)]
pub enum Elsewhere {}

/// Refuses every value with what to type instead.
pub fn elsewhere(lead: &'static str) -> impl TypedValueParser<Value = Elsewhere> {
    move |_: &str| Err::<Elsewhere, _>(lead.to_owned())
}
