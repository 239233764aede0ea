//! What a reader gets.

use bytes::Bytes;

use super::{Log, Missed};
use crate::room::cursor::Cursor;

/// Bytes of records that are also held as DATA frames: what readers who keep up share.
const DATA_MAX: usize = 512 << 10;

impl Log {
    /// Whether there is something behind a cursor.
    pub fn is_behind(&self, cursor: &Cursor) -> bool {
        cursor.chunk < self.end_chunk()
            || cursor.presence < self.end_presence().min(cursor.presence_end)
            || !self.tail_index.is_empty()
    }

    /// Has a cursor hear of no presence event from now on: its owner leaves.
    pub fn mute(&self, cursor: &mut Cursor) {
        cursor.presence_end = self.end_presence();
    }

    /// Moves a cursor on by about `budget` bytes and adds the frames it passed to `out`, in pieces that
    /// begin and end where it suits the log; how many bytes that was. All of it together ends between two
    /// frames, at most one over budget.
    ///
    /// # Errors
    ///
    /// Returns what was missed if the log no longer holds the cursor's place. The cursor then stands at
    /// the oldest record kept, and the next read goes on from there.
    pub fn read(
        &mut self,
        cursor: &mut Cursor,
        budget: usize,
        out: &mut Vec<Bytes>,
    ) -> Result<usize, Missed> {
        if cursor.chunk < self.first || cursor.presence < self.first_presence {
            return Err(self.catch_up(cursor));
        }
        self.freeze();
        let mut taken = 0;
        while taken < budget {
            if let Some(frame) = self.presence_at(cursor) {
                taken += frame.len();
                cursor.frames = cursor.frames.wrapping_add(1);
                cursor.event_bytes = cursor.event_bytes.wrapping_add(frame.len() as u32);
                cursor.presence += 1;
                out.push(frame);
                continue;
            }
            let index = (cursor.chunk - self.first) as usize;
            let Some(chunk) = self.chunks.get_mut(index) else { break };
            let (read, made) = chunk.read(cursor, budget - taken, out);
            taken += read;
            let rest = cursor.record < chunk.index.len();
            if !rest {
                cursor.leave_chunk(chunk.last, chunk.end_ordinal);
            }
            if made > 0 {
                self.data_chunks.push_back(self.first + index as u64);
                self.data_bytes += made;
                self.forget_data(DATA_MAX);
            }
            if rest {
                break;
            }
        }
        Ok(taken)
    }

    /// The presence event that a cursor comes by next. It lies between two chunks; a cursor that was moved
    /// on into the middle of one comes by those before it first.
    #[inline]
    fn presence_at(&self, cursor: &Cursor) -> Option<Bytes> {
        if cursor.presence >= cursor.presence_end {
            return None;
        }
        let index = cursor.presence.checked_sub(self.first_presence)?;
        let event = self.presence.get(usize::try_from(index).ok()?)?;
        (event.ordinal <= cursor.ordinal).then(|| event.frame.clone())
    }

    /// Moves a cursor whose place is gone to the oldest record kept, and the oldest presence event held.
    fn catch_up(&mut self, cursor: &mut Cursor) -> Missed {
        let (after, had) = (cursor.seq, cursor.ordinal);
        if cursor.chunk < self.first {
            self.seek_oldest(cursor);
        }
        cursor.presence = cursor.presence.max(self.first_presence);
        let next = self.seq_at(cursor.chunk, cursor.record);
        Missed { after, next, count: Some(cursor.ordinal - had) }
    }
}

#[cfg(test)]
mod tests {
    use crate::id::{Channel, ConnectionId, Seq};
    use crate::room::{Form, Keep, Log};
    use crate::wire::RecordHead;

    #[test]
    fn the_list_of_data_forms_is_as_short_as_the_log() {
        let mut log = Log::new();
        let mut cursor = log.end(Form::Data, None);
        let keep = Keep { bytes: 1000, count: 10, since_ms: 0 };
        for seq in 1..10_000 {
            let (channel, prev, user_id) = (Channel(1), Seq(seq - 1), "ann");
            let head =
                RecordHead { channel, seq: Seq(seq), prev, time_ms: 1, user_id, body_len: 1 };
            log.append(&head, b"x", ConnectionId(1));
            log.trim(&keep);
            log.read(&mut cursor, 1000, &mut Vec::new()).unwrap();
        }
        assert!(log.data_chunks.len() <= log.chunks.len());
        assert!(log.chunks.len() < 2000);
    }
}
