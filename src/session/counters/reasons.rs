//! The words that things are counted under: fixed, so that they can be labels of a metric.

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

/// Why a connection was refused before its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// There are `limits.connections`.
    Connections,
    /// Its source has `limits.connections_per_ip`.
    ConnectionsPerIp,
    /// This second has `limits.accepts_per_second`.
    AcceptsPerSecond,
    /// This second has `limits.accepts_per_second_per_ip` of its source.
    AcceptsPerSecondPerIp,
    /// The process, or the machine, has no file descriptor left.
    Descriptors,
    /// The server is about to end.
    Draining,
}

impl Refused {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 6] = [
        Self::Connections,
        Self::ConnectionsPerIp,
        Self::AcceptsPerSecond,
        Self::AcceptsPerSecondPerIp,
        Self::Descriptors,
        Self::Draining,
    ];

    /// The word for it in logs and metrics: the last part of the key that bounds it, where one does.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerIp => "connections_per_ip",
            Self::AcceptsPerSecond => "accepts_per_second",
            Self::AcceptsPerSecondPerIp => "accepts_per_second_per_ip",
            Self::Descriptors => "descriptors",
            Self::Draining => "draining",
        }
    }
}

/// How a connection from a load balancer of `proxy.from` began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proxied {
    /// With a header that names the real peer.
    Address,
    /// With a header of the balancer's own (`LOCAL`, `UNKNOWN`): a health check.
    Local,
    /// With nothing: it was closed again, as some health checks are.
    Absent,
    /// With something else, or a header that is damaged or too long.
    Malformed,
    /// With no whole header within `timeouts.handshake`.
    Late,
}

impl Proxied {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 5] =
        [Self::Address, Self::Local, Self::Absent, Self::Malformed, Self::Late];

    /// The word for it in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Local => "local",
            Self::Absent => "absent",
            Self::Malformed => "malformed",
            Self::Late => "late",
        }
    }
}

/// A counter for each of `N` words.
#[derive(Debug)]
pub(super) struct ByWord<const N: usize>([AtomicU64; N]);

impl<const N: usize> ByWord<N> {
    /// Counts one; `all` are the words in the order of the counters.
    pub(super) fn count<W: Copy + PartialEq>(&self, all: &[W; N], word: W) {
        let counter = self.0.iter().zip(all).find(|(_, known)| **known == word);
        if let Some((counter, _)) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted so far.
    pub(super) fn read(&self) -> [u64; N] {
        std::array::from_fn(|i| self.0[i].load(Ordering::Relaxed))
    }
}

impl<const N: usize> Default for ByWord<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}
