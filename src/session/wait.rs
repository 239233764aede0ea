//! A publish that its room does not accept yet: kept, with everything behind it unread, until readers of
//! that room have caught up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::id::{Channel, PublishId};
use crate::session::{Node, Problem, Session};
use crate::wire::Code;

/// A publish that waits for room.
#[derive(Debug)]
pub(super) struct Pending {
    /// Its bytes count among those of unfinished frames: they arrived and are not acted on.
    node: Arc<Node>,
    channel: Channel,
    publish_id: PublishId,
    body: Bytes,
}

impl Pending {
    fn new(node: Arc<Node>, channel: Channel, publish_id: PublishId, body: &[u8]) -> Self {
        node.counters().unfinished.handle_held(0, body.len() as u64);
        Self { node, channel, publish_id, body: Bytes::copy_from_slice(body) }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.node.counters().unfinished.handle_held(self.body.len() as u64, 0);
    }
}

impl Session {
    /// Whether a publish waits for room.
    pub fn is_paused(&self) -> bool {
        self.pending.is_some()
    }

    /// Keeps a publish until its room has room.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`] if all connections together keep as much as they may.
    pub(super) fn put_off(
        &mut self,
        index: usize,
        publish_id: PublishId,
        body: &[u8],
    ) -> Result<(), Problem> {
        let (node, room) = (self.node.clone(), self.seats[index].room.clone());
        let held = node.counters().unfinished.bytes() + body.len() as u64;
        if held > node.settings().limits.unfinished as u64 || self.is_paused() {
            room.give_up(self.publisher, publish_id);
            return Err(self.not_taken(index, publish_id, "paused"));
        }
        node.counters().paused.fetch_add(1, Ordering::Relaxed);
        self.pending = Some(Box::new(Pending::new(node, room.channel(), publish_id, body)));
        Ok(())
    }

    /// Tries again what waits for room.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`] if it is not taken at all.
    pub fn handle_room(&mut self) -> Result<(), Problem> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let Some(seat) = self.seats.iter().position(|seat| seat.room.channel() == pending.channel)
        else {
            return Ok(());
        };
        match self.try_publish(seat, pending.publish_id, &pending.body)? {
            true => Ok(()),
            false => {
                self.pending = Some(pending);
                Ok(())
            }
        }
    }

    /// Gives up what waits for room, because the connection ends: it is refused, and nobody is to believe
    /// that it was accepted.
    pub fn give_up(&mut self) -> Option<Problem> {
        let pending = self.pending.take()?;
        let seat = self.seats.iter().position(|seat| seat.room.channel() == pending.channel)?;
        self.seats[seat].room.give_up(self.publisher, pending.publish_id);
        Some(self.not_taken(seat, pending.publish_id, "paused"))
    }

    /// What a publisher is told whose publish was not taken.
    pub(super) fn not_taken(
        &self,
        index: usize,
        publish_id: PublishId,
        reason: &'static str,
    ) -> Problem {
        let room = &self.seats[index].room;
        let message = match reason {
            "paused" => "the publish was not taken: the room waits for a slow reader",
            _ => "the publish was not taken",
        };
        Problem {
            publish_id: Some(publish_id),
            channel: Some(room.channel()),
            room: Some(room.name().clone()),
            reason: Some(reason),
            ..Problem::new(Code::Unavailable, message)
        }
    }
}
