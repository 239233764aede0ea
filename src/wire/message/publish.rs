//! What a client sends to a room: a body, and a number if it wants to know that it was taken.

use bytes::BufMut;

use super::{BadMessage, Fields, HEAD_LEN};
use crate::id::{Channel, NUMBER_END, PublishId};
use crate::wire::{Header, Tag};

/// A MESSAGE from a client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The room, by the number that `joined` gave.
    pub channel: Channel,
    /// The publisher's own number; 0 wants no acknowledgement.
    pub publish_id: PublishId,
    /// What to publish.
    pub body: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Reads a payload.
    ///
    /// The fields that only the server fills must be empty: a client that fills them means something
    /// that this version does not do.
    ///
    /// # Errors
    ///
    /// Returns [`BadMessage`] if the payload is cut short, has flags or server's fields, or a number
    /// that JSON cannot carry exactly.
    pub fn parse(payload: &'a [u8]) -> Result<Self, BadMessage> {
        let fields = Fields::parse(payload)?;
        let wrong = if fields.flags != 0 {
            "version 1 knows no flags"
        } else if fields.number >= NUMBER_END {
            "publish_id must be below 2^53"
        } else if fields.prev != 0 {
            "prev must be 0 in a message to the server"
        } else if fields.time_ms != 0 {
            "time_ms must be 0 in a message to the server"
        } else if !fields.user_id.is_empty() {
            "user_id must be empty in a message to the server"
        } else {
            let publish_id = PublishId(fields.number);
            return Ok(Self { channel: fields.channel, publish_id, body: fields.body });
        };
        Err(fields.bad(wrong))
    }

    /// Writes the whole frame.
    pub fn encode(&self, out: &mut impl BufMut) {
        let length = HEAD_LEN.saturating_add(self.body.len());
        out.put_slice(&Header::of(Tag::MESSAGE, length).encode());
        out.put_u32(self.channel.0);
        out.put_u8(0);
        out.put_u64(self.publish_id.0);
        // prev, time_ms and user_len.
        out.put_bytes(0, 8 + 8 + 1);
        out.put_slice(self.body);
    }
}
