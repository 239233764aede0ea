//! What the server says by CONTROL: replies, and what nobody asked for.

use serde::Serialize;

use super::ErrorEvent;

/// What the server says. The fields are those of docs/protocol.md, section 3, by the same names.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the protocol's tables say what each field is")]
pub enum Event<'a> {
    /// The reply to `hello`.
    Welcome {
        session: &'a str,
        server: &'a str,
        user_id: &'a str,
        max_frame: u32,
        heartbeat_ms: u64,
        default_room: Option<&'a str>,
        features: &'a [&'a str],
    },
    /// The reply to `join`.
    Joined {
        room_id: &'a str,
        channel: u32,
        epoch: &'a str,
        next_seq: u64,
        last_seq: u64,
        last_time_ms: u64,
        resumed: bool,
        members: usize,
        last_publish_id: u64,
    },
    /// The reply to `leave`, without a reason; or the end of the right to be in a room.
    Left {
        room_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// The reply to `members`.
    Members { room_id: &'a str, members: &'a [MemberEntry<'a>], more: bool },
    /// The reply to `rooms`.
    Rooms { rooms: &'a [RoomEntry<'a>], more: bool },
    /// The reply to `stats`.
    Stats {
        bytes_in: u64,
        bytes_out: u64,
        frames_in: u64,
        frames_out: u64,
        errors: u64,
        uptime_ms: u64,
        rtt_us: RttUs,
        handle_us: HandleUs,
    },
    /// The reply to `token_refresh`.
    TokenRefreshed { expires_in_ms: u64 },
    /// Somebody came.
    MemberJoined { room_id: &'a str, user_id: &'a str, session: &'a str },
    /// Somebody went.
    MemberLeft { room_id: &'a str, user_id: &'a str, session: &'a str },
    /// Records are missing between what this subscriber had and what comes next.
    Gap {
        room_id: &'a str,
        epoch: &'a str,
        after_seq: u64,
        next_seq: u64,
        missed: Option<u64>,
        reason: GapReason,
    },
    /// Publishes up to this one are accepted.
    Ack { room_id: &'a str, publish_id: u64, seq: u64 },
    /// The server is about to close.
    #[serde(rename = "goaway")]
    GoAway { reason: &'a str, reconnect_ms: u64 },
    /// Something went wrong.
    Error(ErrorEvent<'a>),
}

/// One member of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemberEntry<'a> {
    /// Its name in the room.
    pub user_id: &'a str,
    /// Its connection.
    pub session: &'a str,
}

/// One room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RoomEntry<'a> {
    /// Its name.
    pub room_id: &'a str,
    /// How many are in it.
    pub members: usize,
    /// The number that its next record has at least.
    pub next_seq: u64,
}

/// Round trips of a connection in microseconds; null before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RttUs {
    /// The latest.
    pub last: Option<u64>,
    /// The shortest.
    pub min: Option<u64>,
    /// Smoothed over the latest few.
    pub smoothed: Option<u64>,
}

/// The server's own time per frame in microseconds; null before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HandleUs {
    /// Half took at most so long.
    pub p50: Option<u64>,
    /// All but one of a hundred took at most so long.
    pub p99: Option<u64>,
}

/// Why records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// What was asked for is no longer kept.
    Trimmed,
    /// This subscriber fell behind further than the room keeps.
    Behind,
    /// The log is another one: its numbering began anew.
    Epoch,
    /// The log lost its end, and uses numbers again.
    Regressed,
}

impl GapReason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Behind => "behind",
            Self::Epoch => "epoch",
            Self::Regressed => "regressed",
        }
    }
}
