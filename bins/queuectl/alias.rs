//! Names of the user's own for commands.

use queuectl_cli::Failure;
use queuectl_settings::loop_of_aliases;
use std::collections::BTreeMap;

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) name: String,
    /// They come before the arguments that were typed.
    pub(crate) arguments: Vec<String>,
}

/// Follows aliases until the name is none, or is that of a program.
pub(crate) fn expand(
    name: &str,
    aliases: &BTreeMap<String, String>,
    is_program: impl Fn(&str) -> bool,
) -> Result<Expanded, Failure> {
    let mut expanded = Expanded { name: name.to_owned(), arguments: Vec::new() };
    if let Some(trail) = loop_of_aliases(name, aliases, &is_program) {
        let trail = trail.join(" → ");
        return Err(Failure::error(format!("the alias {name} leads back to itself: {trail}"))
            .hint(format!("change it with `queuectl config set alias.{name} 'COMMAND'`")));
    }
    while !is_program(&expanded.name) {
        let Some(line) = aliases.get(&expanded.name) else { break };
        let of = &expanded.name;
        let fix = format!("change it with `queuectl config set alias.{of} 'COMMAND'`");
        let words = shell_words::split(line).map_err(|_| {
            Failure::error(format!("the quotes of the alias {of} are not balanced")).hint(&fix)
        })?;
        let mut words = words.into_iter();
        let first = words.next();
        let first = first.ok_or_else(|| Failure::error(format!("the alias {of} is empty")).hint(&fix))?;
        expanded.arguments = words.chain(expanded.arguments).collect();
        expanded.name = first;
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(name: &str, aliases: &[(&str, &str)]) -> Result<Vec<String>, Failure> {
        let aliases = aliases.iter().map(|&(name, line)| (name.to_owned(), line.to_owned())).collect();
        let Expanded { name, arguments } = expand(name, &aliases, |name| name == "enqueue")?;
        Ok([vec![name], arguments].concat())
    }

    #[test]
    fn an_alias_may_lead_to_another_and_keeps_its_quoting() {
        let aliases = [("q", "slow 'two words'"), ("slow", "enqueue --timeout 1h")];
        assert_eq!(expanded("q", &aliases).unwrap(), ["enqueue", "--timeout", "1h", "two words"]);
        assert_eq!(expanded("none", &aliases).unwrap(), ["none"]);
    }

    #[test]
    fn a_program_hides_an_alias_of_its_name() {
        assert_eq!(expanded("enqueue", &[("enqueue", "boom")]).unwrap(), ["enqueue"]);
        assert_eq!(expanded("q", &[("q", "enqueue"), ("enqueue", "q")]).unwrap(), ["enqueue"]);
    }

    #[test]
    fn a_loop_is_told_with_its_trail() {
        let failure = expanded("a", &[("a", "b x"), ("b", "a y")]).unwrap_err();
        assert!(failure.message().contains("a → b → a"), "{failure}");
        assert!(expanded("a", &[("a", "a")]).is_err());
        assert!(expanded("a", &[("a", "'open")]).is_err());
    }
}
