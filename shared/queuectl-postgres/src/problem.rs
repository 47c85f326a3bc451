//! Why a server cannot be used.

/// Why a server cannot be used. Each message names the host, or what was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerProblem {
    /// The URL, or a variable or file that completes it, cannot be understood.
    #[error("{reason}")]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing answers there, or the connection was lost.
    #[error("the server {host} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What stands in the way.
        reason: String,
    },
    /// It can be connected to, and then nothing more comes.
    #[error("the server {host} takes connections but gives no session: no answer within {waited}")]
    NoSession {
        /// Host and port.
        host: String,
        /// How long it was waited for, with its unit.
        waited: String,
    },
    /// The server is starting, stopping, or has no connection to spare.
    #[error("the server {host} takes no connection now: {reason}")]
    NotNow {
        /// Host and port.
        host: String,
        /// What it said.
        reason: String,
    },
    /// The server has ended a statement for reasons of its own.
    #[error("the server {host} could not do it this time: {reason}")]
    Failed {
        /// Host and port.
        host: String,
        /// What it said.
        reason: String,
    },
    /// The connection cannot be made safe.
    #[error("no safe connection to {host}: {reason}")]
    Tls {
        /// Host and port.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// User and password do not fit, or the server does not let this user in.
    #[error("the server {host} does not let {user} in: {reason}")]
    LoginRefused {
        /// Host and port.
        host: String,
        /// The role that wanted in.
        user: String,
        /// What it said.
        reason: String,
    },
    /// There is no such database.
    #[error("the server {host} has no database {database}")]
    NoSuchDatabase {
        /// Host and port.
        host: String,
        /// Which database.
        database: String,
    },
    /// The role lacks a right.
    #[error("the role {user} may not do this at {host}: {reason}")]
    NoRight {
        /// Host and port.
        host: String,
        /// The role.
        user: String,
        /// What it said.
        reason: String,
    },
    /// The server lacks what is needed.
    #[error("the server {host} is PostgreSQL {found}; {wanted} or newer is needed")]
    TooOld {
        /// Host and port.
        host: String,
        /// Its version.
        found: String,
        /// The oldest that will do.
        wanted: &'static str,
    },
    /// Row-level security shows the role some rows only.
    #[error("the server {host} does not show {user} all rows of {tables}: row-level security is on")]
    RowsHidden {
        /// Host and port.
        host: String,
        /// The role.
        user: String,
        /// Of which tables.
        tables: String,
    },
    /// It answers what no PostgreSQL with a queue of ours would.
    #[error("what the server {host} has there is no queue of queuectl's: it answers with {reason}")]
    Foreign {
        /// Host and port.
        host: String,
        /// What of its answer cannot be.
        reason: String,
    },
    /// It is a standby.
    #[error("the server {host} is a standby, where nothing can be written")]
    Standby {
        /// Host and port.
        host: String,
    },
}

impl ServerProblem {
    /// Tells whether it may pass by itself.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NoSession { .. }
                | Self::NotNow { .. }
                | Self::Failed { .. }
                | Self::Standby { .. }
        )
    }

    /// Tells whether it may pass where everything was well before: a password is
    /// rotated, a role or a database is closed for some minutes, a right comes back.
    pub fn passes_again(&self) -> bool {
        let is_about_access = matches!(
            self,
            Self::LoginRefused { .. } | Self::NoSuchDatabase { .. } | Self::NoRight { .. } | Self::Tls { .. }
        );
        is_about_access || self.is_passing()
    }
}
