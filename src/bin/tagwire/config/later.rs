//! Keys that are read and checked but that the server does not honour yet. All of them are here, so that
//! `serve` can say so by name, and so that whoever makes one work finds it and moves it out.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Values without effect so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Later {
    /// Connections of one source; an IPv6 /64 is one. 256.
    pub(crate) connections_per_ip: usize,
    /// Sources that per-source limits leave alone. Loopback: everybody behind a local proxy is one source.
    pub(crate) exempt: Vec<Network>,
    /// From the handshake to a valid credential, where one is required. 10 s.
    pub(crate) authenticate: Duration,
}

impl Later {
    /// The names of these keys.
    pub(crate) const KEYS: [&str; 3] =
        ["limits.connections_per_ip", "limits.exempt", "timeouts.authenticate"];
}

impl Default for Later {
    fn default() -> Self {
        Self {
            connections_per_ip: 256,
            exempt: ["127.0.0.0/8", "::1/128"].into_iter().filter_map(Network::parse).collect(),
            authenticate: Duration::from_secs(10),
        }
    }
}

/// A range of addresses: `127.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads a network, or returns `None` if the text is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(most), |prefix| prefix.parse().ok())?;
        (prefix <= most).then_some(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn networks_are_addresses_with_a_prefix() {
        let shown = |text| Network::parse(text).map(|network| network.to_string());
        assert_eq!(shown("127.0.0.0/8").as_deref(), Some("127.0.0.0/8"));
        assert_eq!(shown("::1").as_deref(), Some("::1/128"));
        for bad in ["", "localhost", "127.0.0.0/33", "::/129", "1.2.3.4/", "1.2.3.4/-1"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_such_key_exists() {
        for name in Later::KEYS {
            assert!(keys::KEYS.iter().any(|key| key.name == name), "{name}");
        }
        assert_eq!(Later::default().exempt.len(), 2);
    }
}
