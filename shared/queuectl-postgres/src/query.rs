//! Statements whose values have names.

use crate::value::Value;
use std::sync::OnceLock;

/// A statement with named places for values: `:name`, as often as is wanted.
///
/// The server is sent numbers (`$1`), in the order in which the names come first.
pub struct Query {
    text: &'static str,
    numbered: OnceLock<Numbered>,
}

/// A statement as the server takes it.
struct Numbered {
    text: String,
    names: Vec<&'static str>,
}

/// The name of a value, and the value.
pub type Named<'a> = (&'static str, Value<'a>);

impl Query {
    /// Takes the text of a statement.
    pub const fn new(text: &'static str) -> Self {
        Self { text, numbered: OnceLock::new() }
    }

    /// The statement with numbers for names.
    pub fn text(&self) -> &str {
        &self.numbered().text
    }

    /// The names, in the order of their numbers.
    pub fn names(&self) -> &[&'static str] {
        &self.numbered().names
    }

    /// The values in the order of their numbers. What the statement does not name is left
    /// out.
    ///
    /// # Panics
    ///
    /// If a value that it names is missing: the caller is wrong in every case, and the
    /// first call shows it.
    pub fn values<'a>(&self, named: &[Named<'a>]) -> Vec<Value<'a>> {
        let find = |&name: &&str| {
            let found = named.iter().find(|(given, _)| *given == name);
            found.unwrap_or_else(|| panic!("no value for :{name}")).1.clone()
        };
        self.names().iter().map(find).collect()
    }

    fn numbered(&self) -> &Numbered {
        self.numbered.get_or_init(|| number(self.text))
    }
}

/// Puts numbers where names are; a text in quotes and a cast (`::`) have none.
fn number(text: &'static str) -> Numbered {
    let (mut numbered, mut names) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find([':', '\'']) {
        let (before, from) = rest.split_at(at);
        numbered.push_str(before);
        let length = if let Some(quoted) = from.strip_prefix('\'') {
            quoted.find('\'').map_or(from.len(), |end| end + 2)
        } else if from.starts_with("::") {
            2
        } else {
            let name = &from[1..];
            let end = name.find(|c: char| c != '_' && !c.is_ascii_lowercase()).unwrap_or(name.len());
            let name = &name[..end];
            if !name.is_empty() {
                let known = names.iter().position(|known| *known == name);
                let number = known.unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                });
                numbered.push('$');
                numbered.push_str(&(number + 1).to_string());
                rest = &from[1 + end..];
                continue;
            }
            1
        };
        numbered.push_str(&from[..length]);
        rest = &from[length..];
    }
    numbered.push_str(rest);
    Numbered { text: numbered, names }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Typed;

    #[test]
    fn names_become_numbers_in_the_order_in_which_they_come_first() {
        let query = Query::new("SELECT :b::bigint, ':c', a[1:2] FROM t WHERE x = :a_b AND y = :b");
        assert_eq!(query.text(), "SELECT $1::bigint, ':c', a[1:2] FROM t WHERE x = $2 AND y = $1");
        assert_eq!(query.names(), ["b", "a_b"]);
    }

    #[test]
    fn values_come_in_the_order_of_their_numbers() {
        let query = Query::new("SELECT :second, :first");
        let (one, two) = (1_i64, "2");
        let values =
            query.values(&[("first", one.value()), ("unused", one.value()), ("second", two.value())]);
        let types: Vec<String> = values.iter().map(|(_, of_type)| of_type.name().to_owned()).collect();
        assert_eq!(types, ["text", "int8"]);
    }
}
