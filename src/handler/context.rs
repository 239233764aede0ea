//! What a handler knows of the peer that it answers, and what it can do.

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::id::{RoomName, UserId};
use crate::peer::{Mailbox, PeerInfo};
use crate::session::Node;
use crate::sync::wall_ms;
use crate::wire::{Header, Tag};

/// The request's surroundings; cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    node: Arc<Node>,
    mailbox: Arc<Mailbox>,
    info: Arc<PeerInfo>,
    user_id: UserId,
    rooms: Vec<RoomName>,
    tag: Tag,
}

impl Context {
    pub(crate) fn new(
        node: Arc<Node>,
        mailbox: Arc<Mailbox>,
        info: Arc<PeerInfo>,
        user_id: UserId,
        rooms: Vec<RoomName>,
        tag: Tag,
    ) -> Self {
        Self(Arc::new(Inner { node, mailbox, info, user_id, rooms, tag }))
    }

    /// The peer's address and what TLS agreed on.
    pub fn peer(&self) -> &PeerInfo {
        &self.0.info
    }

    /// The connection's public name.
    pub fn session(&self) -> &str {
        self.0.mailbox.session().as_str()
    }

    /// The peer's name.
    pub fn user_id(&self) -> &UserId {
        &self.0.user_id
    }

    /// The rooms that the peer was in when it asked, in the order in which it joined them.
    pub fn rooms(&self) -> &[RoomName] {
        &self.0.rooms
    }

    /// The tag that was asked for.
    pub fn tag(&self) -> Tag {
        self.0.tag
    }

    /// The wall clock, milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        wall_ms()
    }

    /// Publishes to a room under the peer's name, whether the peer is in it or not.
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`] if the room's name is none, or nothing takes the publish.
    pub fn publish(&self, room: &str, body: &[u8]) -> Result<(), SendError> {
        self.0.node.publish_from(room, &self.0.user_id, body).map_err(SendError::Refused)
    }

    /// Sends a frame to the peer, beside any reply; waits while 64 KiB of such frames are unsent.
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`] if the connection has ended, or the payload is larger than a frame.
    pub async fn send(&self, tag: Tag, payload: &[u8]) -> Result<(), SendError> {
        let max = self.0.node.settings().limits.frame;
        let Some(length) = u32::try_from(payload.len()).ok().filter(|&length| length <= max) else {
            return Err(SendError::TooLarge { length: payload.len(), max });
        };
        let mut frame = BytesMut::with_capacity(Header::LEN + payload.len());
        frame.put_slice(&Header { tag, length }.encode());
        frame.put_slice(payload);
        self.0.mailbox.send(frame.freeze()).await.map_err(|_: Bytes| SendError::Closed)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("tag", &self.0.tag)
            .field("session", self.0.mailbox.session())
            .field("user_id", &self.0.user_id)
            .finish_non_exhaustive()
    }
}

/// Why something was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended.
    Closed,
    /// The payload is larger than a frame may be, in bytes.
    TooLarge {
        /// Bytes of the payload.
        length: usize,
        /// The bound.
        max: u32,
    },
    /// The room did not take it; a reason for programs.
    Refused(&'static str),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection has ended"),
            Self::TooLarge { length, max } => {
                write!(f, "a payload of {length} bytes, {max} at most")
            }
            Self::Refused(reason) => write!(f, "not taken: {reason}"),
        }
    }
}

impl std::error::Error for SendError {}

/// A context of nobody's, for tests of handlers.
#[cfg(test)]
pub(crate) fn context_for_tests() -> Context {
    use crate::id::NodeId;
    use crate::limits::Settings;
    use crate::peer::Speaks;
    use crate::room::Memory;

    let node = Arc::new(Node::new(NodeId::new(1), Settings::default(), 1, Box::new(Memory)));
    let info = PeerInfo { address: ([127, 0, 0, 1], 1).into(), tls: None, speaks: Speaks::Frames };
    let mailbox = node.mailbox();
    let user_id = UserId::new("tester").unwrap();
    Context::new(node, mailbox, Arc::new(info), user_id, Vec::new(), Tag::from_byte(0x20))
}
