//! The three places that values come from: a file's text, environment variables, `--set`. They come in as
//! arguments; nothing here reads the file or the environment.

use std::ops::Range;
use std::path::Path;

use figment::value::Value;
use toml_edit::{Document, TableLike};

use super::error::Problem;
use super::given::{Given, from_item};
use super::origin::Origin;

/// What every variable of the configuration begins with.
const PREFIX: &str = "TAGWIRE_";

/// Variables with that prefix that are not configuration: the clients' address, the log's level, and the
/// switch for long tests.
const OTHERS: [&str; 3] = ["URL", "LOG", "LONG"];

/// The values of a TOML file, in the order of its lines.
///
/// # Errors
///
/// Returns [`Problem::NotToml`] with the line where the text stops being TOML.
pub(crate) fn file(path: &Path, text: &str) -> Result<Vec<Given>, Problem> {
    let document = Document::parse(text).map_err(|error| Problem::NotToml {
        path: path.to_owned(),
        line: line(text, error.span()),
        why: error.message().trim_end().replace('\n', "; "),
    })?;
    let mut walk = Walk { path, text, found: Vec::new() };
    walk.table(&[], document.as_table(), None);
    Ok(walk.found)
}

/// Goes through a document's tables and keeps what is in them.
struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    found: Vec<Given>,
}

impl Walk<'_> {
    fn table(&mut self, path: &[String], table: &dyn TableLike, span: Option<Range<usize>>) {
        if table.is_empty() && !path.is_empty() {
            self.keep(path, Value::from(figment::value::Empty::Unit), span);
        }
        for (name, item) in table.iter() {
            let path = [path, &[name.to_owned()]].concat();
            // The key's place; a table's header has none of its own, but the table has.
            let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            match item.as_table_like() {
                Some(inner) => self.table(&path, inner, span),
                None => self.keep(&path, from_item(item), span),
            }
        }
    }

    fn keep(&mut self, path: &[String], value: Value, span: Option<Range<usize>>) {
        let origin = Origin::File { path: self.path.to_owned(), line: line(self.text, span) };
        self.found.push(Given { path: path.to_vec(), value, origin });
    }
}

/// The line on which a span begins, from 1.
fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start);
    1 + text.bytes().take(start).filter(|b| *b == b'\n').count()
}

/// The values among environment variables: `TAGWIRE_LIMITS__FRAME` is `limits.frame`.
pub(crate) fn variables<I: IntoIterator<Item = (String, String)>>(variables: I) -> Vec<Given> {
    let given = variables.into_iter().filter_map(|(name, value)| {
        let rest = name.strip_prefix(PREFIX).filter(|rest| !OTHERS.contains(rest))?;
        let key = rest.to_ascii_lowercase().replace("__", ".");
        Some(Given::from_text(&key, &value, Origin::Variable(name)))
    });
    given.collect()
}

/// The values of `--set KEY=VALUE`, in their order.
///
/// # Errors
///
/// Returns [`Problem::NotASetting`] for each that has no equals sign or no key.
pub(crate) fn flags(settings: &[String]) -> Result<Vec<Given>, Vec<Problem>> {
    let (mut given, mut problems) = (Vec::new(), Vec::new());
    for text in settings {
        match text.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some((key, value)) if !key.is_empty() => {
                given.push(Given::from_text(key, value, Origin::Flag(key.to_owned())));
            }
            _ => problems.push(Problem::NotASetting { text: text.clone() }),
        }
    }
    if problems.is_empty() { Ok(given) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(given: &[Given]) -> Vec<(String, String)> {
        given.iter().map(|given| (given.key(), given.origin.to_string())).collect()
    }

    fn pair(key: &str, origin: &str) -> (String, String) {
        (key.to_owned(), origin.to_owned())
    }

    #[test]
    fn a_file_gives_keys_with_their_lines() {
        let text = "# a comment\nworkers = 2\n\n[limits]\nframe = 1\n[handlers.0x20]\ncommand = [\n\"a\"]\n";
        let given = file(Path::new("t.toml"), text).unwrap();
        let want = [("workers", 2), ("limits.frame", 5), ("handlers.0x20.command", 7)];
        assert_eq!(
            seen(&given),
            want.map(|(key, line)| pair(key, &format!("t.toml, line {line}")))
        );
    }

    #[test]
    fn an_empty_table_is_seen_too() {
        let given = file(Path::new("t.toml"), "\n[limitz]\n").unwrap();
        assert_eq!(seen(&given), [pair("limitz", "t.toml, line 2")]);
    }

    #[test]
    fn what_is_not_toml_has_a_line() {
        let error = file(Path::new("t.toml"), "workers = 2\nframe = = 3\n").unwrap_err();
        assert!(matches!(error, Problem::NotToml { line: 2, .. }), "{error:?}");
        let error = file(Path::new("t.toml"), "a = 1\na = 2\n").unwrap_err();
        assert!(matches!(error, Problem::NotToml { line: 2, .. }), "{error:?}");
    }

    #[test]
    fn variables_are_keys_with_two_underscores() {
        let all = ["TAGWIRE_LIMITS__FRAME", "TAGWIRE_URL", "TAGWIRE_LOG", "TAGWIRE_LONG", "PATH"];
        let hex = "TAGWIRE_HANDLERS__0xAB__COMMAND";
        let all = all.into_iter().chain([hex]).map(|name| (name.to_owned(), "1".to_owned()));
        let want =
            [pair("limits.frame", "TAGWIRE_LIMITS__FRAME"), pair("handlers.0xab.command", hex)];
        assert_eq!(seen(&variables(all)), want);
    }

    #[test]
    fn a_flag_has_a_key_and_a_value() {
        let given = flags(&["handlers.0x20.command=sh -c 'a=b'".to_owned()]).unwrap();
        assert_eq!(seen(&given), [pair("handlers.0x20.command", "--set handlers.0x20.command")]);
        assert_eq!(given[0].value.as_str(), Some("sh -c 'a=b'"));
        for bad in ["limits.frame", "=1", ""] {
            assert!(flags(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }
}
