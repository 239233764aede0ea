//! Keys that are read and checked but that the server does not honour yet. All of them are here, so that
//! `serve` can say so by name, and so that whoever makes one work finds it and moves it out.

use std::time::Duration;

/// Values without effect so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Later {
    /// From the handshake to a valid credential, where one is required. 10 s.
    pub(crate) authenticate: Duration,
}

impl Later {
    /// The names of these keys.
    pub(crate) const KEYS: [&str; 1] = ["timeouts.authenticate"];
}

impl Default for Later {
    fn default() -> Self {
        Self { authenticate: Duration::from_secs(10) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn every_such_key_exists() {
        for name in Later::KEYS {
            assert!(keys::KEYS.iter().any(|key| key.name == name), "{name}");
        }
    }
}
