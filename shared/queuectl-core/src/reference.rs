//! What a person means who names a job.

use crate::lease::Seq;

/// One way to understand a text that was typed where a job is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobReference {
    /// The job of this number.
    Number(Seq),
    /// The job that was added last: `@last`.
    Last,
    /// The job whose id begins like this.
    Beginning(String),
    /// The job whose id ends like this.
    Ending(String),
}

/// A shorter row of digits is a number and no part of an id: a script that names
/// job 7 must not hit `backup-7` once job 7 is deleted.
const FEWEST_DIGITS_OF_A_PART: usize = 4;

/// Where a table has left out a part of an id.
const LEFT_OUT: char = '…';

impl JobReference {
    /// All ways to understand a text, in the order in which they count; an id that is
    /// exactly this text goes before all of them.
    ///
    /// An id that a table has cut can be typed as it is shown there.
    pub fn meanings(typed: &str) -> Vec<Self> {
        if typed == "@last" {
            return vec![Self::Last];
        }
        if let Some(ending) = typed.strip_prefix(LEFT_OUT).filter(|ending| !ending.is_empty()) {
            return vec![Self::Ending(ending.to_owned())];
        }
        if let Some(beginning) = typed.strip_suffix(LEFT_OUT).filter(|beginning| !beginning.is_empty()) {
            return vec![Self::Beginning(beginning.to_owned())];
        }
        let mut meanings = Vec::new();
        let is_number = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && let Ok(number) = typed.parse() {
            meanings.push(Self::Number(Seq(number)));
        }
        let is_part = !is_number || typed.len() >= FEWEST_DIGITS_OF_A_PART;
        if is_part && !typed.is_empty() {
            meanings.extend([Self::Beginning(typed.to_owned()), Self::Ending(typed.to_owned())]);
        }
        meanings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_part_of_an_id_and_digits_are_a_number_first() {
        let (beginning, ending) = (
            |text: &str| JobReference::Beginning(text.into()),
            |text: &str| JobReference::Ending(text.into()),
        );
        assert_eq!(JobReference::meanings("@last"), [JobReference::Last]);
        assert_eq!(JobReference::meanings("ab"), [beginning("ab"), ending("ab")]);
        assert_eq!(JobReference::meanings("7"), [JobReference::Number(Seq(7))]);
        assert_eq!(
            JobReference::meanings("2026"),
            [JobReference::Number(Seq(2026)), beginning("2026"), ending("2026")]
        );
        assert_eq!(JobReference::meanings("…c44"), [ending("c44")]);
        assert_eq!(JobReference::meanings("01a2…"), [beginning("01a2")]);
        assert_eq!(JobReference::meanings(""), []);
        // More than any job's number.
        let digits = "9".repeat(30);
        assert_eq!(JobReference::meanings(&digits), [beginning(&digits), ending(&digits)]);
    }
}
