//! A connection's part of what all connections together hold: given back when it ends, however it ends.

use std::fmt;
use std::sync::Arc;

use crate::session::{Counters, Node, Pool};

/// A connection's part of a pool of bytes.
pub(super) struct Share {
    node: Arc<Node>,
    pool: fn(&Counters) -> &Pool,
    bytes: u64,
}

impl Share {
    /// No part yet.
    pub(super) fn new(node: Arc<Node>, pool: fn(&Counters) -> &Pool) -> Self {
        Self { node, pool, bytes: 0 }
    }

    /// How large it is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What all connections hold.
    pub(super) fn all(&self) -> u64 {
        (self.pool)(self.node.counters()).bytes()
    }

    /// Makes it so large.
    pub(super) fn set(&mut self, bytes: u64) {
        if bytes == self.bytes {
            return;
        }
        (self.pool)(self.node.counters()).handle_held(self.bytes, bytes);
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
