//! What the errors of a server mean: the one table of what can pass and what cannot.
//!
//! Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>. What can
//! pass may be tried again as it is. What cannot would end in the same way, unless the
//! tables themselves have changed, which the next connection shows.

use tokio_postgres::error::SqlState;

/// What an error means for a request, and for the connection it came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Two transactions have met in a way that only a repetition solves.
    Conflict,
    /// Another transaction held a lock for longer than `lock_timeout`.
    Locked,
    /// The server's disk has no room.
    DiskFull,
    /// What is on the server's disk cannot be read.
    Damaged,
    /// The server does not let this role in.
    NotLetIn,
    /// The database is not there.
    NoDatabase,
    /// The role lacks a right.
    NoRight,
    /// Nothing can be written there.
    Standby,
    /// The server starts, stops, or is full.
    NotNow,
    /// The connection is lost.
    Lost,
    /// The server could not do it this time.
    Failed,
    /// It is about the statement: the next try would end in the same way.
    Lasting,
}

/// What the server means by a code.
pub fn meaning(code: &SqlState) -> Meaning {
    let code = code.code();
    match code {
        "40001" | "40P01" => return Meaning::Conflict,
        "55P03" => return Meaning::Locked,
        "53100" => return Meaning::DiskFull,
        "XX001" | "XX002" => return Meaning::Damaged,
        "25006" => return Meaning::Standby,
        "42501" => return Meaning::NoRight,
        "53300" | "57P01" | "57P02" | "57P03" | "57P04" => return Meaning::NotNow,
        // `idle_session_timeout` and `idle_in_transaction_session_timeout` have closed it.
        "57P05" | "25P03" => return Meaning::Lost,
        _ => {}
    }
    match code.get(..2).unwrap_or_default() {
        // A connection failed, also one that the server needed itself.
        "08" => Meaning::Lost,
        "28" => Meaning::NotLetIn,
        "3D" => Meaning::NoDatabase,
        // Short of memory or room; an operator has stepped in (57014 also by
        // `statement_timeout`); the system has failed; an error of the server itself.
        "53" | "57" | "58" | "XX" | "F0"
        // Not possible in the state that something is in now; rolled back; the
        // transaction, or what was prepared in the session, is not what it was.
        | "55" | "40" | "25" | "26" | "0A" | "0B" | "2D" | "34" | "3B"
        // What an administrator has put into the server has failed.
        | "38" | "39" | "HV" | "P0" | "72"
        // A limit of the server was met, for example the depth of its stack.
        | "54" => Meaning::Failed,
        // Values, constraints, and the tables themselves.
        _ => Meaning::Lasting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(code: &str) -> Meaning {
        meaning(&SqlState::from_code(code))
    }

    #[test]
    fn what_an_administrator_or_a_fault_does_to_a_server_can_pass() {
        for code in [
            "57014", "53000", "53200", "53400", "58000", "58030", "58P01", "XX000", "40002", "40003",
            "55000", "55006", "0A000", "26000", "25P02", "F0000", "P0001", "38000", "72000", "54000",
            "54001",
        ] {
            assert_ne!(means(code), Meaning::Lasting, "{code}");
        }
    }

    #[test]
    fn tables_that_are_not_ours_do_not_pass() {
        for code in ["42P01", "42703", "3F000", "42883", "42601", "23505", "23514", "22003", "22021"] {
            assert_eq!(means(code), Meaning::Lasting, "{code}");
        }
    }

    #[test]
    fn what_is_answered_to_a_login_is_told_apart() {
        for (code, meant) in [
            ("28P01", Meaning::NotLetIn),
            ("28000", Meaning::NotLetIn),
            ("3D000", Meaning::NoDatabase),
            ("42501", Meaning::NoRight),
            ("53300", Meaning::NotNow),
            ("57P03", Meaning::NotNow),
            ("08006", Meaning::Lost),
            ("08P01", Meaning::Lost),
            ("25006", Meaning::Standby),
        ] {
            assert_eq!(means(code), meant, "{code}");
        }
    }
}
