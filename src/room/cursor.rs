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
    /// The reader's connection, and whether it wants its own records back.
    pub(super) owner: ConnectionId,
    pub(super) echo: bool,
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
    /// Frames that the reader was given, and the bytes of those that are presence events; they wrap around.
    pub(super) frames: u32,
    pub(super) event_bytes: u32,
}

/// What a reader was given so far, or between two moments. Its numbers wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Frames: records and presence events.
    pub frames: u32,
    /// Those of them that are presence events.
    pub events: u32,
    /// Their bytes.
    pub event_bytes: u32,
}

impl Given {
    /// What was given since that moment.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            frames: self.frames.wrapping_sub(before.frames),
            events: self.events.wrapping_sub(before.events),
            event_bytes: self.event_bytes.wrapping_sub(before.event_bytes),
        }
    }
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

    /// How the reader wants records.
    pub fn form(&self) -> Form {
        self.form
    }

    /// What the reader was given, to be compared with what it is later. Between two of these lies no
    /// read that found a gap.
    pub fn given(&self) -> Given {
        // A successful read passes only presence events that it gives.
        let events = self.presence as u32;
        Given { frames: self.frames, events, event_bytes: self.event_bytes }
    }

    /// Whether the records of a connection are passed over.
    #[inline]
    pub(super) fn skips(&self, source: ConnectionId) -> bool {
        !self.echo && source == self.owner
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
