//! Settings of a session that statements of ours depend on.
//!
//! A role, a database or a server can have other values for them, which hold wherever
//! nothing else is said: `ALTER ROLE … SET`. Which of them differ is asked once, with
//! the first question of each connection. Where nothing differs, as nearly everywhere,
//! nothing is done. What differs is said anew: once for a session that is ours alone,
//! else in each transaction, since a pooler refuses everything that outlives one.

use std::fmt::Write as _;
use std::time::Duration;

/// What statements of ours depend on, and how it must be. (A server that is too old for
/// a setting does not have it.)
const NEEDED: [(&str, &str); 14] = [
    // Requests have an end of their own. (It is said first: it holds for what follows.)
    ("statement_timeout", "0"),
    // What is one statement has no BEGIN that would say these.
    ("default_transaction_read_only", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("transaction_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    // A session that only listens is idle for long.
    ("idle_session_timeout", "0"),
    ("exit_on_error", "off"),
    // Names of functions and operators are those of the system. (Tables have their schema.)
    ("search_path", ""),
    ("standard_conforming_strings", "on"),
    // The plans of what is done all the time read indexes.
    ("enable_indexscan", "on"),
    ("enable_indexonlyscan", "on"),
    ("enable_nestloop", "on"),
];

/// The settings of a connection that are not as they must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amiss(Vec<&'static str>);

/// What asks for them all, in the order of [`NEEDED`], as columns of SQL.
pub fn columns() -> String {
    let columns: Vec<String> =
        NEEDED.iter().map(|(name, _)| format!("current_setting('{name}', true)")).collect();
    columns.join(", ")
}

impl Amiss {
    /// Takes the values that the server has given; what holds for statements while it
    /// was asked is known apart.
    pub fn of_values(values: &[Option<String>], statement_timeout: &str) -> Self {
        let is_amiss = |name: &str, needed: &str, value: &str| match name {
            "statement_timeout" => statement_timeout != needed,
            // It is in the way only where it names what comes before it.
            "search_path" => value.contains("pg_"),
            _ => value != needed,
        };
        // A server that is too old for a setting has no value.
        let values = NEEDED.iter().zip(values).filter_map(|(need, value)| Some((need, value.as_deref()?)));
        let amiss = values.filter(|((name, needed), value)| is_amiss(name, needed, value));
        Self(amiss.map(|((name, _), _)| *name).collect())
    }

    /// Their names.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }

    /// Statements that set it right until the end of the transaction. What the server
    /// was told to end after some time, it ends when no client waits for it any more.
    pub fn set_right(&self, answers_within: Duration) -> String {
        let mut statements = String::new();
        for (name, value) in NEEDED.iter().filter(|(name, _)| self.0.contains(name)) {
            // Writing to a string cannot fail.
            let _ = match *name {
                "statement_timeout" => {
                    write!(statements, "SET LOCAL {name} = {}; ", answers_within.as_millis().max(1))
                }
                _ => write!(statements, "SET LOCAL {name} = '{value}'; "),
            };
        }
        statements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_amiss_is_set() {
        let values = NEEDED.map(|(name, needed)| match name {
            "default_transaction_read_only" => Some("on".to_owned()),
            "search_path" => Some("\"$user\", public".to_owned()),
            "transaction_timeout" => None,
            _ => Some(needed.to_owned()),
        });
        let amiss = Amiss::of_values(&values, "1ms");
        assert_eq!(
            amiss.set_right(Duration::from_secs(40)),
            "SET LOCAL statement_timeout = 40000; SET LOCAL default_transaction_read_only = 'off'; "
        );
        assert_eq!(Amiss::default().set_right(Duration::from_secs(40)), "");
    }
}
