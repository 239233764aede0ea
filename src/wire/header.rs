//! A frame's header: a tag, then the payload's length (docs/protocol.md, section 2).

use crate::wire::Tag;

/// The fixed prefix of every frame.
///
/// Not checked: the length is the peer's claim, and only [`Decoder`](crate::wire::Decoder) compares
/// it with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub tag: Tag,
    /// Bytes of the payload alone.
    pub length: u32,
}

impl Header {
    /// Bytes that a header takes on the wire.
    pub const LEN: usize = 5;

    /// The header of a payload of this many bytes.
    ///
    /// A payload over 4 GiB has no frame. Every bound on what a payload is made of is far below, so
    /// that is a mistake of the caller's: it stops a debug build, and is cut to the largest length in
    /// a release, where the peer then refuses the frame.
    #[inline]
    pub(super) fn of(tag: Tag, length: usize) -> Self {
        let exact = u32::try_from(length);
        debug_assert!(exact.is_ok(), "a payload of {length} bytes");
        Self { tag, length: exact.unwrap_or(u32::MAX) }
    }

    /// The bytes on the wire.
    #[inline]
    pub const fn encode(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.length.to_be_bytes();
        [self.tag.as_byte(), a, b, c, d]
    }

    /// Reads a header from the front of `input`, or returns `None` while too few bytes are there.
    #[inline]
    pub fn parse(input: &[u8]) -> Option<Self> {
        let &[tag, a, b, c, d] = input.first_chunk()?;
        Some(Self { tag: Tag::from_byte(tag), length: u32::from_be_bytes([a, b, c, d]) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fewer_than_five_bytes_are_no_header() {
        let bytes = [2, 0, 0, 0, 7, 9];
        for len in 0..Header::LEN {
            assert_eq!(Header::parse(&bytes[..len]), None);
        }
        assert_eq!(Header::parse(&bytes), Some(Header { tag: Tag::DATA, length: 7 }));
    }

    proptest! {
        #[test]
        fn encode_and_parse_are_inverse(tag: u8, length: u32) {
            let header = Header { tag: Tag::from_byte(tag), length };
            prop_assert_eq!(Header::parse(&header.encode()), Some(header));
        }
    }
}
