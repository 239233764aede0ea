//! HEARTBEAT frames: pings, and the pongs that repeat their opaque bytes (docs/protocol.md, section 5).

use std::fmt;

use bytes::BufMut;

use crate::wire::{Header, Tag};

/// A ping or a pong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat<'a> {
    /// Which of the two.
    pub kind: HeartbeatKind,
    /// What a pong repeats from its ping: at most 64 bytes.
    pub opaque: &'a [u8],
}

/// A question or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatKind {
    /// Asks for a pong at once.
    Ping,
    /// Answers a ping.
    Pong,
}

/// Why a payload is not a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadHeartbeat {
    /// More bytes than [`Heartbeat::MAX_LEN`].
    TooLong {
        /// How many.
        length: usize,
    },
    /// A kind other than ping (0) and pong (1).
    UnknownKind {
        /// Which.
        kind: u8,
    },
}

impl<'a> Heartbeat<'a> {
    /// Most bytes of a payload: the kind and 64 opaque bytes.
    pub const MAX_LEN: usize = 65;

    /// Reads a payload; an empty one is a ping without opaque bytes.
    ///
    /// # Errors
    ///
    /// Returns [`BadHeartbeat`] if it is too long or of an unknown kind.
    pub fn parse(payload: &'a [u8]) -> Result<Self, BadHeartbeat> {
        if payload.len() > Self::MAX_LEN {
            return Err(BadHeartbeat::TooLong { length: payload.len() });
        }
        let (kind, opaque) = payload.split_first().unwrap_or((&0, &[]));
        let kind = match kind {
            0 => HeartbeatKind::Ping,
            1 => HeartbeatKind::Pong,
            &kind => return Err(BadHeartbeat::UnknownKind { kind }),
        };
        Ok(Self { kind, opaque })
    }

    /// Writes the whole frame.
    pub fn encode(&self, out: &mut impl BufMut) {
        debug_assert!(self.opaque.len() < Self::MAX_LEN, "{} opaque bytes", self.opaque.len());
        let length = self.opaque.len().saturating_add(1);
        out.put_slice(&Header::of(Tag::HEARTBEAT, length).encode());
        out.put_u8(match self.kind {
            HeartbeatKind::Ping => 0,
            HeartbeatKind::Pong => 1,
        });
        out.put_slice(self.opaque);
    }
}

impl fmt::Display for BadHeartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => {
                write!(f, "a heartbeat of {length} bytes, where at most 65 are allowed")
            }
            Self::UnknownKind { kind } => {
                write!(f, "a heartbeat of kind {kind}, which is neither ping (0) nor pong (1)")
            }
        }
    }
}

impl std::error::Error for BadHeartbeat {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_payload_is_a_ping() {
        let ping = Heartbeat { kind: HeartbeatKind::Ping, opaque: b"" };
        assert_eq!(Heartbeat::parse(b""), Ok(ping));
        assert_eq!(Heartbeat::parse(&[0]), Ok(ping));
    }

    #[test]
    fn the_opaque_bytes_are_at_most_64() {
        let longest = [0; 65];
        assert_eq!(Heartbeat::parse(&longest).unwrap().opaque.len(), 64);
        assert_eq!(Heartbeat::parse(&[0; 66]), Err(BadHeartbeat::TooLong { length: 66 }));
    }

    #[test]
    fn other_kinds_are_refused() {
        for kind in 2..=u8::MAX {
            assert_eq!(Heartbeat::parse(&[kind]), Err(BadHeartbeat::UnknownKind { kind }));
        }
    }

    proptest! {
        #[test]
        fn encode_and_parse_are_inverse(pong: bool, opaque in prop::collection::vec(any::<u8>(), 0..=64)) {
            let kind = if pong { HeartbeatKind::Pong } else { HeartbeatKind::Ping };
            let heartbeat = Heartbeat { kind, opaque: &opaque };
            let mut frame = Vec::new();
            heartbeat.encode(&mut frame);
            let header = Header::parse(&frame).unwrap();
            prop_assert_eq!(header, Header::of(Tag::HEARTBEAT, frame.len() - Header::LEN));
            prop_assert_eq!(Heartbeat::parse(&frame[Header::LEN..]), Ok(heartbeat));
        }
    }
}
