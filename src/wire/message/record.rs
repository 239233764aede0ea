//! What a server delivers: one record of a room's log.
//!
//! [`RecordHead::encode`] runs once for each record and subscriber's form of it: it is on the hot path.

use bytes::BufMut;

use super::{BadMessage, Fields, HEAD_LEN};
use crate::id::{Channel, Seq};
use crate::wire::{Header, Tag};

/// A MESSAGE from the server to a client, up to its body, which lies elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead<'a> {
    /// The room.
    pub channel: Channel,
    /// The record's number.
    pub seq: Seq,
    /// The number of the record before it; 0 for the first.
    pub prev: Seq,
    /// When the server accepted it, milliseconds since 1970.
    pub time_ms: u64,
    /// Who sent it: at most 255 bytes. A [`UserId`](crate::id::UserId) has at most 64.
    pub user_id: &'a str,
    /// Bytes of the body that follows.
    pub body_len: usize,
}

/// A MESSAGE from the server to a client, as the client reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The room.
    pub channel: Channel,
    /// Bits without a meaning in version 1, to be ignored.
    pub flags: u8,
    /// The record's number.
    pub seq: Seq,
    /// The number of the record before it; 0 for the first.
    pub prev: Seq,
    /// When the server accepted it, milliseconds since 1970.
    pub time_ms: u64,
    /// Who sent it.
    pub user_id: &'a str,
    /// What was published.
    pub body: &'a [u8],
}

impl RecordHead<'_> {
    /// Bytes of the whole frame: header, head and body.
    #[inline]
    pub const fn frame_len(&self) -> usize {
        (Header::LEN + HEAD_LEN).saturating_add(self.user_id.len()).saturating_add(self.body_len)
    }

    /// Writes the frame up to its body, which the caller appends.
    #[inline]
    pub fn encode(&self, out: &mut impl BufMut) {
        debug_assert!(self.user_id.len() <= 255, "a user id of {} bytes", self.user_id.len());
        let length = self.frame_len().saturating_sub(Header::LEN);
        let user_len = u8::try_from(self.user_id.len()).unwrap_or(u8::MAX);
        // On the stack first: one check of the room in `out` instead of seven.
        let mut head = [0; Header::LEN + HEAD_LEN];
        head[..5].copy_from_slice(&Header::of(Tag::MESSAGE, length).encode());
        head[5..9].copy_from_slice(&self.channel.0.to_be_bytes());
        // head[9], the flags, is 0.
        head[10..18].copy_from_slice(&self.seq.0.to_be_bytes());
        head[18..26].copy_from_slice(&self.prev.0.to_be_bytes());
        head[26..34].copy_from_slice(&self.time_ms.to_be_bytes());
        head[34] = user_len;
        out.put_slice(&head);
        out.put_slice(self.user_id.as_bytes());
    }
}

impl<'a> Record<'a> {
    /// Reads a payload; flags are kept, not judged.
    ///
    /// # Errors
    ///
    /// Returns [`BadMessage`] if the payload is cut short or its user id is not UTF-8.
    pub fn parse(payload: &'a [u8]) -> Result<Self, BadMessage> {
        let fields = Fields::parse(payload)?;
        let Ok(user_id) = str::from_utf8(fields.user_id) else {
            return Err(fields.bad("user_id is not UTF-8"));
        };
        Ok(Self {
            channel: fields.channel,
            flags: fields.flags,
            seq: Seq(fields.number),
            prev: Seq(fields.prev),
            time_ms: fields.time_ms,
            user_id,
            body: fields.body,
        })
    }
}
