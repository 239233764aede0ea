//! Names and numbers as types, checked once when they come in. Knows neither frames nor rooms.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A room's name: 1 to 64 bytes of `A-Z a-z 0-9 . _ - :` (docs/protocol.md, section 2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// Most bytes of a name.
    pub const MAX_LEN: usize = 64;

    /// Checks a name, or returns `None` if the protocol does not allow it.
    pub fn new(name: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
        let fits = (1..=Self::MAX_LEN).contains(&name.len());
        (fits && name.bytes().all(allowed)).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A user's id: 1 to 64 bytes of UTF-8 without control characters (docs/protocol.md, section 2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Most bytes of an id.
    pub const MAX_LEN: usize = 64;

    /// Checks an id, or returns `None` if the protocol does not allow it.
    pub fn new(id: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_LEN).contains(&id.len());
        (fits && !id.chars().any(char::is_control)).then(|| Self(id.into()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A client's own name for one run of itself, the same across its reconnects (section 3): 1 to 64
/// bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Checks an id, or returns `None` if it is empty, too long, or has control characters.
    pub fn new(id: &str) -> Option<Self> {
        UserId::new(id).map(|id| Self(id.0))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A connection's public name: an opaque string of at most 32 bytes, never used twice in a cluster.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The session number `connection` of the node whose life is called `node`.
    pub fn new(node: &NodeId, connection: ConnectionId) -> Self {
        Self(format!("{node}-{:x}", connection.0).into())
    }

    /// The number of the connection.
    pub fn connection(&self) -> ConnectionId {
        Self::number(&self.0).unwrap_or(ConnectionId(0))
    }

    /// The number of the connection in the text of a session's name, whatever node it is of; `None` if the
    /// text is no such name.
    pub fn number(text: &str) -> Option<ConnectionId> {
        let (_, number) = text.rsplit_once('-')?;
        u64::from_str_radix(number, 16).ok().map(ConnectionId)
    }

    /// The opaque string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One life of one server process: 12 characters from a random number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// A name from 64 random bits, of which 60 are used.
    pub fn new(random: u64) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let digit = |i: u32| char::from(DIGITS[(random >> (5 * i)) as usize & 31]);
        Self((0..12).map(digit).collect::<String>().into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A connection's number on this node, from 1; never used twice while the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A room's number on this node; never used for another room while the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(pub u32);

/// A record's number in its room: rises strictly, not necessarily by 1, below 2^53. 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// A publisher's own number for a publish: rises on one `client_id`, below 2^53. 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishId(pub u64);

/// The first number that JSON cannot carry exactly (RFC 8259, section 6).
pub const NUMBER_END: u64 = 1 << 53;

macro_rules! text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }
    )*};
}

text!(RoomName, UserId, ClientId, SessionId, NodeId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names_are_the_protocols() {
        for good in ["a", "lobby", "A.b_c-d:9", &"x".repeat(64)] {
            assert!(RoomName::new(good).is_some(), "{good}");
        }
        let bad = ["", "*", ">", "a b", "a/b", "..\n", "caf\u{e9}", "\u{430}", &"x".repeat(65)];
        for bad in bad {
            assert!(RoomName::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn user_ids_are_text_without_control_characters() {
        for good in ["ann", "Анна", "a b", &"x".repeat(64)] {
            assert!(UserId::new(good).is_some(), "{good}");
        }
        for bad in ["", "a\nb", "\u{1b}[2J", "\u{85}", &"x".repeat(65)] {
            assert!(UserId::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_session_takes_at_most_32_bytes() {
        let node = NodeId::new(u64::MAX);
        assert_eq!(node.as_str().len(), 12);
        let session = SessionId::new(&node, ConnectionId(u64::MAX));
        assert!(session.as_str().len() <= 32);
        assert_eq!(session.connection(), ConnectionId(u64::MAX));
        assert_eq!(SessionId::number("x-1f"), Some(ConnectionId(31)));
        assert!(["", "1f", "x-", "x-g", "x-10000000000000000"].map(SessionId::number) == [None; 5]);
    }
}
