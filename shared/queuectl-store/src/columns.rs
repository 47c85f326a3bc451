//! The columns of the tables that both stores have: each table's are named in one list,
//! here or, of a job, in [`job_row`](crate::job_row).
//!
//! Each table is a module with its columns in one order: what `LIST` names in a
//! statement is read by the constant of the same name (`job::priority`). Placeholders are
//! made from the same lists. A column that is added here, and in the migrations, is
//! selected, inserted, copied and moved; what it means is said where rows are read and new
//! ones given values: [`job_row`](crate::job_row), [`rows`](crate::rows).

/// What a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Has {
    Number,
    Text,
    Bytes,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) has: Has,
}

/// What a placeholder of SQLite is, for whatever column.
macro_rules! placeholder {
    ($column:ident) => {
        "?"
    };
}

/// What the server is told of an array with the values of one column.
macro_rules! array_type {
    (Number) => {
        "::bigint[]"
    };
    (Text) => {
        "::text[]"
    };
    (Bytes) => {
        "::bytea[]"
    };
}

macro_rules! table {
    (
        $(#[$about:meta])*
        $table:ident {
            key { $key:ident: $key_has:ident $(, $more_key:ident: $more_key_has:ident)* }
            $(given { $($given:ident: $given_has:ident),+ $(,)? })?
            rest { $rest:ident: $rest_has:ident $(, $more_rest:ident: $more_rest_has:ident)* $(,)? }
        }
    ) => {
        $(#[$about])*
        #[expect(non_upper_case_globals, reason = "a column's constant has the column's name")]
        #[allow(dead_code, reason = "not every column is read by its name")]
        pub(crate) mod $table {
            use $crate::columns::{Column, Has};

            #[expect(non_camel_case_types, reason = "they are the names of columns")]
            #[repr(usize)]
            enum Index {
                $key, $($more_key,)* $($($given,)+)? $rest, $($more_rest,)*
            }

            pub(crate) const $key: usize = Index::$key as usize;
            $(pub(crate) const $more_key: usize = Index::$more_key as usize;)*
            $($(pub(crate) const $given: usize = Index::$given as usize;)+)?
            pub(crate) const $rest: usize = Index::$rest as usize;
            $(pub(crate) const $more_rest: usize = Index::$more_rest as usize;)*

            /// All columns, as a statement names them.
            pub(crate) const LIST: &str = concat!(
                stringify!($key),
                $(", ", stringify!($more_key),)*
                $($(", ", stringify!($given),)+)?
                ", ", stringify!($rest),
                $(", ", stringify!($more_rest),)*
            );

            /// A placeholder for each.
            pub(crate) const PLACEHOLDERS: &str = concat!(
                $crate::columns::placeholder!($key),
                $(", ", $crate::columns::placeholder!($more_key),)*
                $($(", ", $crate::columns::placeholder!($given),)+)?
                ", ", $crate::columns::placeholder!($rest),
                $(", ", $crate::columns::placeholder!($more_rest),)*
            );

            /// An array for each, by the name of the column.
            pub(crate) const ARRAYS: &str = concat!(
                ":", stringify!($key), $crate::columns::array_type!($key_has),
                $(", :", stringify!($more_key), $crate::columns::array_type!($more_key_has),)*
                $($(", :", stringify!($given), $crate::columns::array_type!($given_has),)+)?
                ", :", stringify!($rest), $crate::columns::array_type!($rest_has),
                $(", :", stringify!($more_rest), $crate::columns::array_type!($more_rest_has),)*
            );

            /// All columns.
            pub(crate) const COLUMNS: &[Column] = &[
                Column { name: stringify!($key), has: Has::$key_has },
                $(Column { name: stringify!($more_key), has: Has::$more_key_has },)*
                $($(Column { name: stringify!($given), has: Has::$given_has },)+)?
                Column { name: stringify!($rest), has: Has::$rest_has },
                $(Column { name: stringify!($more_rest), has: Has::$more_rest_has },)*
            ];

            $(
                /// Those that are given with the row and never change, each with a comma
                /// before it.
                pub(crate) const AND_GIVEN: &str = concat!($(", ", stringify!($given)),+);

                /// The same, each with the name of the table.
                pub(crate) const AND_GIVEN_QUALIFIED: &str =
                    concat!($(", ", stringify!($table), ".", stringify!($given)),+);

                /// A placeholder for each of them, with a comma before it.
                pub(crate) const AND_GIVEN_PLACEHOLDERS: &str = concat!($(", ", $crate::columns::placeholder!($given)),+);

                /// An array for each of them, with a comma before it.
                pub(crate) const AND_GIVEN_ARRAYS: &str =
                    concat!($(", :", stringify!($given), $crate::columns::array_type!($given_has)),+);

                /// The same columns.
                pub(crate) const GIVEN: &[Column] =
                    &[$(Column { name: stringify!($given), has: Has::$given_has }),+];
            )?
        }
    };
}

pub(crate) use {array_type, placeholder, table};

table! {
    /// What people have said of a queue.
    rules {
        key { id: Number }
        given {
            queue: Text,
        }
        rest {
            paused_at_ms: Number,
            paused_until_ms: Number,
            paused_by: Text,
            paused_reason: Text,
            job_limit: Number,
        }
    }
}

table! {
    /// A key that a job has, or had and that stays taken.
    unique_key {
        key { seq: Number }
        rest {
            key: Text,
            job_id: Text,
            is_held: Number,
            until_ms: Number,
        }
    }
}

table! {
    /// A worker, also one that has ended.
    worker {
        key { id: Number }
        given {
            host: Text,
            pid: Number,
            manager_pid: Number,
            boot_id: Text,
            pid_namespace: Number,
            run: Text,
            note_region: Number,
            concurrency: Number,
            path: Text,
            queues: Text,
            started_at_ms: Number,
        }
        rest {
            ended_at_ms: Number,
            stop: Number,
            jobs_done: Number,
        }
    }
}

table! {
    /// An attempt that had output or an end.
    attempt {
        key { seq: Number, lease: Number }
        rest {
            worker: Number,
            started_at_ms: Number,
            ended_at_ms: Number,
            outcome: Text,
            code: Number,
            error: Text,
            output_bytes: Number,
            dropped_bytes: Number,
        }
    }
}

table! {
    /// The end of an attempt and what it makes of its job, as a server is told of it.
    ended {
        key { seq: Number, lease: Number }
        rest {
            queue: Text,
            state: Text,
            attempts: Number,
            crashes: Number,
            started_at_ms: Number,
            ended_at_ms: Number,
            finished_at_ms: Number,
            run_at_ms: Number,
            waits_since_ms: Number,
            outcome: Text,
            code: Number,
            exit_code: Number,
            signal: Number,
            error: Text,
            output_bytes: Number,
            dropped_bytes: Number,
        }
    }
}

table! {
    /// The same of attempts that brought their jobs to rest and had no output: fewer columns
    /// are less to send and to take apart.
    plain_ended {
        key { seq: Number, lease: Number }
        rest {
            queue: Text,
            state: Text,
            attempts: Number,
            crashes: Number,
            started_at_ms: Number,
            finished_at_ms: Number,
            outcome: Text,
            exit_code: Number,
            signal: Number,
            error: Text,
        }
    }
}

table! {
    /// A piece of output.
    output {
        key { seq: Number, lease: Number, n: Number }
        rest {
            stream: Number,
            at_ms: Number,
            bytes: Bytes,
        }
    }
}

/// The columns of a table, and one more that a statement works out.
pub(crate) const fn and<const N: usize>(columns: &[Column], more: Column) -> [Column; N] {
    let mut all = [more; N];
    let mut index = 0;
    while index < columns.len() {
        all[index] = columns[index];
        index += 1;
    }
    all
}

/// A value that is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Number(i64),
    Text(std::borrow::Cow<'a, str>),
    Bytes(&'a [u8]),
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
