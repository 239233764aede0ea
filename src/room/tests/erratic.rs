//! An engine that answers late, in a strange order, or not at all, by hand or by seed: what a disk or a
//! cluster may do and memory never does.
//!
//! It keeps the engine's contract: each room has one order of its own, and the order of one publisher in
//! one room is kept; between publishers and between rooms everything may change places. Its numbers have
//! holes, and `prev` tells.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::id::{Seq, UserId};
use crate::room::{Engine, Record, Room, Stamp, Submission, Submitted, Ticket};
use crate::sync::lock;

/// A publish that waits for its fate.
#[derive(Debug)]
struct Held {
    room: Arc<Room>,
    ticket: Ticket,
    user_id: UserId,
    body: Vec<u8>,
    now_ms: u64,
}

#[derive(Debug, Default)]
struct Inner {
    held: Vec<Held>,
    /// The last number and time of each room, by its name.
    last: BTreeMap<String, (Seq, u64)>,
    /// If set, `submit` refuses with it.
    down: Option<&'static str>,
    random: u64,
}

/// The engine, and the hand that drives it: clones are the same engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Erratic(Arc<Mutex<Inner>>);

impl Erratic {
    pub(crate) fn new(seed: u64) -> Self {
        let engine = Self::default();
        lock(&engine.0).random = seed.wrapping_mul(2).wrapping_add(1);
        engine
    }

    /// Refuses everything that comes, for this reason, or takes it again.
    pub(crate) fn set_down(&self, reason: Option<&'static str>) {
        lock(&self.0).down = reason;
    }

    /// How many wait.
    pub(crate) fn held(&self) -> usize {
        lock(&self.0).held.len()
    }

    /// A number below `end`.
    pub(crate) fn random(&self, end: usize) -> usize {
        let mut inner = lock(&self.0);
        inner.random = inner.random.wrapping_mul(6364136223846793005).wrapping_add(1);
        (inner.random >> 33) as usize % end
    }

    /// Takes out one that may be decided next, the oldest of its publisher and room.
    fn take(&self) -> Option<Held> {
        let held = self.held();
        let pick = if held == 0 { return None } else { self.random(held) };
        let mut inner = lock(&self.0);
        let same = |a: &Held, b: &Held| {
            a.ticket.publisher == b.ticket.publisher && Arc::ptr_eq(&a.room, &b.room)
        };
        let oldest = inner.held.iter().position(|other| same(other, &inner.held[pick]))?;
        Some(inner.held.remove(oldest))
    }

    /// Stores one of those that wait; whether there was one.
    pub(crate) fn store(&self) -> bool {
        let Some(held) = self.take() else { return false };
        let hole = 1 + self.random(3) as u64;
        let stamp = {
            let mut inner = lock(&self.0);
            let (last, time_ms) = inner.last.entry(held.room.name().to_string()).or_default();
            let stamp =
                Stamp { seq: Seq(last.0 + hole), prev: *last, time_ms: held.now_ms.max(*time_ms) };
            (*last, *time_ms) = (stamp.seq, stamp.time_ms);
            stamp
        };
        // Not under its own lock: the room takes its own, and calls `submit` under that.
        let (ticket, user_id, body) = (Some(&held.ticket), &held.user_id, &held.body[..]);
        held.room.feed(&Record { stamp, ticket, user_id, body });
        true
    }

    /// Refuses one of those that wait, and with it all later ones of its publisher and room.
    pub(crate) fn refuse(&self, reason: &'static str) -> bool {
        let Some(first) = self.take() else { return false };
        let held = std::mem::take(&mut lock(&self.0).held);
        let (later, others) = held.into_iter().partition(|other: &Held| {
            other.ticket.publisher == first.ticket.publisher
                && Arc::ptr_eq(&other.room, &first.room)
        });
        lock(&self.0).held = others;
        let later: Vec<Held> = later;
        for refused in std::iter::once(first).chain(later) {
            refused.room.refuse(&refused.ticket, reason);
        }
        true
    }

    /// Stores all that wait, in some order.
    pub(crate) fn settle(&self) {
        while self.store() {}
    }
}

impl Engine for Erratic {
    fn submit(&self, submission: Submission<'_>) -> Submitted {
        let mut inner = lock(&self.0);
        if let Some(reason) = inner.down {
            return Submitted::Refused(reason);
        }
        let Submission { room, ticket, user_id, body, now_ms, .. } = submission;
        let same = |held: &&Held| {
            held.ticket.publisher == ticket.publisher && Arc::ptr_eq(&held.room, room)
        };
        // What it holds already, it does not take twice.
        let known =
            |held: &Held| ticket.publish_id.0 != 0 && held.ticket.publish_id == ticket.publish_id;
        if !inner.held.iter().filter(same).any(known) {
            let (room, user_id, body) = (room.clone(), user_id.clone(), body.to_vec());
            inner.held.push(Held { room, ticket, user_id, body, now_ms });
        }
        Submitted::Later
    }
}
