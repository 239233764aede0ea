//! Whom limits per source count as one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An IPv4 address, or the /64 of an IPv6 one: what one customer of a provider gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    V4(Ipv4Addr),
    /// The upper half of the address.
    V6(u64),
}

impl Source {
    /// The source of an address; an IPv4 address that is written as IPv6 is the IPv4 address.
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// An IPv4 address as one, also where a socket of IPv6 or a balancer wrote it as IPv6.
pub(in crate::server) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(upper) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*upper) << 64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        Source::of(address.parse().unwrap())
    }

    #[test]
    fn an_ipv6_64_is_one_source() {
        let one = source("2001:db8:1:2::1");
        assert_eq!(source("2001:db8:1:2:ffff:ffff:ffff:ffff"), one);
        assert_ne!(source("2001:db8:1:3::1"), one);
        assert_ne!(source("2001:db8:0:2::1"), one);
        assert_eq!(one.to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn an_ipv4_address_is_one_however_it_is_written() {
        let one = source("192.0.2.7");
        assert_eq!(source("::ffff:192.0.2.7"), one);
        assert_ne!(source("192.0.2.8"), one);
        assert_ne!(source("::ffff:192.0.2.8"), one);
        assert_eq!(one.to_string(), "192.0.2.7");
    }
}
