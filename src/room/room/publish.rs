//! What comes into a room: from its members, through the engine, into the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Room, State};
use crate::id::{ConnectionId, PublishId, Seq, UserId};
use crate::peer::{Mail, Mailbox};
use crate::room::engine::{PublisherId, Stamp, Submission, Submitted, Ticket};
use crate::room::publisher::{Publisher, Verdict};
use crate::sync::lock;
use crate::wire::RecordHead;

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is in the log: the number and record to acknowledge.
    Stored(PublishId, Seq),
    /// It was in the log already: the number and record to acknowledge.
    Known(PublishId, Seq),
    /// The engine's answer comes by mail.
    Later,
    /// It is not accepted yet: readers have to catch up. The publisher waits, and tries again when it gets
    /// [`Mail::Room`].
    Paused,
    /// It was not taken; a reason for programs.
    Refused(&'static str),
}

/// A stored record, as an engine feeds it to a room.
#[derive(Debug)]
pub struct Record<'a> {
    /// Its number, the one before it, its time.
    pub stamp: Stamp,
    /// What the room gave the engine with it; `None` for a record of another node.
    pub ticket: Option<&'a Ticket>,
    /// Who sent it.
    pub user_id: &'a UserId,
    /// The body.
    pub body: &'a [u8],
}

impl Room {
    /// Publishes a body; the caller wakes the room, once for all that it publishes. It is in the room:
    /// then the room stays.
    pub fn publish(
        self: &Arc<Self>,
        mailbox: Option<&Arc<Mailbox>>,
        ticket: Ticket,
        user_id: &UserId,
        body: &[u8],
        now_ms: u64,
    ) -> Published {
        let published = self.try_publish(mailbox, ticket, user_id, body, now_ms);
        published.unwrap_or(Published::Refused("room_gone"))
    }

    /// Publishes a body, or returns `None` if the room was freed meanwhile: look it up again.
    pub(in crate::room) fn try_publish(
        self: &Arc<Self>,
        mailbox: Option<&Arc<Mailbox>>,
        ticket: Ticket,
        user_id: &UserId,
        body: &[u8],
        now_ms: u64,
    ) -> Option<Published> {
        let (id, publisher) = (ticket.publish_id, ticket.publisher);
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if state.gone {
            return None;
        }
        state.now_ms = state.now_ms.max(now_ms);
        if id.0 != 0 {
            match state.publisher(publisher, mailbox).handle_publish(id, now_ms) {
                Verdict::New => {}
                Verdict::Known(id, seq) => return Some(Published::Known(id, seq)),
                Verdict::Underway => return Some(Published::Later),
                Verdict::Refused(reason) => return Some(Published::Refused(reason)),
            }
        } else if state.waiting && !state.publisher(publisher, mailbox).has_room() {
            return Some(Published::Refused("too_many_in_flight"));
        }
        self.settle(state);
        if state.hold.is_some()
            && let Some(paused) = self.hold_up(state, mailbox, body.len())
        {
            return Some(paused);
        }
        let last = state.log.last();
        let submission = Submission { room: self, ticket, user_id, body, last, now_ms };
        Some(match self.home.config.engine.submit(submission) {
            Submitted::Stored(stamp) => {
                let record = Record { stamp, ticket: Some(&ticket), user_id, body };
                self.admit(state, &record);
                Published::Stored(id, stamp.seq)
            }
            Submitted::Later => {
                state.publisher(publisher, mailbox).handle_submitted(id, now_ms);
                state.waiting = true;
                self.count(state);
                Published::Later
            }
            Submitted::Refused(reason) => {
                if id.0 != 0 {
                    state.publisher(publisher, mailbox).refuse_from(id);
                    self.count(state);
                }
                Published::Refused(reason)
            }
        })
    }

    /// The one function that lets a record into a room; whom to tell.
    fn admit(&self, state: &mut State, record: &Record<'_>) -> Option<Arc<Mailbox>> {
        let Record { stamp, ticket, user_id, body } = record;
        let head = RecordHead {
            channel: self.channel,
            seq: stamp.seq,
            prev: stamp.prev,
            time_ms: stamp.time_ms,
            user_id: user_id.as_str(),
            body_len: body.len(),
        };
        let source = ticket.map_or(ConnectionId(0), |ticket| ticket.connection);
        state.log.append(&head, body, source);
        state.log.trim(&state.policy.keep);
        self.news.fetch_add(1, Ordering::Release);
        let mut awaiting = None;
        if let Some(ticket) = ticket.filter(|ticket| ticket.publish_id.0 != 0 || state.waiting)
            && let Some(publisher) = state.publishers.get_mut(&ticket.publisher)
            && publisher.handle_stored(ticket.publish_id, stamp.seq)
        {
            awaiting.clone_from(&publisher.mailbox);
        }
        self.count(state);
        awaiting
    }

    /// Takes a record that an engine has stored, acknowledges it to its publisher, and wakes the room.
    ///
    /// An engine must not call it within [`Engine::submit`](crate::room::Engine::submit), and holds no
    /// lock that `submit` takes. After a refusal, or after the room gave the engine up, a record is still
    /// admitted, but not acknowledged: its publisher was given its final answer, and learns when it
    /// publishes it again.
    pub fn feed(self: &Arc<Self>, record: &Record<'_>) {
        let mut guard = lock(&self.state);
        if guard.gone {
            return;
        }
        self.settle(&mut guard);
        let awaiting = self.admit(&mut guard, record);
        if record.ticket.is_some() {
            self.home.fed.fetch_add(1, Ordering::Relaxed);
        }
        if guard.hold.is_some() {
            self.bound_fed(&mut guard);
        }
        if let (Some(mailbox), Some(ticket)) = (awaiting, record.ticket) {
            let (room, publish_id) = (self.name.clone(), ticket.publish_id);
            mailbox.post(Mail::Ack { room, publish_id, seq: record.stamp.seq });
        }
        drop(guard);
        self.wake(None);
    }

    /// Tells a publisher that an engine did not take its publish, nor any numbered one after it.
    pub fn refuse(&self, ticket: &Ticket, reason: &'static str) {
        let mut state = lock(&self.state);
        let Some(publisher) = state.publishers.get_mut(&ticket.publisher) else { return };
        self.tell_refused(publisher, ticket.publish_id, reason);
    }

    pub(super) fn tell_refused(
        &self,
        publisher: &mut Publisher,
        from: PublishId,
        reason: &'static str,
    ) {
        let refused = publisher.handle_refused(from);
        let Some(mailbox) = &publisher.mailbox else { return };
        for publish_id in refused {
            let (room, channel) = (self.name.clone(), self.channel);
            mailbox.post(Mail::Refused { room, channel, publish_id, reason });
        }
    }
}

impl State {
    fn publisher(&mut self, id: PublisherId, mailbox: Option<&Arc<Mailbox>>) -> &mut Publisher {
        let publisher = self.publishers.entry(id).or_insert_with(|| {
            let nameless = mailbox.is_none_or(|mailbox| mailbox.id().0 == id.0);
            Publisher::new(mailbox.cloned(), nameless)
        });
        // A client that came back is told on its new connection.
        if let Some(mailbox) = mailbox
            && publisher.mailbox.as_ref().is_none_or(|known| !Arc::ptr_eq(known, mailbox))
        {
            publisher.mailbox = Some(mailbox.clone());
        }
        publisher
    }
}
