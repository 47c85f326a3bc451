//! Values as a statement takes them.

use tokio_postgres::types::{ToSql, Type};

/// A value and how the server is to read it.
pub type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// What a value of this kind is to the server.
pub trait Typed: ToSql + Sync + Sized {
    /// Its type there.
    const TYPE: Type;

    /// The value with its type.
    fn value(&self) -> Value<'_> {
        (self, Self::TYPE)
    }
}

macro_rules! typed {
    ($($kind:ty => $name:ident),+ $(,)?) => {
        $(impl Typed for $kind {
            const TYPE: Type = Type::$name;
        })+
    };
}

typed! {
    bool => BOOL, i64 => INT8, Option<i64> => INT8, Option<&str> => TEXT, f64 => FLOAT8, &str => TEXT, String => TEXT,
    Vec<i64> => INT8_ARRAY, Vec<Option<i64>> => INT8_ARRAY, Vec<Option<i32>> => INT4_ARRAY,
    Vec<bool> => BOOL_ARRAY, Vec<&str> => TEXT_ARRAY, Vec<String> => TEXT_ARRAY,
    Vec<Option<String>> => TEXT_ARRAY, Vec<Option<&str>> => TEXT_ARRAY, Vec<&[u8]> => BYTEA_ARRAY,
    Option<String> => TEXT,
}

/// Values in the order of their places in a statement.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::value::Typed::value(&$value)),*]
    };
}
pub use crate::values;

/// Values with the names that a [`Query`](crate::Query) has for them: those of the variables, or others.
#[macro_export]
macro_rules! named {
    (@one $name:ident: $value:expr) => {
        (stringify!($name), $crate::value::Typed::value(&$value))
    };
    (@one $name:ident) => {
        (stringify!($name), $crate::value::Typed::value(&$name))
    };
    ($($name:ident $(: $value:expr)?),* $(,)?) => {
        [$($crate::named!(@one $name $(: $value)?)),*]
    };
}
pub use crate::named;
