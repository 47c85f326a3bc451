//! Values of settings with their types, for programs.

use queuectl_settings::Key;
use serde_json::{Number, Value};

/// A number where the setting is one or is written as one, in its unit; else text, as
/// `24h`, `1MiB`, a level, a path, an alias.
pub(crate) fn typed(key: &str, text: &str) -> Value {
    let is_text = matches!(Key::find(key), None | Some(Key::Database | Key::LogLevel));
    let whole = || text.parse::<u64>().ok().map(Number::from);
    let number = || whole().or_else(|| Number::from_f64(text.parse().ok()?));
    match number().filter(|_| !is_text) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_numbers_and_what_has_a_unit_is_text() {
        for (key, text, value) in [
            ("max-retries", "5", json!(5)),
            ("backoff_base", "1.5", json!(1.5)),
            ("poll-interval", "2", json!(2)),
            ("poll-interval", "500ms", json!("500ms")),
            ("output-limit", "1MiB", json!("1MiB")),
            ("log-level", "INFO", json!("INFO")),
            ("database", "7", json!("7")),
            ("alias.seven", "7", json!("7")),
        ] {
            assert_eq!(typed(key, text), value, "{key} = {text}");
        }
    }
}
