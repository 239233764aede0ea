//! A run of records that lie together in memory, encoded once, the same bytes for every reader.

use bytes::{BufMut, Bytes, BytesMut};

use crate::id::{ConnectionId, Seq};
use crate::room::cursor::{Cursor, Form};
use crate::room::log::Mark;
use crate::wire::{Header, Tag};

/// Bytes of the largest frame that shares a chunk with others. A larger one is a chunk of its own: it
/// wastes no segment, a reader that stops in it pins nothing else, and its DATA form is not a copy.
pub(super) const SHARED_MAX: usize = 8 << 10;
/// What a chunk costs beside its bytes and its records: itself, its index's and its bytes' allocations.
pub(super) const CHUNK_OVERHEAD: usize = 192;
/// What a record costs beside its bytes: its entry, in an index that has grown by doubling.
pub(super) const RECORD_OVERHEAD: usize = 64;
/// What a DATA form costs beside its bytes.
const DATA_OVERHEAD: usize = 64;

/// Where a record ends in its chunk, and what of it is asked for without reading it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) mark: Mark,
    /// The connection that published it; 0 for none of this node's.
    pub(super) source: ConnectionId,
    /// Where its MESSAGE frame ends in the chunk.
    end: u32,
    /// Bytes of its body, which end its frame.
    body: u32,
}

impl Entry {
    pub(super) fn new(mark: Mark, source: ConnectionId, end: usize, body: usize) -> Self {
        // Frames have a length of 32 bits; a chunk is one of those, or one segment.
        let short = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        Self { mark, source, end: short(end), body: short(body) }
    }

    fn end(&self) -> usize {
        self.end as usize
    }

    /// Where its body lies in the chunk.
    fn body(&self) -> std::ops::Range<usize> {
        self.end() - self.body as usize..self.end()
    }

    /// Bytes of its DATA frame.
    fn data_len(&self) -> usize {
        Header::LEN + self.body as usize
    }
}

/// A part of a log that no longer changes: at least one record, as MESSAGE frames and, once somebody
/// wants them, as DATA frames.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The number of its last record.
    pub(super) last: Seq,
    /// Records of the log up to its end.
    pub(super) end_ordinal: u64,
    pub(super) index: Vec<Entry>,
    message: Bytes,
    /// Of a frame over [`SHARED_MAX`] only the header.
    data: Option<Bytes>,
}

impl Chunk {
    pub(super) fn new(message: Bytes, index: Vec<Entry>, end_ordinal: u64) -> Self {
        let last = index.last().map_or(Seq(0), |entry| entry.mark.seq);
        Self { last, end_ordinal, index, message, data: None }
    }

    /// Its last record.
    pub(super) fn last_mark(&self) -> Mark {
        self.index.last().map_or_else(Mark::default, |entry| entry.mark)
    }

    /// When its record `record` was accepted; `None` if it has no such record.
    pub(super) fn time_ms(&self, record: usize) -> Option<u64> {
        self.index.get(record).map(|entry| entry.mark.time_ms)
    }

    /// Bytes of its records from `record` on, as MESSAGE frames.
    pub(super) fn bytes_from(&self, record: usize) -> usize {
        self.message.len() - self.offset(Form::Message, record)
    }

    /// What it costs in memory, but for its DATA form.
    pub(super) fn cost(&self) -> usize {
        self.message.len() + RECORD_OVERHEAD * self.index.len() + CHUNK_OVERHEAD
    }

    /// What its record `record` costs; the last one bears the chunk's own cost.
    pub(super) fn record_cost(&self, record: usize) -> usize {
        let last = record + 1 == self.index.len();
        self.frame_len(Form::Message, record) + RECORD_OVERHEAD + usize::from(last) * CHUNK_OVERHEAD
    }

    /// What its records from `record` on cost.
    pub(super) fn cost_from(&self, record: usize) -> usize {
        let bytes = self.message.len() - self.offset(Form::Message, record);
        bytes + RECORD_OVERHEAD * (self.index.len() - record) + CHUNK_OVERHEAD
    }

    /// Forgets the DATA form; what that cost.
    pub(super) fn forget_data(&mut self) -> usize {
        self.data.take().map_or(0, |data| data.len() + DATA_OVERHEAD)
    }

