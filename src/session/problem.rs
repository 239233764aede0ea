//! What is wrong with something that a peer sent, as the protocol's table of errors has it.

use std::borrow::Cow;

use crate::id::{Channel, PublishId, RoomName};
use crate::wire::{Code, ControlError, ErrorEvent, RequestId, Tag};

/// A refusal: a code for programs, a message for people, and what the code's row adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// For programs.
    pub code: Code,
    /// For people: what is wrong and what would be right.
    pub message: Cow<'static, str>,
    /// The request that it answers.
    pub id: Option<RequestId>,
    /// Which tag it is about.
    pub tag: Option<Tag>,
    /// The bound that a frame was over.
    pub max_frame: Option<u32>,
    /// Which publish it answers.
    pub publish_id: Option<PublishId>,
    /// Which channel it is about.
    pub channel: Option<Channel>,
    /// Which room it is about.
    pub room: Option<RoomName>,
    /// Why, where the code alone does not tell.
    pub reason: Option<&'static str>,
    /// Whether the server closes after it though its code alone does not say so.
    pub fatal: bool,
}

impl Problem {
    /// A problem of that kind, with nothing added.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            id: None,
            tag: None,
            max_frame: None,
            publish_id: None,
            channel: None,
            room: None,
            reason: None,
            fatal: false,
        }
    }

    /// About that tag.
    pub fn with_tag(self, tag: Tag) -> Self {
        Self { tag: Some(tag), ..self }
    }

    /// An answer to that request.
    pub fn with_id(self, id: Option<RequestId>) -> Self {
        Self { id, ..self }
    }

    /// The event that tells the peer.
    pub fn event(&self) -> ErrorEvent<'_> {
        ErrorEvent {
            tag: self.tag,
            max_frame: self.max_frame,
            publish_id: self.publish_id.filter(|id| id.0 != 0).map(|id| id.0),
            channel: self.channel.map(|channel| channel.0),
            room_id: self.room.as_ref().map(RoomName::as_str),
            reason: self.reason,
            fatal: self.fatal || self.code.is_fatal(),
            retry_ms: (self.code == Code::RateLimited).then_some(1000),
            ..ErrorEvent::new(self.code, &self.message)
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        Self::new(error.code(), error.to_string()).with_id(error.id().cloned())
    }
}
