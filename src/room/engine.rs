//! The door between rooms and whatever keeps their records: memory here, a disk or a cluster elsewhere.
//!
//! The contract. [`Engine::submit`] returns at once. What it takes is either stored by then (`Stored`)
//! or later (`Later`): then the engine calls [`Room::feed`] for every record of the room in its own
//! order, or [`Room::refuse`], never from within `submit`. An engine keeps the order of one publisher: if
//! it refuses a record, it refuses every later one that it holds of the same publisher and room, and
//! stores none of them later. It bounds what it holds.
//!
//! A room gives up a publish that is not answered within 3.8 s: the publisher is told `unavailable` and
//! may send it again while the engine still has it. So an engine that can be late drops a submission whose
//! publisher and number it has already stored or still holds; the room cannot take a record back.

use std::fmt;
use std::sync::Arc;

use crate::id::{Channel, ConnectionId, PublishId, Seq, UserId};
use crate::room::{Mark, Room};

/// Who published a record: its client across reconnects where it has a name, else its connection.
///
/// A number of this node, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublisherId(pub u64);

/// A publish on its way: what an engine gives back with the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Who published it.
    pub publisher: PublisherId,
    /// On which connection.
    pub connection: ConnectionId,
    /// The publisher's number for it; 0 for none.
    pub publish_id: PublishId,
    /// The room as its publisher names it.
    pub channel: Channel,
}

/// A publish, handed to an engine under its room's lock.
#[derive(Debug)]
pub struct Submission<'a> {
    /// Where it goes.
    pub room: &'a Arc<Room>,
    /// What the engine gives back with the outcome.
    pub ticket: Ticket,
    /// Who sent it, as the server knows them.
    pub user_id: &'a UserId,
    /// The body.
    pub body: &'a [u8],
    /// The record at the end of the room's log.
    pub last: Mark,
    /// The wall clock, milliseconds since 1970.
    pub now_ms: u64,
}

/// What an engine did with a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is stored, as the next record of the room.
    Stored(Stamp),
    /// The engine will say.
    Later,
    /// It is not taken; the reason is for programs: `no_space`, `engine_down`.
    Refused(&'static str),
}

/// What an engine gives a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its number.
    pub seq: Seq,
    /// The number of the record before it in the room.
    pub prev: Seq,
    /// When it was accepted, milliseconds since 1970.
    pub time_ms: u64,
}

/// Where records come from, and how durable they are.
pub trait Engine: Send + Sync + fmt::Debug + 'static {
    /// Takes a publish, or not; returns at once.
    fn submit(&self, submission: Submission<'_>) -> Submitted;
}

/// Keeps records in the room's log and nowhere else: as durable as the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory;

impl Engine for Memory {
    fn submit(&self, submission: Submission<'_>) -> Submitted {
        let last = submission.last;
        Submitted::Stored(Stamp {
            seq: Seq(last.seq.0 + 1),
            prev: last.seq,
            // The wall clock may jump back; a log's times never do.
            time_ms: submission.now_ms.max(last.time_ms),
        })
    }
}
