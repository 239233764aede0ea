//! The reference of every key, made of the table of keys: `tagwire.example.toml` and the table in
//! docs/configuration.md. A test keeps both as the code says.

use std::fmt::Write;

use super::Config;
use super::handlers::PARTS;
use super::keys::{KEYS, Key};
use super::later::Later;
use super::rules;

/// A configuration file in which every key stands with its default, commented out.
pub(crate) fn example() -> String {
    let config = defaults();
    let mut out = String::from(
        "# Every key of tagwire's configuration, with its default and the reason for it.\n\
         # Use it with `tagwire serve --config FILE`; `tagwire config show` says what counts.\n\
         # Made of the program: `tagwire config example` prints it.\n",
    );
    let mut last = "";
    for key in KEYS {
        let (section, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if section != std::mem::replace(&mut last, section) {
            let _ = write!(out, "\n[{section}]\n");
        }
        let _ = write!(out, "\n{}# {name} = {}\n", comment(key), (key.show)(&config));
    }
    out.push_str(
        "\n# What is different in some rooms: one, or all whose names begin alike. Of several rules for a \
         room,\n# the one that says most of its name counts.\n# [rooms.rules.\"audit-*\"]\n",
    );
    for part in rules::PARTS {
        let _ = writeln!(out, "# {} = {}  # {}", part.name, part.example, part.doc);
    }
    out.push_str("\n# A process handler for the application tag 0x20.\n# [handlers.0x20]\n");
    for part in PARTS {
        let _ = writeln!(out, "# {} = {}  # {}", part.name, part.example, part.doc);
    }
    out
}

fn comment(key: &Key) -> String {
    let later = if Later::KEYS.contains(&key.name) { " (No effect in this version.)" } else { "" };
    format!("# {}{later}\n", key.doc)
}

/// The defaults, with one that depends on the machine as on a machine of two cores.
fn defaults() -> Config {
    Config { workers: 2, ..Config::default() }
}

#[cfg(test)]
mod tests {
    use tagwire::limits::SlowPolicy;

    use super::*;
    use crate::blessed;
    use crate::config::handlers::Part;
    use crate::config::source;

    /// The same as a table for people.
    fn table() -> String {
        let config = defaults();
        let mut out = String::from("| key | default | |\n| --- | --- | --- |\n");
        for key in KEYS {
            let later =
                if Later::KEYS.contains(&key.name) { " No effect in this version." } else { "" };
            let shown = (key.show)(&config);
            let _ = writeln!(out, "| `{}` | `{shown}` | {}{later} |", key.name, key.doc);
        }
        for rules::Part { name, doc, .. } in rules::PARTS {
            let _ = writeln!(out, "| `rooms.rules.ROOM.{name}` | | {doc} |");
        }
        for Part { name, doc, .. } in PARTS {
            let _ = writeln!(out, "| `handlers.0xNN.{name}` | | {doc} |");
        }
        out
    }

    #[test]
    fn the_example_is_the_codes() {
        blessed::assert_file("tagwire.example.toml", |_| example());
    }

    #[test]
    fn the_documentation_is_the_codes() {
        blessed::assert_part("docs/configuration.md", "keys", &table());
    }

    #[test]
    fn the_example_reads_back_as_the_defaults() {
        let text = example();
        // With every key in force.
        let live: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.contains(" = ") || rest.starts_with('[') => rest,
                _ => line,
            })
            .fold(String::new(), |all, line| all + line + "\n");
        let given = source::file("example".as_ref(), &live).unwrap();
        let read = Config::merge(given).unwrap();
        let shown = |config: &Config| {
            KEYS.iter().map(|key| (key.show)(config)).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(shown(&read), shown(&defaults()));
        assert_eq!(read.settings.rooms.rules[0].slow, Some(SlowPolicy::Pause));
        assert_eq!(read.handlers[&0x20].command, ["python3", "echo.py"]);
    }
}
