//! How far a reader is behind: for whoever asks, never on the way of a record.

use std::time::Duration;

use super::Log;
use crate::peer::Lag;
use crate::room::cursor::Cursor;

impl Log {
    /// How far a cursor is behind the end. Walks the chunks that it has not read.
    pub fn lag(&self, cursor: &Cursor, now_ms: u64) -> Lag {
        let (chunk, record) = self.ahead(cursor);
        let first = self.chunk(chunk).map_or(0, |chunk| chunk.bytes_from(record));
        let from = chunk.saturating_sub(self.first).saturating_add(1);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let chunks: usize = self.chunks.iter().skip(from).map(|chunk| chunk.bytes_from(0)).sum();
        Lag {
            records: self.count - cursor.ordinal,
            bytes: (first + chunks + self.tail.len()) as u64,
            age: self.age(cursor, now_ms).unwrap_or_default(),
        }
    }

    /// How old the oldest record is that a cursor has not read and that is still there; `None` if it has
    /// read all. Walks nothing.
    pub fn age(&self, cursor: &Cursor, now_ms: u64) -> Option<Duration> {
        let (chunk, record) = self.ahead(cursor);
        let time_ms = match self.chunk(chunk) {
            Some(chunk) => chunk.time_ms(record),
            None => self.tail_index.first().map(|entry| entry.mark.time_ms),
        };
        Some(Duration::from_millis(now_ms.saturating_sub(time_ms?)))
    }

    /// When the oldest record was accepted that is kept; `None` if none is.
    pub fn oldest_ms(&self) -> Option<u64> {
        let (chunk, record) = self.front;
        let front = self.chunk(chunk).and_then(|chunk| chunk.time_ms(record));
        front.or_else(|| self.tail_index.first().map(|entry| entry.mark.time_ms))
    }

    /// Records that are kept.
    pub fn kept(&self) -> u64 {
        self.count - self.trimmed.1
    }

    /// The chunk and record that a cursor comes by next: its own place, or the oldest one held.
    fn ahead(&self, cursor: &Cursor) -> (u64, usize) {
        match cursor.chunk < self.first {
            true => (self.first, 0),
            false => (cursor.chunk, cursor.record),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::id::{Channel, ConnectionId, Seq};
    use crate::peer::Lag;
    use crate::room::{Form, Keep, Log};
    use crate::wire::RecordHead;

    /// Bytes of a record of [`fill`].
    const RECORD: u64 = 5 + 30 + 3 + 1;

    /// Records of one byte, each accepted in the millisecond of its number.
    fn fill(log: &mut Log, numbers: std::ops::RangeInclusive<u64>) {
        for seq in numbers {
            let (channel, prev, user_id) = (Channel(1), Seq(seq - 1), "ann");
            let head =
                RecordHead { channel, seq: Seq(seq), prev, time_ms: seq, user_id, body_len: 1 };
            log.append(&head, b"x", ConnectionId(1));
        }
    }

    fn lag(records: u64, age_ms: u64) -> Lag {
        Lag { records, bytes: records * RECORD, age: Duration::from_millis(age_ms) }
    }

    #[test]
    fn lag_counts_what_was_not_read() {
        for form in [Form::Data, Form::Message] {
            let mut log = Log::new();
            let mut cursor = log.end(form, None);
            assert_eq!(log.lag(&cursor, 100), Lag::default());
            fill(&mut log, 1..=3);
            assert_eq!(log.lag(&cursor, 100), lag(3, 99), "not a chunk yet");
            log.read(&mut cursor, 1, &mut Vec::new()).unwrap();
            assert_eq!(log.lag(&cursor, 100), lag(2, 98), "in the middle of a chunk");
            fill(&mut log, 4..=5);
            assert_eq!(log.lag(&cursor, 100), lag(4, 98), "a chunk and a half");
            while log.read(&mut cursor, 1000, &mut Vec::new()).unwrap() > 0 {}
            assert_eq!(log.lag(&cursor, 100), Lag::default());
        }
    }

    #[test]
    fn what_has_left_counts_as_a_record_without_bytes() {
        let mut log = Log::new();
        let mut cursor = log.end(Form::Message, None);
        fill(&mut log, 1..=10);
        let mut other = cursor.clone();
        log.read(&mut other, 10_000, &mut Vec::new()).unwrap();
        fill(&mut log, 11..=12);
        log.trim(&Keep { bytes: 1 << 20, count: 1, since_ms: 0 });
        log.shrink(0, 0);
        assert_eq!((log.kept(), log.oldest_ms()), (0, None));
        assert_eq!(log.lag(&cursor, 100), Lag { records: 12, ..Lag::default() });
        fill(&mut log, 13..=13);
        assert_eq!((log.kept(), log.oldest_ms()), (1, Some(13)));
        assert_eq!(log.lag(&cursor, 100), Lag { records: 13, ..lag(1, 87) });
        assert!(log.read(&mut cursor, 1000, &mut Vec::new()).is_err());
    }
}
