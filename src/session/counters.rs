//! What a server counts: plain numbers, which balance exactly.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::session::meter::Metered;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// The peer said goodbye (`close_notify`).
    ByPeer,
    /// The peer's bytes ended without a goodbye: somebody may have cut them.
    Truncated,
    /// The socket failed, by a reset for example.
    Broken,
    /// The peer broke the protocol and was told so.
    Refused,
    /// The peer was silent or slow.
    Idle,
    /// The TLS handshake failed or took too long.
    Handshake,
    /// The server ends.
    Drained,
    /// Somebody had it end.
    Kicked,
}

impl Closed {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 8] = [
        Self::ByPeer,
        Self::Truncated,
        Self::Broken,
        Self::Refused,
        Self::Idle,
        Self::Handshake,
        Self::Drained,
        Self::Kicked,
    ];

    /// The word for it in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByPeer => "by_peer",
            Self::Truncated => "truncated",
            Self::Broken => "broken",
            Self::Refused => "refused",
            Self::Idle => "idle",
            Self::Handshake => "handshake",
            Self::Drained => "drained",
            Self::Kicked => "kicked",
        }
    }
}

/// Counters of one server since it started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections that ended, by reason, in the order of [`Closed::ALL`].
    closed: [AtomicU64; Closed::ALL.len()],
    /// Connections that were refused before their handshake.
    pub refused: AtomicU64,
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
    /// Connections that were refused before their handshake.
    pub refused: u64,
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
        let index = Closed::ALL.iter().position(|&known| known == why).unwrap_or_default();
        self.closed[index].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far, with what the workers' meters did.
    pub(super) fn tally(&self, metered: &Metered, fed: u64) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Closed before accepted: a connection that ends in between is not counted as less than open.
        let closed = std::array::from_fn(|i| read(&self.closed[i]));
        let accepted = read(&self.accepted);
        Tally {
            accepted,
            open: accepted.saturating_sub(closed.iter().sum()),
            closed,
            refused: read(&self.refused),
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
