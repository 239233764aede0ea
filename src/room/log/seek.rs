//! Where a reader begins.

use super::{Found, Log, Mark, Missed};
use crate::id::{ConnectionId, Seq};
use crate::room::chunk::Entry;
use crate::room::cursor::{Cursor, Form};

impl Log {
    /// A cursor at the end: it hears what comes, records and presence events, but for the records of
    /// `skip`.
    pub fn end(&mut self, form: Form, skip: Option<ConnectionId>) -> Cursor {
        self.freeze();
        Cursor {
            form,
            owner: skip.unwrap_or(ConnectionId(0)),
            echo: skip.is_none(),
            chunk: self.end_chunk(),
            record: 0,
            offset: 0,
            ordinal: self.count,
            seq: self.last.seq,
            presence: self.end_presence(),
            presence_end: u64::MAX,
            frames: 0,
            event_bytes: 0,
        }
    }

    /// Moves a cursor to the oldest record kept.
    pub fn seek_oldest(&mut self, cursor: &mut Cursor) {
        self.freeze();
        let ((mark, ordinal), (chunk, record)) = (self.trimmed, self.front);
        self.place(cursor, chunk, record, ordinal, mark.seq);
    }

    /// Moves a cursor to the newest `n` records, or as many as are kept.
    pub fn seek_last(&mut self, cursor: &mut Cursor, n: u64) {
        self.freeze();
        let ordinal = self.count.saturating_sub(n).max(self.trimmed.1);
        let index = self.chunks.partition_point(|chunk| chunk.end_ordinal <= ordinal);
        self.seek_in(cursor, index, |_, at| at >= ordinal);
    }

    /// Moves a cursor behind the record `seq`, or to the oldest kept: then says what is missing.
    pub fn seek_after(&mut self, cursor: &mut Cursor, seq: Seq) -> Option<Missed> {
        self.freeze();
        let trimmed = self.trimmed.0.seq;
        if seq < trimmed {
            self.seek_oldest(cursor);
            // Numbers count records only where there were no holes.
            let dense = self.last.seq.0 == self.count;
            let count = dense.then(|| trimmed.0 - seq.0);
            return Some(Missed { after: seq, next: self.oldest_seq(), count });
        }
        let index = self.chunks.partition_point(|chunk| chunk.last <= seq);
        self.seek_in(cursor, index, |entry, _| entry.mark.seq > seq);
        None
    }

    /// Moves a cursor behind the record that a reader says it had, or to the oldest kept.
    pub fn resume(&mut self, cursor: &mut Cursor, mark: Mark) -> Found {
        let missed = self.seek_after(cursor, mark.seq);
        if let Some(missed) = missed {
            return Found::Trimmed(missed);
        }
        // Before the first record there is nothing to compare.
        if mark.seq.0 == 0 || self.mark(mark.seq) == Some(mark) {
            return Found::Whole;
        }
        self.seek_oldest(cursor);
        Found::Foreign(Missed { after: mark.seq, next: self.oldest_seq(), count: None })
    }

    /// The number and time of a record that is kept, or that left last.
    fn mark(&self, seq: Seq) -> Option<Mark> {
        if let Some(known) = [self.last, self.trimmed.0].into_iter().find(|mark| mark.seq == seq) {
            return Some(known);
        }
        let index = self.chunks.partition_point(|chunk| chunk.last < seq);
        let records = &self.chunks.get(index)?.index;
        let record = records.binary_search_by_key(&seq, |entry| entry.mark.seq).ok()?;
        records.get(record).map(|entry| entry.mark)
    }

    /// The number of the oldest record kept, or of the next to come.
    pub fn oldest_seq(&self) -> Seq {
        self.seq_at(self.front.0, self.front.1)
    }

    /// Moves a cursor to the first record of the chunk at `index` or later that is `wanted`.
    fn seek_in(&self, cursor: &mut Cursor, index: usize, wanted: impl Fn(&Entry, u64) -> bool) {
        let before = index.checked_sub(1).and_then(|i| self.chunks.get(i));
        let (mut seq, mut ordinal) =
            before.map_or((self.gone.0.seq, self.gone.1), |chunk| (chunk.last, chunk.end_ordinal));
        let mut record = 0;
        if let Some(chunk) = self.chunks.get(index) {
            for entry in &chunk.index {
                if wanted(entry, ordinal) {
                    break;
                }
                (seq, ordinal, record) = (entry.mark.seq, ordinal + 1, record + 1);
            }
        }
        self.place(cursor, self.first + index as u64, record, ordinal, seq);
    }

    fn place(&self, cursor: &mut Cursor, chunk: u64, record: usize, ordinal: u64, seq: Seq) {
        cursor.offset = self.chunk(chunk).map_or(0, |c| c.offset(cursor.form, record));
        (cursor.chunk, cursor.record, cursor.ordinal, cursor.seq) = (chunk, record, ordinal, seq);
    }
}
