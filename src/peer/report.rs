//! How a connection is, as its own task says when it is asked.

use std::sync::Arc;
use std::time::Duration;

use crate::id::{RoomName, SessionId, UserId};
use crate::latency::RoundTrips;
use crate::peer::PeerInfo;

/// Bytes and frames of one connection, and what went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that arrived, after decryption.
    pub bytes_in: u64,
    /// Bytes that were sent, before encryption.
    pub bytes_out: u64,
    /// Frames, or lines, that arrived.
    pub frames_in: u64,
    /// Frames that were sent.
    pub frames_out: u64,
    /// Errors that were answered.
    pub errors: u64,
}

/// How a connection is.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its public name.
    pub session: SessionId,
    /// Where it comes from, what TLS agreed on, what it speaks.
    pub info: Arc<PeerInfo>,
    /// Its name.
    pub user_id: UserId,
    /// The rooms it is in, in the order in which it joined them.
    pub rooms: Vec<Seated>,
    /// What came and went.
    pub traffic: Traffic,
    /// Round trips of its heartbeats; `None` before the first.
    pub rtt: Option<RoundTrips>,
    /// How long it has been there.
    pub uptime: Duration,
    /// Whether it takes nothing of what was sent.
    pub blocked: bool,
    /// Whether it is not read from, because its replies or requests pile up.
    pub paused: bool,
    /// Requests to handlers that are not answered yet.
    pub in_flight: usize,
}

/// A connection's place in one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seated {
    /// Which room.
    pub room: RoomName,
    /// Its name there.
    pub user_id: UserId,
    /// How far it is behind; `None` if it hears nothing.
    pub lag: Option<Lag>,
}

/// How far a reader is behind the end of its room's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Records that it has not been sent.
    pub records: u64,
    /// Bytes of those that are still there, as the log keeps them.
    pub bytes: u64,
    /// How old the oldest of those is.
    pub age: Duration,
}
