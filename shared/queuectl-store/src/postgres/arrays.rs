//! Rows as columns: one statement takes many rows, as an array for each column.

use super::row::storable;
use crate::columns::{Cell, Column, Has};
use queuectl_postgres::Named;
use std::borrow::Cow;
use tokio_postgres::types::Type;

/// The values of one column.
enum Array<'a> {
    Numbers(Vec<Option<i64>>),
    Texts(Vec<Option<Cow<'a, str>>>),
    Bytes(Vec<Option<&'a [u8]>>),
}

/// The values of some columns, in the order of their rows.
pub(crate) struct Arrays<'a>(Vec<(&'static str, Array<'a>)>);

impl<'a> Arrays<'a> {
    /// Of these columns, without rows.
    pub(crate) fn new(columns: &[Column]) -> Self {
        let empty = |has| match has {
            Has::Number => Array::Numbers(Vec::new()),
            Has::Text => Array::Texts(Vec::new()),
            Has::Bytes => Array::Bytes(Vec::new()),
        };
        Self(columns.iter().map(|column| (column.name, empty(column.has))).collect())
    }

    /// Adds a row, with a cell for each column. What the column cannot have is NULL there.
    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = Cell<'a>>) {
        for ((_, array), cell) in self.0.iter_mut().zip(row) {
            match (array, cell) {
                (Array::Numbers(numbers), Cell::Number(number)) => numbers.push(Some(number)),
                (Array::Texts(texts), Cell::Text(text)) if text.contains('\0') => {
                    texts.push(Some(storable(&text).into()));
                }
                (Array::Texts(texts), Cell::Text(text)) => texts.push(Some(text)),
                (Array::Bytes(parts), Cell::Bytes(bytes)) => parts.push(Some(bytes)),
                (Array::Numbers(numbers), _) => numbers.push(None),
                (Array::Texts(texts), _) => texts.push(None),
                (Array::Bytes(parts), _) => parts.push(None),
            }
        }
    }

    /// The arrays by the names of their columns.
    pub(crate) fn named(&self) -> Vec<Named<'_>> {
        self.0
            .iter()
            .map(|(name, array)| match array {
                Array::Numbers(numbers) => (*name, (numbers as _, Type::INT8_ARRAY)),
                Array::Texts(texts) => (*name, (texts as _, Type::TEXT_ARRAY)),
                Array::Bytes(parts) => (*name, (parts as _, Type::BYTEA_ARRAY)),
            })
            .collect()
    }
}
