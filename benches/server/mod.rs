//! The queue on PostgreSQL: the table of targets that begin with P.

pub(crate) mod store;
