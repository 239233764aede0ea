//! MESSAGE frames: a body with its address (docs/protocol.md, section 6).
//!
//! One layout, two meanings: [`Publish`] goes to the server, [`Record`] comes from it.

mod publish;
mod record;

use std::fmt;

use crate::id::{Channel, NUMBER_END, PublishId};
use crate::wire::read::take;

pub use publish::Publish;
pub use record::{Record, RecordHead};

/// Bytes of a payload up to the user id.
const HEAD_LEN: usize = 4 + 1 + 8 + 8 + 8 + 1;

/// Why a payload is not a message, with what could be read of it for the error that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMessage {
    /// What is wrong, for a person.
    pub reason: &'static str,
    /// Which room it was for.
    pub channel: Option<Channel>,
    /// Which publish it was; none where it wanted no answer or has an impossible number.
    pub publish_id: Option<PublishId>,
}

/// The fields of a payload, as they stand there.
struct Fields<'a> {
    channel: Channel,
    flags: u8,
    number: u64,
    prev: u64,
    time_ms: u64,
    user_id: &'a [u8],
    body: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(payload: &'a [u8]) -> Result<Self, BadMessage> {
        let mut bad = BadMessage { reason: "it is cut short", channel: None, publish_id: None };
        let mut rest = payload;
        let fields = || -> Option<Self> {
            let channel = Channel(u32::from_be_bytes(take(&mut rest)?));
            bad.channel = Some(channel);
            let [flags] = take(&mut rest)?;
            let number = u64::from_be_bytes(take(&mut rest)?);
            bad.publish_id = answerable(number);
            let prev = u64::from_be_bytes(take(&mut rest)?);
            let time_ms = u64::from_be_bytes(take(&mut rest)?);
            let [user_len] = take(&mut rest)?;
            let (user_id, body) = rest.split_at_checked(usize::from(user_len))?;
            Some(Self { channel, flags, number, prev, time_ms, user_id, body })
        }();
        fields.ok_or(bad)
    }

    fn bad(&self, reason: &'static str) -> BadMessage {
        let publish_id = answerable(self.number);
        BadMessage { reason, channel: Some(self.channel), publish_id }
    }
}

/// The number of a publish that an error can name: 0 wants no answer, JSON ends at 2^53.
fn answerable(number: u64) -> Option<PublishId> {
    (1..NUMBER_END).contains(&number).then_some(PublishId(number))
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message that cannot be read: {}", self.reason)
    }
}

impl std::error::Error for BadMessage {}

#[cfg(test)]
mod tests;
