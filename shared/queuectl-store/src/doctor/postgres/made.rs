//! What the migrations make, read from their own text: a second list would be
//! wrong one day.

use crate::postgres::migrations::MIGRATIONS;

/// What something is, as far as it matters when it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    Sequence,
    /// Makes something fast.
    Index,
    /// Keeps something from being there twice.
    UniqueIndex,
    /// Keeps rows from saying what cannot be.
    Check,
}

/// Something that a migration makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// What makes it again, with an `@` for the schema.
    pub(super) statement: String,
}

/// Everything that is in the schema of a queue.
pub(super) fn everything() -> Vec<Made> {
    MIGRATIONS
        .iter()
        .flat_map(|migration| statements(migration))
        .flat_map(|statement| made(&statement))
        .collect()
}

/// The names of what is of this kind.
pub(super) fn names(kind: Kind) -> Vec<String> {
    everything().into_iter().filter(|made| made.kind == kind).map(|made| made.name).collect()
}

/// The statements of a migration, each in one line and without comments.
fn statements(migration: &str) -> Vec<String> {
    let code: Vec<&str> = migration.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let statements = code.join("\n");
    let statements = statements.split(';').map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.filter(|statement| !statement.is_empty()).collect()
}

fn made(statement: &str) -> Vec<Made> {
    let words: Vec<&str> = statement.split(' ').collect();
    match words.as_slice() {
        ["CREATE", "TABLE", table, ..] => {
            let itself = Made::new(Kind::Table, plain(table), statement.to_owned());
            [vec![itself], in_table(table, parts(in_parentheses(statement)))].concat()
        }
        ["ALTER", "TABLE", table, ..] => {
            let (_, changes) = statement.split_once(table).unwrap_or_default();
            in_table(table, parts(changes))
        }
        ["CREATE", "SEQUENCE", name, ..] => {
            vec![Made::new(Kind::Sequence, plain(name), statement.to_owned())]
        }
        // So that nobody has to wait for it who works on the queue.
        ["CREATE", "INDEX", name, rest @ ..] => {
            let again = format!("CREATE INDEX CONCURRENTLY {name} {}", rest.join(" "));
            vec![Made::new(Kind::Index, plain(name), again)]
        }
        ["CREATE", "UNIQUE", "INDEX", name, rest @ ..] => {
            let again = format!("CREATE UNIQUE INDEX CONCURRENTLY {name} {}", rest.join(" "));
            vec![Made::new(Kind::UniqueIndex, plain(name), again)]
        }
        _ => Vec::new(),
    }
}

/// The rules and indexes that columns of a table have, and the table as a whole.
fn in_table(table: &str, parts: Vec<&str>) -> Vec<Made> {
    let name = plain(table);
    let mut all = Vec::new();
    for part in parts {
        let part = part.strip_prefix("ADD ").unwrap_or(part);
        let part = part.strip_prefix("COLUMN ").unwrap_or(part);
        let column = part.split(' ').next().unwrap_or_default();
        let columns = |kind: &str| match part.strip_prefix(kind) {
            Some(_) => Some(in_parentheses(part)),
            None => part.contains(kind).then_some(column),
        };
        if let Some(columns) = columns("PRIMARY KEY") {
            let again = format!("ALTER TABLE {table} ADD PRIMARY KEY ({columns})");
            all.push(Made::new(Kind::UniqueIndex, &format!("{name}_pkey"), again));
        }
        if let Some(columns) = columns("UNIQUE") {
            let again = format!("ALTER TABLE {table} ADD UNIQUE ({columns})");
            let of_columns = columns.replace(", ", "_");
            all.push(Made::new(Kind::UniqueIndex, &format!("{name}_{of_columns}_key"), again));
        }
        if let Some((_, rule)) = part.split_once("CONSTRAINT ") {
            let (rule_name, check) = rule.split_once(' ').unwrap_or((rule, ""));
            let again =
                format!("ALTER TABLE {table} ADD CONSTRAINT {rule_name} CHECK ({})", in_parentheses(check));
            all.push(Made::new(Kind::Check, rule_name, again));
        }
    }
    all
}

