//! What leaves a log.

use bytes::BytesMut;

use super::append::PRESENCE_OVERHEAD;
use super::{Keep, Log, SEGMENT_MIN};
use crate::room::chunk::RECORD_OVERHEAD;

/// Bytes that may be held beyond what is kept, so that a burst larger than a room keeps still reaches
/// whoever listens.
const SLACK: usize = 256 << 10;
/// How long what is too old to be kept is still held, within the slack: also where a room keeps nothing,
/// a reader under way gets all.
const GRACE_MS: u64 = 60_000;

impl Log {
    /// Lets leave what need not be kept.
    #[inline]
    pub fn trim(&mut self, keep: &Keep) {
        let kept = self.count - self.trimmed.1;
        let full = self.kept_bytes > keep.bytes || kept > keep.count;
        if full || keep.since_ms > 0 {
            self.trim_records(keep);
        }
        let over_ms = keep.since_ms.saturating_sub(GRACE_MS);
        if self.first < self.front.0 {
            self.release(over_ms);
        }
        if keep.since_ms > 0 && self.is_empty() {
            self.drop_spare();
        }
    }

    /// From now on nothing leaves behind the first `floor` records: somebody has yet to read it.
    pub fn hold(&mut self, floor: u64) {
        self.floor = floor;
    }

    /// The record from which on nothing leaves.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Whether a frame of `len` bytes more would push out what must not leave.
    pub fn is_full(&self, keep: &Keep, len: usize) -> bool {
        let kept = self.count - self.trimmed.1;
        let over = self.kept_bytes + len + RECORD_OVERHEAD > keep.bytes || kept >= keep.count;
        over && kept > 0 && self.trimmed.1 >= self.floor
    }

    /// About how many bytes must not leave: their share of all records that are kept.
    pub fn unread_bytes(&self) -> usize {
        let (kept, unread) = (self.count - self.trimmed.1, self.count.saturating_sub(self.floor));
        let share = (self.kept_bytes as u128 * u128::from(unread)).checked_div(kept.into());
        share.map_or(0, |share| self.kept_bytes.min(share as usize))
    }

    /// Lets presence events leave that are older than `before_ms`: they are no history, and held only for
    /// readers under way.
    pub fn trim_presence(&mut self, before_ms: u64) {
        while self.presence.front().is_some_and(|event| event.time_ms < before_ms) {
            self.drop_presence();
        }
    }

    fn trim_records(&mut self, keep: &Keep) {
        loop {
            let kept = self.count - self.trimmed.1;
            if kept == 0 || self.trimmed.1 >= self.floor {
                break;
            }
            if self.front.0 == self.end_chunk() {
                self.freeze();
            }
            let (number, record) = self.front;
            let Some(chunk) = self.chunk(number) else { break };
            let (mark, cost) = (chunk.index[record].mark, chunk.record_cost(record));
            let whole = record + 1 == chunk.index.len();
            // The newest record stays whatever its size, or a large one would reach nobody.
            let full = kept > 1 && (self.kept_bytes > keep.bytes || kept > keep.count);
            if !full && mark.time_ms >= keep.since_ms {
                break;
            }
            self.trimmed = (mark, self.trimmed.1 + 1);
            self.kept_bytes -= cost;
            self.front = if whole { (number + 1, 0) } else { (number, record + 1) };
        }
    }

    /// Gives chunks back of which nothing is kept, but for the slack, and all that are older than `over_ms`.
    fn release(&mut self, over_ms: u64) {
        while self.first < self.front.0 {
            let over = self.chunk_bytes > self.kept_bytes + SLACK;
            let old =
                |log: &Self| log.chunks.front().is_some_and(|c| c.last_mark().time_ms < over_ms);
            if !over && !old(self) {
                break;
            }
            self.drop_chunk();
        }
    }

    /// Drops the oldest chunk, also if some of it is kept.
    fn drop_chunk(&mut self) {
        let Some(mut chunk) = self.chunks.pop_front() else { return };
        let end = (chunk.last_mark(), chunk.end_ordinal);
        if self.front.0 == self.first {
            self.kept_bytes -= chunk.cost_from(self.front.1);
            self.trimmed = end;
            self.front = (self.first + 1, 0);
        }
        self.first += 1;
        self.gone = end;
        self.chunk_bytes -= chunk.cost();
        self.data_bytes -= chunk.forget_data();
        while self.data_chunks.front().is_some_and(|&number| number < self.first) {
            self.data_chunks.pop_front();
        }
        if self.chunks.is_empty() {
            self.chunks.shrink_to_fit();
            self.data_chunks.shrink_to_fit();
        }
    }

    pub(super) fn drop_presence(&mut self) {
        let Some(event) = self.presence.pop_front() else { return };
        self.first_presence += 1;
        self.presence_bytes -= event.frame.len() + PRESENCE_OVERHEAD;
        if self.presence.is_empty() {
            self.presence.shrink_to_fit();
        }
    }

    /// Gives back the memory for records to come.
    fn drop_spare(&mut self) {
        if self.tail_index.is_empty() {
            self.tail = BytesMut::new();
            self.segment = SEGMENT_MIN;
        }
    }

    /// Gives memory back, whatever is lost by it, until at most `bytes` are held: first what can be made
    /// again, then the oldest records, but for the newest `spared` chunks and for what must not leave,
    /// then presence events. Who misses something is told so.
    pub fn shrink(&mut self, bytes: usize, spared: usize) {
        if self.held_bytes() > bytes {
            self.forget_data(0);
            self.freeze();
            self.drop_spare();
        }
        while self.held_bytes() > bytes && self.chunks.len() > spared {
            if self.chunks.front().is_some_and(|chunk| chunk.end_ordinal > self.floor) {
                break;
            }
            self.drop_chunk();
        }
        while self.held_bytes() > bytes && !self.presence.is_empty() {
            self.drop_presence();
        }
    }

    /// Forgets DATA forms, the oldest first, until they take at most `bytes`.
    pub(super) fn forget_data(&mut self, bytes: usize) {
        while self.data_bytes > bytes {
            let Some(number) = self.data_chunks.pop_front() else { break };
            let Some(index) = number.checked_sub(self.first) else { continue };
            if let Some(chunk) = self.chunks.get_mut(index as usize) {
                self.data_bytes -= chunk.forget_data();
            }
        }
    }
}
