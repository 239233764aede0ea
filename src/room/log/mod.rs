//! A room's log: records that are appended once, never change, and leave from the front.
//!
//! It knows no members, no locks and no clock; all of it runs without a runtime. Records lie in chunks
//! (`chunk.rs`): what is appended between two reads becomes one chunk, so a batch of small messages is
//! one run of bytes for every reader. Presence events lie beside the records, each between two chunks.
//!
//! ```text
//! append  what comes in
//! trim    what leaves: by age and size, or because memory is short
//! seek    where a reader begins
//! read    what a reader gets
//! lag     how far a reader is behind
//! ```

mod append;
mod lag;
mod read;
mod seek;
mod trim;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::id::Seq;
use crate::room::chunk::{Chunk, Entry};

/// Bytes of the first segment of memory that a log takes; each next one is twice as large.
const SEGMENT_MIN: usize = 1 << 10;

/// What a log keeps.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Bytes of records, with what each costs beside its bytes.
    pub bytes: usize,
    /// Records.
    pub count: u64,
    /// The oldest time of acceptance, in milliseconds since 1970; 0 for any.
    pub since_ms: u64,
}

/// A record's number and time: what a resume point names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Its number; 0 for none.
    pub seq: Seq,
    /// When the server accepted it, in milliseconds since 1970; 0 for none.
    pub time_ms: u64,
}

/// Records that a reader cannot have any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The last record that it had.
    pub after: Seq,
    /// The record with which it goes on: the oldest kept, or the next to come.
    pub next: Seq,
    /// How many, where that is known; 0 if only presence events are missing.
    pub count: Option<u64>,
}

/// What was found at a resume point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The record is there, or its successor is the oldest: nothing is missing.
    Whole,
    /// What follows it is no longer kept.
    Trimmed(Missed),
    /// The log never had that record, or has another in its place.
    Foreign(Missed),
}

/// An append-only run of records, bounded from the front.
#[derive(Debug)]
pub struct Log {
    chunks: VecDeque<Chunk>,
    /// How many chunks left before the first of `chunks`.
    first: u64,
    /// The record before the first one held, and how many there were.
    gone: (Mark, u64),
    /// The record before the first one kept, how many there were, and where the first one lies: its
    /// chunk, never one of which nothing is kept, and its place there.
    /// What is held but not kept is for readers who are already under way.
    trimmed: (Mark, u64),
    front: (u64, usize),
    /// The record from which on nothing leaves, counted as `count` is: somebody has yet to read it.
    floor: u64,
    /// Records since the last read, not a chunk yet.
    tail: BytesMut,
    tail_index: Vec<Entry>,
    segment: usize,
    last: Mark,
    count: u64,
    kept_bytes: usize,
    /// What all chunks and the tail's records cost.
    chunk_bytes: usize,
    presence: VecDeque<Presence>,
    /// How many presence events left before the first of `presence`.
    first_presence: u64,
    presence_bytes: usize,
    /// Chunks held as DATA frames too, in the order in which they were made, and the bytes of that.
    data_chunks: VecDeque<u64>,
    data_bytes: usize,
}

/// One member came or went. Takes no number and is not history.
#[derive(Debug)]
struct Presence {
    /// Records of the log before it: it lies at the end of a chunk.
    ordinal: u64,
    time_ms: u64,
    frame: Bytes,
}

impl Log {
    /// An empty log, which takes no memory until it has a record.
    pub fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            first: 0,
            gone: Default::default(),
            trimmed: Default::default(),
            front: (0, 0),
            floor: u64::MAX,
            tail: BytesMut::new(),
            tail_index: Vec::new(),
            segment: SEGMENT_MIN,
            last: Mark::default(),
            count: 0,
            kept_bytes: 0,
            chunk_bytes: 0,
            presence: VecDeque::new(),
            first_presence: 0,
            presence_bytes: 0,
            data_chunks: VecDeque::new(),
            data_bytes: 0,
        }
    }

    /// The newest record's number and time.
    pub fn last(&self) -> Mark {
        self.last
    }

    /// Whether no record is kept.
    pub fn is_empty(&self) -> bool {
        self.trimmed.1 == self.count
    }

    /// Bytes that the log holds in memory.
    pub fn held_bytes(&self) -> usize {
        let spare = self.tail.capacity() - self.tail.len();
        self.chunk_bytes + self.presence_bytes + self.data_bytes + spare
    }

    /// Records since the log began, those that left included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The chunk with that number.
    fn chunk(&self, number: u64) -> Option<&Chunk> {
        let index = number.checked_sub(self.first)?;
        self.chunks.get(usize::try_from(index).ok()?)
    }

    /// The number that the next chunk will have.
    fn end_chunk(&self) -> u64 {
        self.first + self.chunks.len() as u64
    }

    /// The number that the next presence event will have.
    fn end_presence(&self) -> u64 {
        self.first_presence + self.presence.len() as u64
    }

    /// The number of the record at a place, or of the next to come.
    fn seq_at(&self, chunk: u64, record: usize) -> Seq {
        let entry = match self.chunk(chunk) {
            Some(chunk) => chunk.index.get(record),
            None => self.tail_index.first(),
        };
        entry.map_or(Seq(self.last.seq.0 + 1), |entry| entry.mark.seq)
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}
