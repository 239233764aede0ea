//! Coming into rooms and going out of them.

use crate::id::{PublishId, RoomName, UserId};
use crate::room::{Entered, Entry, Form, Refusal, Room};
use crate::session::seat::Seat;
use crate::session::{Problem, Session};
use crate::wire::{Code, Deliver, Join};
use std::sync::Arc;

impl Session {
    /// Joins a room, or changes how this session is in it; it becomes the current room.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`]; nothing has changed then.
    pub fn join(&mut self, join: &Join) -> Result<(Arc<Room>, Entered), Problem> {
        let seat = self.seats.iter().position(|seat| *seat.room.name() == join.room_id);
        if seat.is_none() && self.seats.len() >= self.node.settings().limits.rooms_per_connection {
            return Err(Problem::new(
                Code::TooManyRooms,
                format!("already in {} rooms: leave one first", self.seats.len()),
            ));
        }
        // Who is in keeps the name that is known there.
        let user_id = match seat {
            Some(seat) => self.seats[seat].user_id.clone(),
            None => join.user_id.clone().unwrap_or_else(|| self.user_id()),
        };
        let (room, entered) = self.enter(join, &user_id)?;
        let key = self.sit(&room, join, seat);
        let fresh = Seat {
            room: room.clone(),
            user_id,
            cursor: entered.cursor.clone(),
            key,
            seen: None,
            until: None,
            gap: entered.gap,
            published: false,
            ack: None,
            later: PublishId(0),
        };
        let owed =
            seat.map(|seat| self.seats.remove(seat)).map(|old| (old.published, old.ack, old.later));
        let (published, ack, later) = owed.unwrap_or_default();
        self.joined = true;
        // Most are in one room: no room for four.
        self.seats.reserve_exact(1);
        self.seats.push(Seat { published, ack, later, ..fresh });
        room.wake(Some(self.worker));
        Ok((room, entered))
    }

    fn enter(&self, join: &Join, user_id: &UserId) -> Result<(Arc<Room>, Entered), Problem> {
        let entry = Entry {
            user_id,
            mailbox: &self.mailbox,
            publisher: self.publisher,
            form: form(join.deliver),
            // With messages one knows one's own by their user.
            echo: join.echo || join.deliver != Deliver::Data,
            start: &join.start,
            now_ms: self.now_ms,
        };
        loop {
            let room = self.node.rooms().open(&join.room_id).map_err(|_| {
                let most = self.node.settings().limits.rooms;
                let message =
                    format!("the server has {most} rooms, and no more: join one of those");
                Problem::new(Code::TooManyRooms, message)
            })?;
            return match room.enter(&entry) {
                Ok(entered) => Ok((room, entered)),
                Err(Refusal::Gone) => continue,
                Err(Refusal::UserTaken) => {
                    Err(Problem::new(Code::UserTaken, "that user id is in use in this room"))
                }
                Err(Refusal::Full) => {
                    let most = self.node.settings().limits.members_per_room;
                    let message =
                        format!("the room has {most} members, and no more: come back later");
                    let problem = Problem::new(Code::Unavailable, message);
                    Err(Problem { reason: Some("room_full"), ..problem })
                }
            };
        }
    }

    /// Has this session woken by the room, or not if it wants to hear nothing.
    fn sit(&self, room: &Arc<Room>, join: &Join, seat: Option<usize>) -> Option<usize> {
        let before = seat.and_then(|seat| self.seats[seat].key);
        match (join.deliver, before) {
            (Deliver::None, Some(key)) => {
                room.audience().rise(self.worker, key);
                None
            }
            (Deliver::None, None) => None,
            (_, Some(key)) => Some(key),
            (_, None) => Some(room.audience().sit(self.worker, self.mailbox.clone())),
        }
    }

    /// Makes a room that this session is in the current one, and changes nothing else; whether it is in.
    pub fn turn_to(&mut self, name: &RoomName) -> bool {
        let Some(seat) = self.seats.iter().position(|seat| seat.room.name() == name) else {
            return false;
        };
        let seat = self.seats.remove(seat);
        self.seats.push(seat);
        true
    }

    /// Leaves a room.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`] if this session is not in it.
    pub fn leave(&mut self, name: &RoomName) -> Result<(), Problem> {
        let Some(seat) = self.seats.iter().position(|seat| seat.room.name() == name) else {
            return Err(Problem::new(Code::NotJoined, "not in that room"));
        };
        let mut seat = self.seats.remove(seat);
        self.acks.extend(seat.take_ack());
        if self.seats.len() < self.seats.capacity() / 2 {
            // Who was in many rooms and left them holds no memory for them.
            self.seats.shrink_to_fit();
        }
        self.vacate(&seat);
        Ok(())
    }

    /// Gives a seat up: the room hears of it and may be freed.
    pub(super) fn vacate(&self, seat: &Seat) {
        if let Some(key) = seat.key {
            seat.room.audience().rise(self.worker, key);
        }
        seat.room.leave(&seat.user_id, self.mailbox.session());
        seat.room.wake(Some(self.worker));
        self.node.rooms().tidy(&seat.room);
    }
}

fn form(deliver: Deliver) -> Option<Form> {
    match deliver {
        Deliver::Data => Some(Form::Data),
        Deliver::Message => Some(Form::Message),
        Deliver::None => None,
    }
}
