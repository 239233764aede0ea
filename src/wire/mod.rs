//! The wire format: bytes in, frames out, and back (docs/protocol.md, sections 2 to 6 and 10).
//!
//! Knows neither sockets nor clocks nor rooms. Whatever a peer sends, nothing here panics, and memory
//! grows with the bytes that arrived, never with what a peer announced.
//!
//! Frames of any kind come out of a [`Decoder`]; a parser per tag reads the payload: [`Request`],
//! [`Heartbeat`], [`Publish`] and [`Record`], [`Call`] and [`Answer`]. DATA needs none: its payload is
//! the body. Each `encode` writes one whole frame, its header included.

// Tests may fail; what reads a peer's bytes may not.
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod call;
mod code;
mod control;
mod decode;
mod header;
mod heartbeat;
mod message;
mod read;
mod tag;

pub use call::{Answer, BadAnswer, BadCall, Call, Status};
pub use code::Code;
pub use control::{
    ControlError, Deliver, ErrorEvent, Event, GapReason, HandleUs, Hello, Join, MemberEntry, Op,
    Request, RequestId, RoomEntry, RttUs, Start, encode_event,
};
pub use decode::{Admit, DecodeError, Decoded, Decoder, Frame};
pub use header::Header;
pub use heartbeat::{BadHeartbeat, Heartbeat, HeartbeatKind};
pub use message::{BadMessage, Publish, Record, RecordHead};
pub use tag::Tag;
