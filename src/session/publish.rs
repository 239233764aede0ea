//! Publishing: to the current room, or to a channel with a number; and waking rooms once per read.

use crate::id::{Channel, PublishId, RoomName};
use crate::room::{Published, Ticket};
use crate::session::{Problem, Session};
use crate::wire::{Code, Deliver, Join, Start};

impl Session {
    /// Publishes to the current room; who is in none joins the default room by it.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`] if there is no room, or the engine did not take it.
    pub fn publish(&mut self, body: &[u8]) -> Result<(), Problem> {
        if self.seats.is_empty() {
            self.join_default()?;
        }
        self.publish_to(self.seats.len() - 1, PublishId(0), body)
    }

    /// Publishes to a joined room by its number.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`] if the room is not joined, or the engine did not take it.
    pub fn publish_numbered(
        &mut self,
        channel: Channel,
        publish_id: PublishId,
        body: &[u8],
    ) -> Result<(), Problem> {
        let Some(seat) = self.seats.iter().position(|seat| seat.room.channel() == channel) else {
            let problem = Problem::new(Code::BadMessage, "that channel is not joined");
            let (channel, publish_id) = (Some(channel), Some(publish_id));
            return Err(Problem { channel, publish_id, ..problem });
        };
        self.publish_to(seat, publish_id, body)
    }

    fn join_default(&mut self) -> Result<(), Problem> {
        let default = self.node.settings().rooms.default.clone();
        let Some(room_id) = default.filter(|_| !self.joined) else {
            return Err(Problem::new(Code::NotJoined, "join a room first"));
        };
        let (deliver, start) = (Deliver::Data, Start::Live);
        self.join(&Join { room_id, user_id: None, deliver, start, echo: true }).map(drop)
    }

    fn publish_to(
        &mut self,
        index: usize,
        publish_id: PublishId,
        body: &[u8],
    ) -> Result<(), Problem> {
        match self.try_publish(index, publish_id, body)? {
            true => Ok(()),
            false => self.put_off(index, publish_id, body),
        }
    }

    /// Publishes, if the room does not pause.
    pub(super) fn try_publish(
        &mut self,
        index: usize,
        publish_id: PublishId,
        body: &[u8],
    ) -> Result<bool, Problem> {
        let seat = &mut self.seats[index];
        let ticket = Ticket {
            publisher: self.publisher,
            connection: self.mailbox.id(),
            publish_id,
            channel: seat.room.channel(),
        };
        let room = &seat.room;
        match room.publish(Some(&self.mailbox), ticket, &seat.user_id, body, self.now_ms) {
            Published::Stored(id, seq) => {
                seat.published = true;
                seat.owe_ack(id, seq);
                self.node.meter(self.worker).handle_published();
            }
            Published::Known(id, seq) => seat.owe_ack(id, seq),
            Published::Later => seat.later = seat.later.max(publish_id),
            Published::Paused => return Ok(false),
            Published::Refused(reason) => return Err(self.not_taken(index, publish_id, reason)),
        }
        Ok(true)
    }

    /// An engine has answered a publish to that room, and with it all before it.
    pub fn handle_answered(&mut self, room: &RoomName, publish_id: PublishId) {
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.room.name() == room)
            && seat.later <= publish_id
        {
            seat.later = PublishId(0);
        }
    }

    /// Whether engines owe no answer to what was published to the rooms that it is in, with a number.
    pub fn is_answered(&self) -> bool {
        self.seats.iter().all(|seat| seat.later == PublishId(0))
    }

    /// Wakes every room that this session has published to since the last time: once per read, not once
    /// per frame.
    pub fn wake_rooms(&mut self) {
        let mut published = false;
        for seat in &mut self.seats {
            if std::mem::take(&mut seat.published) {
                seat.room.wake(Some(self.worker));
                published = true;
            }
        }
        if published {
            self.node.rooms().relieve();
        }
    }
}
