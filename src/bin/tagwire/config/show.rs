//! The configuration as TOML that reads back as the same, each key with where its value came from.

use std::fmt::Write;

use super::handlers::{PARTS, name};
use super::keys::KEYS;
use super::{Config, later::Later, rules};

impl Config {
    /// Every key, its value, and its origin.
    pub(crate) fn show(&self) -> String {
        let mut out = String::new();
        for key in KEYS {
            self.line(&mut out, key.name, &(key.show)(self));
        }
        for rule in &self.settings.rooms.rules {
            for part in rules::PARTS {
                if let Some(shown) = (part.show)(rule) {
                    self.line(&mut out, &rules::name(&rule.pattern, part), &shown);
                }
            }
        }
        for (tag, handler) in &self.handlers {
            for part in PARTS {
                if let Some(shown) = (part.show)(handler) {
                    self.line(&mut out, &name(*tag, part), &shown);
                }
            }
        }
        out
    }

    fn line(&self, out: &mut String, key: &str, shown: &str) {
        let origin = self.origin(key).escape_debug().to_string();
        let later = if Later::KEYS.contains(&key) { "; no effect yet" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(out, "{key} = {shown}  # {origin}{later}");
    }

    /// Where a key's value came from.
    pub(super) fn origin(&self, key: &str) -> &str {
        self.origins.get(key).map_or("default", String::as_str)
    }
}
