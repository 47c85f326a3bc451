//! What can go wrong inside a verb, before the database's path is added.

use crate::StoreError;
use queuectl_core::IllegalTransition;

/// Why a verb could not be done.
pub(crate) enum Trouble {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A row says something that the rules of a job do not allow.
impl From<IllegalTransition> for Trouble {
    fn from(error: IllegalTransition) -> Self {
        Self::Sql(rusqlite::Error::ToSqlConversionFailure(error.to_string().into()))
    }
}
