//! A session's place in one room.

use std::sync::Arc;

use crate::id::{PublishId, RoomName, Seq, UserId};
use crate::room::{Cursor, Gap, Room};

/// A session's place in one room.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) room: Arc<Room>,
    /// Its name there.
    pub(super) user_id: UserId,
    /// Where it reads; `None` if it hears nothing.
    pub(super) cursor: Option<Cursor>,
    /// The key to its place among those who are woken.
    pub(super) key: Option<usize>,
    /// The room's news when the cursor was at the end; `None` if it is not there yet.
    pub(super) seen: Option<u64>,
    /// The news up to which it still hears, once it has left because its session is about to end.
    pub(super) until: Option<u64>,
    /// What it is told before the next record.
    pub(super) gap: Option<Gap>,
    /// What it published since the room was last woken.
    pub(super) published: bool,
    /// The acknowledgement that it is owed.
    pub(super) ack: Option<(PublishId, Seq)>,
    /// The newest publish that an engine has and will answer by mail; 0 for none.
    pub(super) later: PublishId,
}

impl Seat {
    /// An acknowledgement is owed, and with it those of all before it.
    pub(super) fn owe_ack(&mut self, id: PublishId, seq: Seq) {
        if id.0 != 0 && self.ack.is_none_or(|(owed, _)| owed < id) {
            self.ack = Some((id, seq));
        }
    }

    /// The acknowledgement that is owed.
    pub(super) fn take_ack(&mut self) -> Option<(RoomName, PublishId, Seq)> {
        let (id, seq) = self.ack.take()?;
        Some((self.room.name().clone(), id, seq))
    }

    /// Whether there is something to read.
    pub(super) fn is_due(&self) -> bool {
        self.cursor.is_some() && (self.gap.is_some() || self.has_news())
    }

    fn has_news(&self) -> bool {
        match (self.until, self.seen) {
            (Some(until), Some(seen)) => seen < until,
            _ => self.seen != Some(self.room.news()),
        }
    }
}
