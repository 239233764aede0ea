//! A connection's part of what all connections together hold: given back when it ends, however it ends.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::session::{Counters, Node};

/// A connection's part of a counter of bytes.
pub(super) struct Share {
    node: Arc<Node>,
    counter: fn(&Counters) -> &AtomicU64,
    bytes: u64,
}

impl Share {
    /// No part yet.
    pub(super) fn new(node: Arc<Node>, counter: fn(&Counters) -> &AtomicU64) -> Self {
        Self { node, counter, bytes: 0 }
    }

    /// How large it is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What all connections hold.
    pub(super) fn all(&self) -> u64 {
        (self.counter)(self.node.counters()).load(Ordering::Relaxed)
    }

    /// Makes it so large.
    pub(super) fn set(&mut self, bytes: u64) {
        if bytes == self.bytes {
            return;
        }
        let all = (self.counter)(self.node.counters());
        // First more, then less: the counter never falls below zero.
        all.fetch_add(bytes, Ordering::Relaxed);
        all.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Share").field(&self.bytes).finish()
    }
}
