//! The first byte of a frame: what its payload is, and who reads it (docs/protocol.md, section 2).

use std::fmt;

/// What a frame's payload is; any byte, the invalid and the reserved ones included.
///
/// A tag is not a promise that somebody handles it: that is for the router to find out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u8);

impl Tag {
    /// One JSON object.
    pub const CONTROL: Self = Self(0x01);
    /// A body for the current room, and nothing else.
    pub const DATA: Self = Self(0x02);
    /// A ping or a pong.
    pub const HEARTBEAT: Self = Self(0x03);
    /// A body with its address.
    pub const MESSAGE: Self = Self(0x04);
    /// A request to an application handler that wants exactly one answer.
    pub const CALL: Self = Self(0x05);
    /// The answer to a call.
    pub const ANSWER: Self = Self(0x06);

    /// The tag that this byte is.
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// The byte on the wire.
    pub const fn as_byte(self) -> u8 {
        self.0
    }

    /// Whether an application may register a handler for it.
    pub const fn is_application(self) -> bool {
        self.0 >= 0x10
    }

    /// Whether later versions of the protocol may give it a meaning; in this one it has none.
    pub const fn is_reserved(self) -> bool {
        matches!(self.0, 0x07..=0x0F)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02x}", self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

/// As the number: JSON has no hexadecimal.
impl serde::Serialize for Tag {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_built_in_reserved_application_or_invalid() {
        for byte in 0..=u8::MAX {
            let tag = Tag::from_byte(byte);
            assert_eq!(tag.as_byte(), byte);
            assert_eq!(tag.is_application(), byte >= 0x10, "{tag}");
            assert_eq!(tag.is_reserved(), (0x07..=0x0F).contains(&byte), "{tag}");
        }
        let built_in =
            [Tag::CONTROL, Tag::DATA, Tag::HEARTBEAT, Tag::MESSAGE, Tag::CALL, Tag::ANSWER];
        assert_eq!(built_in.map(Tag::as_byte), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn people_read_hexadecimal() {
        assert_eq!(Tag::from_byte(0x20).to_string(), "0x20");
        assert_eq!(Tag::CONTROL.to_string(), "0x01");
    }
}
