//! What a server counts: plain numbers, which balance exactly.

use std::sync::atomic::{AtomicU64, Ordering};

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
}

impl Closed {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 7] = [
        Self::ByPeer,
        Self::Truncated,
        Self::Broken,
        Self::Refused,
        Self::Idle,
        Self::Handshake,
        Self::Drained,
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
    /// Publishes that were accepted.
    pub published: AtomicU64,
    /// Gaps that subscribers were told.
    pub gaps: AtomicU64,
    /// Frames that were not understood or not allowed.
    pub errors: AtomicU64,
    /// Bytes held of frames that are not whole yet.
    pub unfinished: AtomicU64,
    /// Bytes that were sealed for peers who do not take them.
    pub unsent: AtomicU64,
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
    /// Publishes that were accepted.
    pub published: u64,
    /// Gaps that subscribers were told.
    pub gaps: u64,
    /// Frames that were not understood or not allowed.
    pub errors: u64,
    /// Bytes held of frames that are not whole yet.
    pub unfinished: u64,
    /// Bytes that were sealed for peers who do not take them.
    pub unsent: u64,
}

impl Counters {
    /// A connection ended.
    pub fn handle_closed(&self, why: Closed) {
        let index = Closed::ALL.iter().position(|&known| known == why).unwrap_or_default();
        self.closed[index].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Closed before accepted: a connection that ends in between is not counted as less than open.
        let closed = std::array::from_fn(|i| read(&self.closed[i]));
        let accepted = read(&self.accepted);
        Tally {
            accepted,
            open: accepted.saturating_sub(closed.iter().sum()),
            closed,
            refused: read(&self.refused),
            published: read(&self.published),
            gaps: read(&self.gaps),
            errors: read(&self.errors),
            unfinished: read(&self.unfinished),
            unsent: read(&self.unsent),
        }
    }
}
