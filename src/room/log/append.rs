//! What comes into a log.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Log, Mark, Presence};
use crate::id::ConnectionId;
use crate::room::chunk::{CHUNK_OVERHEAD, Chunk, Entry, RECORD_OVERHEAD, SHARED_MAX};
use crate::wire::RecordHead;

/// Bytes of the largest segment: what a stopped reader can pin.
const SEGMENT_MAX: usize = 64 << 10;
/// What presence events may cost: some 1,000 of them, five times over all members that are announced.
const PRESENCE_MAX: usize = 256 << 10;
/// What a presence event costs beside its bytes.
pub(super) const PRESENCE_OVERHEAD: usize = 96;

impl Log {
    /// Adds a record at the end. Its number is above that of the last one.
    pub fn append(&mut self, head: &RecordHead<'_>, body: &[u8], source: ConnectionId) {
        let len = head.frame_len();
        let mark = Mark { seq: head.seq, time_ms: head.time_ms };
        if len > SHARED_MAX {
            self.freeze();
            let mut message = BytesMut::with_capacity(len);
            head.encode(&mut message);
            message.put_slice(body);
            let entry = Entry::new(mark, source, message.len(), body.len());
            self.note(mark, len);
            self.push(message.freeze(), vec![entry]);
            return;
        }
        if self.tail.capacity() - self.tail.len() < len {
            self.freeze();
            self.tail = BytesMut::with_capacity(len.max(self.segment));
            self.segment = (self.segment * 2).min(SEGMENT_MAX);
        }
        head.encode(&mut self.tail);
        self.tail.put_slice(body);
        self.tail_index.push(Entry::new(mark, source, self.tail.len(), body.len()));
        self.note(mark, len);
    }

    fn note(&mut self, mark: Mark, len: usize) {
        self.last = mark;
        self.count += 1;
        self.kept_bytes += len + RECORD_OVERHEAD;
        self.chunk_bytes += len + RECORD_OVERHEAD;
    }

    /// Adds a presence event at the end: a whole CONTROL frame, at the time `time_ms`.
    pub fn append_presence(&mut self, frame: Bytes, time_ms: u64) {
        self.freeze();
        self.presence_bytes += frame.len() + PRESENCE_OVERHEAD;
        self.presence.push_back(Presence { ordinal: self.count, time_ms, frame });
        while self.presence_bytes > PRESENCE_MAX && self.presence.len() > 1 {
            self.drop_presence();
        }
    }

    /// Makes a chunk of what was appended since the last time.
    pub(super) fn freeze(&mut self) {
        if !self.tail_index.is_empty() {
            let message = self.tail.split().freeze();
            let index = std::mem::take(&mut self.tail_index);
            self.push(message, index);
        }
    }

    fn push(&mut self, message: Bytes, index: Vec<Entry>) {
        self.kept_bytes += CHUNK_OVERHEAD;
        self.chunk_bytes += CHUNK_OVERHEAD;
        self.chunks.push_back(Chunk::new(message, index, self.count));
    }
}
