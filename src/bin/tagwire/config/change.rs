//! What another configuration changes while the server runs, and what it would change after a restart.

use std::collections::BTreeMap;

use super::Config;
use super::handlers::{PARTS, name};
use super::keys::KEYS;

/// Every key with its value, as it is shown.
pub(crate) type Values = BTreeMap<String, String>;

/// Keys, or their sections, that are read at the start alone: threads, processes and sockets stay as they are.
const FIXED: [&str; 3] = ["workers", "handlers", "admin"];

/// The keys whose values differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Those that count from now on.
    pub(crate) now: Vec<String>,
    /// Those that need a restart to count.
    pub(crate) at_restart: Vec<String>,
}

impl Config {
    /// Every key with its value.
    pub(crate) fn values(&self) -> Values {
        let keys = KEYS.iter().map(|key| (key.name.to_owned(), (key.show)(self)));
        let handlers = self.handlers.iter().flat_map(|(tag, handler)| {
            let shown = |part| Some((name(*tag, part), (part.show)(handler)?));
            PARTS.iter().filter_map(shown)
        });
        keys.chain(handlers).collect()
    }
}

/// Compares what runs with another configuration, and makes what runs of it as far as that can be.
pub(crate) fn update(running: &mut Values, new: &Values) -> Change {
    let differs = |key: &&String| running.get(*key) != new.get(*key);
    let mut keys: Vec<_> = running.keys().chain(new.keys()).filter(differs).cloned().collect();
    keys.sort();
    keys.dedup();
    let fixed = |key: &String| FIXED.contains(&key.split('.').next().unwrap_or(key));
    let (at_restart, now): (Vec<_>, Vec<_>) = keys.into_iter().partition(fixed);
    for key in &now {
        match new.get(key) {
            Some(value) => drop(running.insert(key.clone(), value.clone())),
            None => drop(running.remove(key)),
        }
    }
    Change { now, at_restart }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_change_is_named_until_the_restart() {
        let mut running = Config::default().values();
        let mut config = Config { workers: 99, ..Config::default() };
        config.settings.limits.rooms = 3;
        config.handlers.entry(0x20).or_default().command = vec!["cat".into()];
        let handler = ["command", "workers"].map(|part| format!("handlers.0x20.{part}"));
        let at_restart = [&handler[..], &["workers".to_owned()]].concat();
        let change = update(&mut running, &config.values());
        assert_eq!(change.now, ["limits.rooms"]);
        assert_eq!(change.at_restart, at_restart);
        // The limit is in force, the others are not.
        let change = update(&mut running, &config.values());
        assert_eq!((change.now, change.at_restart), (vec![], at_restart));
        let change = update(&mut running, &Config::default().values());
        assert_eq!(change, Change { now: vec!["limits.rooms".into()], at_restart: vec![] });
    }

    #[test]
    fn every_fixed_key_exists() {
        let keys = Config::default().values();
        for fixed in FIXED.into_iter().filter(|&fixed| fixed != "handlers") {
            assert!(keys.keys().any(|key| key.split('.').next() == Some(fixed)), "{fixed}");
        }
    }
}
