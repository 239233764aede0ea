//! What a room with the policy `pause` knows beside its log: where its readers stand, and who waits for
//! them. Nothing leaves such a room before every reader who is there has read it; when it is full of
//! that, a publish is not accepted until the slowest has moved on.
//!
//! A reader moves under the room's lock, so its place is noted there too. Other rooms have none of this.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Published, Room, State};
use crate::id::{ConnectionId, PublishId};
use crate::peer::{Mail, Mailbox};
use crate::room::engine::PublisherId;
use crate::room::log::Keep;
use crate::sync::lock;

/// Readers and waiting publishers of a room that pauses.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Where each reader stands, by its connection: records of the log before it.
    readers: BTreeMap<ConnectionId, u64>,
    /// How many stand at each place.
    places: BTreeMap<u64, usize>,
    /// Publishers that are told when there is room, and for how many bytes.
    waiting: Vec<(Arc<Mailbox>, usize)>,
    /// The oldest place when it was last found to hold others up, and since when it does.
    since: Option<(u64, u64)>,
    /// Bytes that must not leave, as the home has counted them.
    counted: usize,
}

impl Hold {
    /// That of a room which begins to pause. Where its members stand shows when they next read: what
    /// they lag behind now is not held for them, what comes from now on is.
    pub(super) fn of(state: &State) -> Self {
        let mut hold = Self::default();
        let hearing = state.members.values().filter(|member| !member.hidden);
        hearing.for_each(|member| hold.enter(member.mailbox.id(), state.log.count()));
        hold
    }

    /// A reader begins at a place.
    pub(super) fn enter(&mut self, who: ConnectionId, place: u64) {
        self.leave(who);
        self.readers.insert(who, place);
        *self.places.entry(place).or_default() += 1;
    }

    /// A reader leaves.
    pub(super) fn leave(&mut self, who: ConnectionId) {
        let Some(place) = self.readers.remove(&who) else { return };
        if let Some(count) = self.places.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.places.remove(&place);
            }
        }
    }

    /// A reader has moved. One that has left no longer counts.
    pub(super) fn handle_read(&mut self, who: ConnectionId, place: u64) {
        if self.readers.get(&who).is_some_and(|&known| known != place) {
            self.enter(who, place);
        }
    }

    /// Where the slowest reader stands; beyond everything if there is none.
    fn oldest(&self) -> u64 {
        self.places.first_key_value().map_or(u64::MAX, |(&place, _)| place)
    }

    /// Whether somebody has been held up for `pause_ms` by readers who stood still all the while.
    fn is_overdue(&mut self, held_up: bool, now_ms: u64, pause_ms: u64) -> bool {
        let oldest = self.oldest();
        match self.since.filter(|&(place, _)| held_up && place == oldest) {
            Some((_, since)) => now_ms.saturating_sub(since) >= pause_ms,
            None => {
                self.since = held_up.then_some((oldest, now_ms));
                false
            }
        }
    }
}

impl Room {
    /// Has a publisher wait if the room is full of what somebody has yet to read. The server itself does
    /// not wait: it is refused.
    #[cold]
    pub(super) fn hold_up(
        &self,
        state: &mut State,
        mailbox: Option<&Arc<Mailbox>>,
        len: usize,
    ) -> Option<Published> {
        if !self.is_full(state, len) {
            return None;
        }
        let Some(mailbox) = mailbox else { return Some(Published::Refused("paused")) };
        let hold = state.hold.as_mut()?;
        if !hold.waiting.iter().any(|(known, _)| Arc::ptr_eq(known, mailbox)) {
            hold.waiting.push((mailbox.clone(), len));
        }
        Some(Published::Paused)
    }

    /// Whether a publish has to wait: this room may keep no more for its readers, or all together.
    fn is_full(&self, state: &State, len: usize) -> bool {
        let crowded = || state.log.floor() < u64::MAX && self.home.is_crowded();
        state.log.is_full(&state.policy.keep, len) || crowded()
    }

    /// Readers moved, came or went: what they all have read may leave, and who waits for that is told.
    pub(super) fn yield_room(&self, state: &mut State) {
        let Some(hold) = &state.hold else { return };
        let oldest = hold.oldest();
        if oldest != state.log.floor() {
            state.log.hold(oldest);
            self.wake_waiting(state);
        }
    }

    /// Tells those publishers to try again for whom there is room.
    fn wake_waiting(&self, state: &mut State) {
        let waiting = match &mut state.hold {
            Some(hold) if !hold.waiting.is_empty() => std::mem::take(&mut hold.waiting),
            _ => return,
        };
        state.log.trim(&state.policy.keep);
        let (wait, go): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|&(_, len)| self.is_full(state, len));
        if let Some(hold) = &mut state.hold {
            hold.waiting = wait;
        }
        for (mailbox, _) in go {
            mailbox.post(Mail::Room);
        }
    }

    /// Ends what makes the room pause.
    pub(super) fn let_go(&self, state: &mut State) {
        state.log.hold(u64::MAX);
        self.wake_waiting(state);
        self.count_unread(state);
        state.hold = None;
    }

    /// Tells the home how many bytes must not leave.
    #[cold]
    pub(super) fn count_unread(&self, state: &mut State) {
        let Some(hold) = &mut state.hold else { return };
        let unread = state.log.unread_bytes();
        self.home.handle_unread(hold.counted, unread);
        hold.counted = unread;
    }

    /// Closes readers who have held others up for too long without reading anything.
    #[cold]
    pub(super) fn sweep_hold(&self, state: &mut State, now_ms: u64) {
        // Where all together hold too much, nobody else wakes who waits.
        self.wake_waiting(state);
        let pause = self.home.settings().rooms.pause.as_millis();
        let unread = state.log.unread_bytes() > 0;
        let Some(hold) = &mut state.hold else { return };
        hold.waiting.retain(|(mailbox, _)| !mailbox.is_closed());
        let held_up = unread && (!hold.waiting.is_empty() || self.home.is_crowded());
        if !hold.is_overdue(held_up, now_ms, u64::try_from(pause).unwrap_or(u64::MAX)) {
            return;
        }
        let oldest = hold.oldest();
        let still = |who| hold.readers.get(&who) == Some(&oldest);
        for member in state.members.values().filter(|member| still(member.mailbox.id())) {
            member.mailbox.post(Mail::Slow(self.name.clone()));
        }
    }

    /// Keeps what was fed within twice what the room keeps: what an engine has stored cannot be made to
    /// wait. Readers who lose something by it are told.
    #[cold]
    pub(super) fn bound_fed(&self, state: &mut State) {
        let Keep { bytes, count, since_ms } = state.policy.keep;
        let twice =
            Keep { bytes: bytes.saturating_mul(2), count: count.saturating_mul(2), since_ms };
        let floor = state.log.floor();
        state.log.hold(u64::MAX);
        state.log.trim(&twice);
        state.log.hold(floor);
    }

    /// A publisher no longer waits: its publish was refused, and those above it are until it comes again.
    pub fn give_up(&self, publisher: PublisherId, id: PublishId) {
        let mut state = lock(&self.state);
        if let Some(publisher) = state.publishers.get_mut(&publisher) {
            publisher.refuse_from(id);
        }
    }
}
