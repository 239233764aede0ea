//! Coming into a room and going out of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;

use super::{Gap, Member, Room, State};
use crate::id::{PublishId, Seq, SessionId, UserId};
use crate::peer::Mailbox;
use crate::room::engine::PublisherId;
use crate::room::log::{Found, Log, Mark, Missed};
use crate::room::publisher::Publisher;
use crate::room::{Cursor, Form};
use crate::sync::lock;
use crate::wire::{Event, GapReason, Start, encode_event};

/// Who enters a room, and how.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The name in this room.
    pub user_id: &'a UserId,
    /// The connection.
    pub mailbox: &'a Arc<Mailbox>,
    /// As whom it publishes with numbers.
    pub publisher: PublisherId,
    /// How it wants records; `None` for not at all.
    pub form: Option<Form>,
    /// Whether it wants its own records back.
    pub echo: bool,
    /// From where on.
    pub start: &'a Start,
    /// The wall clock, milliseconds since 1970.
    pub now_ms: u64,
}

/// What a member is told when it enters.
#[derive(Debug)]
pub struct Entered {
    /// Its place in the log; `None` if it hears nothing.
    pub cursor: Option<Cursor>,
    /// What it asked for and is no longer there.
    pub gap: Option<Gap>,
    /// Whether it is proven that it missed nothing since its resume point.
    pub resumed: bool,
    /// The newest record.
    pub last: Mark,
    /// The number of the next record, if the engine numbers by one.
    pub next_seq: Seq,
    /// Members that are announced, this one included.
    pub members: usize,
    /// The newest numbered publish that the room has of this publisher.
    pub last_publish_id: PublishId,
}

/// Why nobody enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another connection has that name in this room.
    UserTaken,
    /// The room has as many members as it may.
    Full,
    /// The room was freed meanwhile: look it up again.
    Gone,
}

impl Room {
    /// Lets a connection in, or changes how it is in.
    ///
    /// The caller sits down in the [`Audience`](crate::room::Audience) and wakes the room, for the presence event.
    ///
    /// # Errors
    ///
    /// Returns a [`Refusal`]; nothing has changed then.
    pub fn enter(&self, entry: &Entry<'_>) -> Result<Entered, Refusal> {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if state.gone {
            return Err(Refusal::Gone);
        }
        state.now_ms = state.now_ms.max(entry.now_ms);
        let session = entry.mailbox.session();
        let known = match state.members.get(entry.user_id) {
            Some(member) if member.mailbox.session() != session => return Err(Refusal::UserTaken),
            member => member.is_some(),
        };
        if !known && state.members.len() >= self.home.settings().limits.members_per_room {
            return Err(Refusal::Full);
        }
        self.settle(state);
        state.log.trim(&state.policy.keep_at(entry.now_ms));
        let (cursor, gap, resumed) = self.place(&mut state.log, entry);
        let hidden = entry.form.is_none();
        let member = Member { mailbox: entry.mailbox.clone(), hidden };
        let was_present =
            state.members.insert(entry.user_id.clone(), member).is_some_and(|old| !old.hidden);
        state.present = state.present + usize::from(!hidden) - usize::from(was_present);
        if let Some(hold) = &mut state.hold {
            match &cursor {
                Some(cursor) => hold.enter(cursor.owner, cursor.ordinal),
                None => hold.leave(entry.mailbox.id()),
            }
            self.yield_room(state);
        }
        if !known && !hidden {
            self.announce(state, entry.user_id, session, true);
        }
        let last = state.log.last();
        let publisher = state.publishers.get(&entry.publisher);
        let entered = Entered {
            cursor,
            gap,
            resumed,
            last,
            next_seq: Seq(last.seq.0 + 1),
            members: state.present,
            last_publish_id: publisher.map(Publisher::last_publish_id).unwrap_or_default(),
        };
        self.count(state);
        Ok(entered)
    }

    /// Finds the place in the log that a join asks for.
    fn place(&self, log: &mut Log, entry: &Entry<'_>) -> (Option<Cursor>, Option<Gap>, bool) {
        let Some(form) = entry.form else { return (None, None, false) };
        let skip = (!entry.echo).then(|| entry.mailbox.id());
        let mut cursor = log.end(form, skip);
        cursor.owner = entry.mailbox.id();
        let gap = |missed, reason| Some(Gap { missed, reason });
        let (gap, resumed) = match entry.start {
            Start::Live => (None, false),
            Start::Earliest => {
                log.seek_oldest(&mut cursor);
                (None, false)
            }
            Start::Last(n) => {
                log.seek_last(&mut cursor, *n);
                (None, false)
            }
            Start::Seq(seq) => {
                let missed = log.seek_after(&mut cursor, Seq(seq.0.saturating_sub(1)));
                (missed.and_then(|missed| gap(missed, GapReason::Trimmed)), false)
            }
            Start::After { epoch, seq, .. } if **epoch != *self.epoch => {
                log.seek_oldest(&mut cursor);
                let missed = Missed { after: *seq, next: log.oldest_seq(), count: None };
                (gap(missed, GapReason::Epoch), false)
            }
            Start::After { seq, time_ms, .. } => {
                match log.resume(&mut cursor, Mark { seq: *seq, time_ms: *time_ms }) {
                    Found::Whole => (None, true),
                    Found::Trimmed(missed) => (gap(missed, GapReason::Trimmed), false),
                    Found::Foreign(missed) => (gap(missed, GapReason::Regressed), false),
                }
            }
        };
        (Some(cursor), gap, resumed)
    }

    /// Takes a connection out; whether it was in.
    ///
    /// The caller rises from the [`Audience`](crate::room::Audience) and wakes the room, for the presence event.
    pub fn leave(&self, user_id: &UserId, session: &SessionId) -> bool {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if state.members.get(user_id).is_none_or(|member| member.mailbox.session() != session) {
            return false;
        }
        let Some(Member { mailbox, hidden }) = state.members.remove(user_id) else { return false };
        if let Some(hold) = &mut state.hold {
            hold.leave(mailbox.id());
            self.yield_room(state);
        }
        if !hidden {
            self.announce(state, user_id, session, false);
            state.present -= 1;
        }
        self.count(state);
        true
    }

    /// Tells the members that one came or went, in order with the messages, unless they are too many.
    fn announce(&self, state: &mut State, user_id: &UserId, session: &SessionId, joined: bool) {
        if state.present > state.policy.presence_limit {
            return;
        }
        let (room_id, user_id, session) = (self.name.as_str(), user_id.as_str(), session.as_str());
        let event = match joined {
            true => Event::MemberJoined { room_id, user_id, session },
            false => Event::MemberLeft { room_id, user_id, session },
        };
        let mut frame = BytesMut::new();
        encode_event(&mut frame, None, &event);
        state.log.append_presence(frame.freeze(), state.now_ms);
        self.news.fetch_add(1, Ordering::Release);
    }
}
