//! One value that somebody gave, from wherever. Each is a figment provider of its own, so that figment's
//! metadata says of every merged value which file and line, variable or flag it came from.

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};
use toml_edit::{Document, Item};

use super::keys;
use super::origin::Origin;

/// One value that somebody gave.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// The parts of the key, known or not.
    pub(crate) path: Vec<String>,
    /// The value; `Empty` for a table without anything in it.
    pub(crate) value: Value,
    /// Who gave it.
    pub(crate) origin: Origin,
}

impl Given {
    /// A value written where types cannot be: in a variable or a flag.
    ///
    /// It is TOML if it is valid TOML (`10`, `["a", "b"]`, `"15s"`), else text as it stands (`15s`). For a
    /// key whose values are text, only quotes and brackets count: `--set rooms.default=7` is the room `7`.
    pub(crate) fn from_text(key: &str, text: &str, origin: Origin) -> Self {
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        let known = keys::find(&path);
        let value = toml(text).filter(|value| {
            let textual = matches!(value, Value::String(..) | Value::Array(..));
            textual || !known.is_some_and(|known| known.is_text())
        });
        Self { path, value: value.unwrap_or_else(|| Value::from(text)), origin }
    }

    /// The key, its parts joined by dots.
    pub(crate) fn key(&self) -> String {
        self.path.join(".")
    }
}

/// The value of a TOML expression, or `None` if it is not exactly one.
fn toml(text: &str) -> Option<Value> {
    // A line break could begin another key.
    let one_line = !text.contains(['\n', '\r']);
    let document = one_line.then(|| Document::parse(format!("v = {text}")).ok())??;
    document.get("v").map(from_item)
}

/// A TOML item as figment's value. Dates become text: no key wants one.
pub(crate) fn from_item(item: &Item) -> Value {
    match item {
        Item::Value(value) => from_value(value),
        Item::Table(table) => {
            let entries = table.iter().map(|(key, item)| (key.to_owned(), from_item(item)));
            Value::from(entries.collect::<Dict>())
        }
        Item::ArrayOfTables(tables) => {
            let tables = tables.iter().map(|table| from_item(&Item::Table(table.clone())));
            Value::from(tables.collect::<Vec<_>>())
        }
        Item::None => Value::from(Dict::new()),
    }
}

fn from_value(value: &toml_edit::Value) -> Value {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(text) => Value::from(text.value().as_str()),
        Toml::Integer(number) => Value::from(*number.value()),
        Toml::Float(number) => Value::from(*number.value()),
        Toml::Boolean(yes) => Value::from(*yes.value()),
        Toml::Datetime(time) => Value::from(time.value().to_string()),
        Toml::Array(items) => Value::from(items.iter().map(from_value).collect::<Vec<_>>()),
        Toml::InlineTable(table) => {
            let entries = table.iter().map(|(key, value)| (key.to_owned(), from_value(value)));
            Value::from(entries.collect::<Dict>())
        }
    }
}

impl Provider for Given {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let nest = |inner: Value, part: &String| Value::from(Dict::from([(part.clone(), inner)]));
        let root = self.path.iter().rev().fold(self.value.clone(), nest);
        Ok(Profile::Default.collect(root.into_dict().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(key: &str, text: &str) -> Value {
        Given::from_text(key, text, Origin::Flag(key.into())).value
    }

    #[test]
    fn text_is_toml_where_it_can_be() {
        assert_eq!(given("limits.frame", "10").to_i128(), Some(10));
        assert_eq!(given("limits.frame", "64KiB").as_str(), Some("64KiB"));
        assert_eq!(given("limits.frame", "\"64KiB\"").as_str(), Some("64KiB"));
        assert!(given("limits.exempt", "['::1/128']").as_array().is_some());
        assert_eq!(
            given("handlers.0x20.command", "python3 echo.py").as_str(),
            Some("python3 echo.py")
        );
    }

    #[test]
    fn text_stays_text_where_text_is_wanted() {
        assert_eq!(given("rooms.default", "7").as_str(), Some("7"));
        assert_eq!(given("rooms.default", "true").as_str(), Some("true"));
        assert_eq!(given("handlers.0x20.command", "true").as_str(), Some("true"));
        assert_eq!(given("rooms.default", "").as_str(), Some(""));
    }

    #[test]
    fn a_line_break_begins_no_other_key() {
        assert_eq!(given("workers", "1\nx = 2").as_str(), Some("1\nx = 2"));
    }
}
