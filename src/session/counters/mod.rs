//! What a server counts: plain numbers, which balance exactly.

mod reasons;

use std::sync::atomic::{AtomicU64, Ordering};

use reasons::ByWord;
pub use reasons::{Closed, Proxied, Refused};

use crate::session::meter::Metered;

/// Counters of one server since it started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections that ended, by reason.
    closed: ByWord<{ Closed::ALL.len() }>,
    /// Connections that were refused before their handshake, by reason; none of them was accepted.
    refused: ByWord<{ Refused::ALL.len() }>,
    /// Connections that were accepted because limits are on trial, by what would have refused them.
    would_refuse: ByWord<{ Refused::ALL.len() }>,
    /// Connections from load balancers, by how they began.
    proxied: ByWord<{ Proxied::ALL.len() }>,
    /// Publishes that were accepted of nobody's connection: of handlers, and of the embedding program.
    pub published: AtomicU64,
    /// Publishes that had to wait for slow readers of their room.
    pub paused: AtomicU64,
    /// Bytes held of frames that are not whole yet.
    pub unfinished: Pool,
    /// Bytes that were sealed for peers who do not take them.
    pub unsent: Pool,
}

/// Bytes that connections hold together, and how many of them hold any.
#[derive(Debug, Default)]
pub struct Pool {
    bytes: AtomicU64,
    holders: AtomicU64,
}

impl Pool {
    /// All of it.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many connections have a part in it.
    pub fn holders(&self) -> u64 {
        self.holders.load(Ordering::Relaxed)
    }

    /// A connection that held so much `before` holds so much `now`.
    pub fn handle_held(&self, before: u64, now: u64) {
        // First more, then less: no counter ever falls below zero.
        self.bytes.fetch_add(now, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
        if before == 0 && now > 0 {
            self.holders.fetch_add(1, Ordering::Relaxed);
        } else if before > 0 && now == 0 {
            self.holders.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that are open, handshakes included: accepted less closed.
    pub open: u64,
    /// Connections that ended, by reason, in the order of [`Closed::ALL`].
    pub closed: [u64; Closed::ALL.len()],
    /// Connections that were refused before their handshake, by reason, in the order of [`Refused::ALL`];
    /// none of them was accepted.
    pub refused: [u64; Refused::ALL.len()],
    /// Connections that were accepted because limits are on trial (`limits.dry_run`), by what would have
    /// refused them, in the order of [`Refused::ALL`].
    pub would_refuse: [u64; Refused::ALL.len()],
    /// Connections from load balancers (`proxy.from`), by how they began, in the order of
    /// [`Proxied::ALL`]. Those with a header were then accepted or refused.
    pub proxied: [u64; Proxied::ALL.len()],
    /// Publishes that are in a log, whoever made them.
    pub published: u64,
    /// Gaps that subscribers were told.
    pub gaps: u64,
    /// Publishes that had to wait for slow readers of their room.
    pub paused: u64,
    /// Errors that peers were told of.
    pub errors: u64,
    /// Bytes held of frames that are not whole yet.
    pub unfinished: u64,
    /// Bytes that were sealed for peers who do not take them.
    pub unsent: u64,
    /// Connections that take nothing now although they are owed something.
    pub blocked: u64,
}

impl Counters {
    /// A connection ended.
    pub fn handle_closed(&self, why: Closed) {
        self.closed.count(&Closed::ALL, why);
    }

    /// A connection was refused before its handshake.
    pub fn handle_refused(&self, why: Refused) {
        self.refused.count(&Refused::ALL, why);
    }

    /// A connection would have been refused if limits were not on trial.
    pub fn handle_would_refuse(&self, why: Refused) {
        self.would_refuse.count(&Refused::ALL, why);
    }

    /// A connection from a load balancer began.
    pub fn handle_proxied(&self, how: Proxied) {
        self.proxied.count(&Proxied::ALL, how);
    }

    /// What was counted so far, with what the workers' meters did.
    pub(super) fn tally(&self, metered: &Metered, fed: u64) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Closed before accepted: a connection that ends in between is not counted as less than open.
        let closed = self.closed.read();
        let accepted = read(&self.accepted);
        Tally {
            accepted,
            open: accepted.saturating_sub(closed.iter().sum()),
            closed,
            refused: self.refused.read(),
            would_refuse: self.would_refuse.read(),
            proxied: self.proxied.read(),
            published: read(&self.published) + metered.published + fed,
            gaps: metered.gaps.iter().sum(),
            paused: read(&self.paused),
            errors: metered.errors.iter().sum(),
            unfinished: self.unfinished.bytes(),
            unsent: self.unsent.bytes(),
            blocked: self.unsent.holders(),
        }
    }
}