impl Made {
    fn new(kind: Kind, name: &str, statement: String) -> Self {
        Self { kind, name: name.to_owned(), statement }
    }
}

/// A name without the sign of its schema.
fn plain(name: &str) -> &str {
    name.trim_start_matches('@')
}

/// What is in the first parentheses, with those in it.
fn in_parentheses(text: &str) -> &str {
    let Some((_, inside)) = text.split_once('(') else { return "" };
    let mut depth = 1;
    let end = inside.find(|character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    inside[..end.unwrap_or(inside.len())].trim()
}

/// What stands between commas that are in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let between = text.split(|character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        character == ',' && depth == 0
    });
    between.map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(statements: &[&str]) -> Vec<(Kind, String, String)> {
        let made = statements.iter().flat_map(|statement| made(statement));
        made.map(|made| (made.kind, made.name, made.statement)).collect()
    }

    #[test]
    fn every_statement_of_the_migrations_is_understood() {
        let known =
            ["CREATE TABLE @", "CREATE SEQUENCE @", "CREATE INDEX ", "CREATE UNIQUE INDEX ", "ALTER TABLE @"];
        for statement in MIGRATIONS.iter().flat_map(|migration| statements(migration)) {
            assert!(known.iter().any(|beginning| statement.starts_with(beginning)), "{statement}");
            assert!(!statement.contains("DROP "), "{statement}");
        }
        let rules = MIGRATIONS.iter().map(|migration| migration.matches("CONSTRAINT ").count());
        let mut names = names(Kind::Check);
        assert_eq!(names.len(), rules.sum::<usize>());
        // A rule is looked for by its name alone.
        names.sort();
        let unique = names.len();
        names.dedup();
        assert_eq!(names.len(), unique, "{names:?}");
    }

    #[test]
    fn what_a_table_has_is_found_in_it() {
        let table = "CREATE TABLE @job ( seq bigint PRIMARY KEY, id text COLLATE \"C\" NOT NULL UNIQUE, \
             state text CONSTRAINT state_is_known CHECK ( state IN ('a', 'b')), \
             CONSTRAINT it_is_so CHECK ((seq > 0) = (id <> ''))) WITH (fillfactor = 70, other = 1)";
        let found = of(&[table]);
        let again = |kind, name: &str, statement: &str| (kind, name.to_owned(), statement.to_owned());
        assert_eq!(
            found[1..],
            [
                again(Kind::UniqueIndex, "job_pkey", "ALTER TABLE @job ADD PRIMARY KEY (seq)"),
                again(Kind::UniqueIndex, "job_id_key", "ALTER TABLE @job ADD UNIQUE (id)"),
                again(
                    Kind::Check,
                    "state_is_known",
                    "ALTER TABLE @job ADD CONSTRAINT state_is_known CHECK (state IN ('a', 'b'))"
                ),
                again(
                    Kind::Check,
                    "it_is_so",
                    "ALTER TABLE @job ADD CONSTRAINT it_is_so CHECK ((seq > 0) = (id <> ''))"
                ),
            ]
        );
        assert_eq!((found[0].0, found[0].1.as_str()), (Kind::Table, "job"));
        let added =
            of(&["ALTER TABLE @a ADD COLUMN b text CONSTRAINT c CHECK (b IN (1, 2)), ADD COLUMN d text"]);
        assert_eq!(added, [again(Kind::Check, "c", "ALTER TABLE @a ADD CONSTRAINT c CHECK (b IN (1, 2))")]);
        let several = of(&["CREATE TABLE @a (b int, c int, PRIMARY KEY (b, c))"]);
        assert_eq!(several[1].2, "ALTER TABLE @a ADD PRIMARY KEY (b, c)");
    }

    #[test]
    fn comments_and_the_ends_of_lines_do_not_count() {
        let found = statements("-- a; b\nCREATE INDEX i -- (\n    ON @job (a)\n    WHERE b;\n\n");
        assert_eq!(found, ["CREATE INDEX i ON @job (a) WHERE b"]);
        assert_eq!(made(&found[0])[0].statement, "CREATE INDEX CONCURRENTLY i ON @job (a) WHERE b");
    }
}
