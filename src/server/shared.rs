//! What the threads of a server share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use slab::Slab;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::id::ConnectionId;
use crate::peer::Mailbox;
use crate::room::WorkerId;
use crate::router::Router;
use crate::session::{Closed, Node};
use crate::sync::lock;
use crate::tls::ServerTls;

/// What the threads of a server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) node: Arc<Node>,
    pub(super) router: Arc<Router>,
    pub(super) tls: ServerTls,
    /// Connections that each worker drives, handshakes included.
    pub(super) loads: Box<[AtomicUsize]>,
    /// Handshakes whose cryptography may be under way.
    pub(super) handshakes: Semaphore,
    /// Everyone who is connected, to be told of the end.
    peers: Mutex<Slab<Arc<Mailbox>>>,
    /// The server is to end.
    pub(super) stop: CancellationToken,
}

impl Shared {
    pub(super) fn new(node: Node, router: Router, tls: ServerTls, workers: usize) -> Self {
        let handshakes = Semaphore::new(node.settings().limits.handshakes);
        Self {
            node: Arc::new(node),
            router: Arc::new(router),
            tls,
            loads: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            handshakes,
            peers: Mutex::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Connections in all.
    pub(super) fn open(&self) -> usize {
        self.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }

    /// Enters a connection that is about to be served, until the visit is dropped.
    pub(super) fn enter(self: &Arc<Self>, mailbox: Arc<Mailbox>) -> Visit {
        let key = lock(&self.peers).insert(mailbox);
        Visit { shared: self.clone(), key }
    }

    /// Everyone who is connected and has a higher number, in any order.
    pub(super) fn peers_after(&self, after: ConnectionId) -> Vec<Arc<Mailbox>> {
        let peers = lock(&self.peers);
        let later = peers.iter().map(|(_, mailbox)| mailbox).filter(|mailbox| mailbox.id() > after);
        later.cloned().collect()
    }

    /// Everyone who is connected.
    pub(super) fn peers(&self) -> Vec<Arc<Mailbox>> {
        lock(&self.peers).iter().map(|(_, mailbox)| mailbox.clone()).collect()
    }
}

/// A connection's place among those who are told of the end.
#[derive(Debug)]
pub(super) struct Visit {
    shared: Arc<Shared>,
    key: usize,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut peers = lock(&self.shared.peers);
        peers.try_remove(self.key);
        if peers.is_empty() {
            *peers = Slab::new();
        }
    }
}

/// A connection's place among its worker's: counted from accept until it is dropped, so that what was
/// accepted is open or closed once, whatever happens to it in between.
#[derive(Debug)]
pub(super) struct Slot {
    shared: Arc<Shared>,
    worker: WorkerId,
    /// How it ended, or would if it were dropped now: before a worker has it, because the server ends.
    why: Closed,
}

impl Slot {
    /// Takes a place on the least busy worker.
    pub(super) fn take(shared: &Arc<Shared>) -> Self {
        let loads = shared.loads.iter().map(|load| load.load(Ordering::Relaxed));
        let worker = loads.enumerate().min_by_key(|&(_, load)| load).map_or(0, |(i, _)| i);
        if let Some(load) = shared.loads.get(worker) {
            load.fetch_add(1, Ordering::Relaxed);
        }
        shared.node.counters().accepted.fetch_add(1, Ordering::Relaxed);
        Self { shared: shared.clone(), worker: WorkerId(worker), why: Closed::Drained }
    }

    /// Says how the connection ends.
    pub(super) fn ends(&mut self, why: Closed) {
        self.why = why;
    }

    pub(super) fn worker(&self) -> WorkerId {
        self.worker
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.node.counters().handle_closed(self.why);
        if let Some(load) = self.shared.loads.get(self.worker.0) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
