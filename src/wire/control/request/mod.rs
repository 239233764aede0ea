//! What a client asks, checked: the only way from JSON to [`Request`] is [`Request::parse`].

mod read;

use self::read::Wrong;
use super::fields::Fields;
use super::{ControlError, RequestId};
use crate::id::{ClientId, RoomName, Seq, UserId};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's name for it.
    pub id: Option<RequestId>,
    /// What it asks for.
    pub op: Op,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Says who the client is.
    Hello(Hello),
    /// Enters a room, or changes how one is in it.
    Join(Join),
    /// Leaves a room.
    Leave {
        /// Which.
        room_id: RoomName,
    },
    /// Asks who is in a room.
    Members {
        /// Which.
        room_id: RoomName,
        /// Most entries of the answer: 1 to [`LIST_ENTRIES`](crate::limits::LIST_ENTRIES).
        limit: usize,
        /// The last name of the page before.
        after: Option<String>,
    },
    /// Asks which rooms there are.
    Rooms {
        /// Most entries of the answer: 1 to [`LIST_ENTRIES`](crate::limits::LIST_ENTRIES).
        limit: usize,
        /// The last name of the page before.
        after: Option<String>,
    },
    /// Asks what this connection has done.
    Stats,
    /// Brings a newer credential.
    TokenRefresh {
        /// The credential.
        token: String,
    },
}

/// Who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The name it wants in rooms.
    pub user_id: Option<UserId>,
    /// Its own name for this run of it.
    pub client_id: Option<ClientId>,
    /// Its credential.
    pub token: Option<String>,
    /// Extensions that it knows: the first 64 of them.
    pub features: Vec<String>,
}

/// How to be in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Which room.
    pub room_id: RoomName,
    /// The name it wants in this room alone.
    pub user_id: Option<UserId>,
    /// In which form records come.
    pub deliver: Deliver,
    /// From where on they come.
    pub start: Start,
    /// Whether its own DATA comes back.
    pub echo: bool,
}

/// In which form records come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deliver {
    /// As DATA: the body alone.
    #[default]
    Data,
    /// As MESSAGE: with sender, number and time.
    Message,
    /// Not at all: only to publish.
    None,
}

/// From where on records come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// What comes after the join.
    #[default]
    Live,
    /// The oldest that is kept.
    Earliest,
    /// So many of the newest.
    Last(u64),
    /// The record with this number, or the next.
    Seq(Seq),
    /// What comes after the last record that the client knows of.
    After {
        /// The life of the numbering that `seq` is of.
        epoch: String,
        /// The record; 0 for the start of that life.
        seq: Seq,
        /// When the server accepted it, which proves that it is the same record.
        time_ms: u64,
    },
}

impl Request {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// Returns [`ControlError`] if it is not one JSON object, or not a request that version 1 knows,
    /// or a field of that request is not as it must be. The `id` is in the error if it could be read,
    /// whatever else is wrong.
    pub fn parse(payload: &[u8]) -> Result<Self, ControlError> {
        let (mut fields, wrong) = Fields::read(payload);
        let (id, wrong) = match read::request_id(fields.id.take()) {
            Ok(id) => (id, wrong),
            Err(reason) => (None, wrong.or(Some(reason))),
        };
        if let Some(reason) = wrong {
            return Err(ControlError::Bad { id, reason });
        }
        match read::op(fields) {
            Ok(op) => Ok(Self { id, op }),
            Err(Wrong::Field(reason)) => Err(ControlError::Bad { id, reason }),
            Err(Wrong::Op(op)) => Err(ControlError::UnknownOp { id, op }),
            Err(Wrong::Room) => Err(ControlError::BadRoom { id }),
            Err(Wrong::User) => Err(ControlError::BadUser { id }),
        }
    }
}

#[cfg(test)]
mod tests;