    /// Where the record `record` begins in the bytes of a form.
    pub(super) fn offset(&self, form: Form, record: usize) -> usize {
        let before = self.index.get(..record).unwrap_or(&self.index);
        match form {
            Form::Message => before.last().map_or(0, Entry::end),
            Form::Data => before.iter().map(Entry::data_len).sum(),
        }
    }

    /// Bytes of a record's frame in a form.
    fn frame_len(&self, form: Form, record: usize) -> usize {
        match form {
            Form::Data => self.index[record].data_len(),
            Form::Message => self.index[record].end() - self.offset(Form::Message, record),
        }
    }

    /// Moves a cursor over records until `budget` bytes are reached or no record is left, and adds what
    /// it passed to `out`; how many bytes that was, and what the DATA form costs if it was made for it.
    /// Ends between two frames, at most one over budget.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor,
        budget: usize,
        out: &mut Vec<Bytes>,
    ) -> (usize, usize) {
        let (bytes, made) = match cursor.form {
            Form::Message => (self.message.clone(), 0),
            Form::Data => self.data(),
        };
        let taken = if cursor.form == Form::Data && self.is_large() {
            self.read_large(bytes, cursor, out)
        } else if bytes.len() <= budget && self.is_whole_for(cursor) {
            let len = bytes.len();
            cursor.frames = cursor.frames.wrapping_add(self.index.len() as u32);
            cursor.record = self.index.len();
            out.push(bytes);
            len
        } else {
            self.read_some(&bytes, cursor, budget, out)
        };
        (taken, made)
    }

    /// The DATA form, and what it costs if it had to be made.
    fn data(&mut self) -> (Bytes, usize) {
        if let Some(data) = &self.data {
            return (data.clone(), 0);
        }
        let data = self.encode_data();
        self.data = Some(data.clone());
        let made = data.len() + DATA_OVERHEAD;
        (data, made)
    }

    fn encode_data(&self) -> Bytes {
        let header = |entry: &Entry| Header { tag: Tag::DATA, length: entry.body }.encode();
        if self.is_large() {
            return self
                .index
                .first()
                .map_or_else(Bytes::new, |entry| Bytes::copy_from_slice(&header(entry)));
        }
        let len = self.index.iter().map(Entry::data_len).sum();
        let mut data = BytesMut::with_capacity(len);
        for entry in &self.index {
            data.put_slice(&header(entry));
            data.put_slice(&self.message[entry.body()]);
        }
        data.freeze()
    }

    /// Whether its DATA form is a header before the body as it lies in the MESSAGE form.
    fn is_large(&self) -> bool {
        self.index.len() == 1 && self.message.len() > SHARED_MAX
    }

    fn read_large(&self, header: Bytes, cursor: &mut Cursor, out: &mut Vec<Bytes>) -> usize {
        let Some(entry) = self.index.get(cursor.record) else { return 0 };
        cursor.record += 1;
        if cursor.skips(entry.source) {
            return 0;
        }
        cursor.frames = cursor.frames.wrapping_add(1);
        out.push(header);
        Self::take(&self.message, entry.body(), out);
        entry.data_len()
    }

    fn read_some(
        &self,
        bytes: &Bytes,
        cursor: &mut Cursor,
        budget: usize,
        out: &mut Vec<Bytes>,
    ) -> usize {
        let mut taken = 0;
        // A run is what lies together: it ends where a record is passed over.
        let (mut start, mut end) = (cursor.offset, cursor.offset);
        while cursor.record < self.index.len() && taken + (end - start) < budget {
            let entry = self.index[cursor.record];
            let len = self.frame_len(cursor.form, cursor.record);
            if cursor.skips(entry.source) {
                taken += Self::take(bytes, start..end, out);
                start = end + len;
            } else {
                cursor.frames = cursor.frames.wrapping_add(1);
            }
            end += len;
            cursor.record += 1;
            cursor.offset = end;
            cursor.ordinal += 1;
            cursor.seq = entry.mark.seq;
        }
        taken + Self::take(bytes, start..end, out)
    }

    fn take(bytes: &Bytes, range: std::ops::Range<usize>, out: &mut Vec<Bytes>) -> usize {
        let len = range.len();
        if len > 0 {
            out.push(bytes.slice(range));
        }
        len
    }

    /// Whether a reader takes all of it as one run.
    fn is_whole_for(&self, cursor: &Cursor) -> bool {
        cursor.record == 0
            && (cursor.echo || self.index.iter().all(|entry| entry.source != cursor.owner))
    }
}
