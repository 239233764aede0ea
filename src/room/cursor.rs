//! A reader's place in a room's log: a position and nothing else.

use crate::id::{ConnectionId, Seq};

/// How a reader wants records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As DATA frames: the bodies alone (docs/protocol.md, section 4).
    Data,
    /// As MESSAGE frames, which is how the log keeps them (section 6).
    Message,
}

/// A place between two records of a log.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub(super) form: Form,
    /// Whose records are passed over: the reader's own, if it wants no echo.
    pub(super) skip: Option<ConnectionId>,
    /// The chunk that is read next, counted from the log's first.
    pub(super) chunk: u64,
    /// The record in it.
    pub(super) record: usize,
    /// Where that record begins in the chunk's bytes of this form.
    pub(super) offset: usize,
    /// Records of the log before this place.
    pub(super) ordinal: u64,
    /// The number of the record before this place; 0 if there is none.
    pub(super) seq: Seq,
    /// The presence event that is read next, counted from the log's first: those before the reader
    /// joined do not concern it.
    pub(super) presence: u64,
    /// The first presence event that no longer concerns it, once it has left.
    pub(super) presence_end: u64,
    /// Frames that the reader was given.
    pub(super) frames: u64,
}

impl Cursor {
    /// The number of the last record that was read or passed.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// How many records of the log lie before this place.
    pub fn ordinal(&self) -> u64 {
        self.ordinal
    }

    /// How many frames the reader was given.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Moves behind a chunk that ends with the record `seq`, number `ordinal` of the log.
    pub(super) fn leave_chunk(&mut self, seq: Seq, ordinal: u64) {
        self.chunk += 1;
        self.record = 0;
        self.offset = 0;
        self.seq = seq;
        self.ordinal = ordinal;
    }
}
