//! What the threads of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::room::WorkerId;
use crate::router::Router;
use crate::server::admission::{Admission, Stay};
use crate::server::guests::Guests;
use crate::server::handshakes::Handshakes;
use crate::session::{Closed, Node};
use crate::tls::ServerTls;

/// How long who is between two states when the drain begins, in a handshake for example, still gets.
const GRACE: Duration = Duration::from_secs(1);

/// What the threads of a server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) node: Arc<Node>,
    pub(super) router: Arc<Router>,
    /// What the next handshake shows.
    pub(super) tls: ArcSwap<ServerTls>,
    /// Connections that each worker drives, handshakes included.
    pub(super) loads: Box<[AtomicUsize]>,
    pub(super) admission: Admission,
    pub(super) handshakes: Handshakes,
    /// Everyone who is connected, to be told of the end.
    pub(super) guests: Arc<Guests>,
    /// Every connection from accept on, to wait for the last one.
    pub(super) connections: TaskTracker,
    /// The server is to end.
    pub(super) draining: CancellationToken,
    /// Nobody is left, or nobody is waited for any longer.
    pub(super) ended: CancellationToken,
}

impl Shared {
    pub(super) fn new(node: Node, router: Router, tls: ServerTls, workers: usize) -> Self {
        Self {
            node: Arc::new(node),
            router: Arc::new(router),
            tls: ArcSwap::from_pointee(tls),
            loads: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            admission: Admission::default(),
            handshakes: Handshakes::new(workers),
            guests: Arc::default(),
            connections: TaskTracker::new(),
            draining: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Connections in all.
    pub(super) fn open(&self) -> usize {
        self.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }

    /// Whether the server is about to end, or has ended.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Ready a moment after the drain began: so long may take what nobody is told of yet.
    pub(super) async fn grace(&self) {
        self.draining.cancelled().await;
        sleep(GRACE).await;
    }
}

/// A connection's places, from accept until this is dropped: among its worker's, and once it is let in,
/// among its source's and among those that are open. What was let in is closed once, whatever happens to
/// it in between.
#[derive(Debug)]
pub(super) struct Slot {
    shared: Arc<Shared>,
    worker: WorkerId,
    stay: Option<Stay>,
    /// How it ended, or would if it were dropped now: before a worker has it, because the server ends.
    /// `None` until it is let in.
    why: Option<Closed>,
    _waited_for: TaskTrackerToken,
}

impl Slot {
    /// Takes a place on the least busy worker.
    pub(super) fn take(shared: &Arc<Shared>) -> Self {
        let loads = shared.loads.iter().map(|load| load.load(Ordering::Relaxed));
        let worker = loads.enumerate().min_by_key(|&(_, load)| load).map_or(0, |(i, _)| i);
        if let Some(load) = shared.loads.get(worker) {
            load.fetch_add(1, Ordering::Relaxed);
        }
        let (shared, _waited_for) = (shared.clone(), shared.connections.token());
        Self { shared, worker: WorkerId(worker), stay: None, why: None, _waited_for }
    }

    /// The connection is let in, with a place among its source's if they are counted.
    pub(super) fn let_in(&mut self, stay: Option<Stay>) {
        self.shared.node.counters().accepted.fetch_add(1, Ordering::Relaxed);
        self.stay = stay;
        self.why = Some(Closed::Drained);
    }

    /// Says how the connection ends, which was let in.
    pub(super) fn ends(&mut self, why: Closed) {
        self.why = Some(why);
    }

    pub(super) fn worker(&self) -> WorkerId {
        self.worker
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(load) = self.shared.loads.get(self.worker.0) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
        self.stay = None;
        // Last: who sees that it is closed finds its places free.
        if let Some(why) = self.why {
            self.shared.node.counters().handle_closed(why);
        }
    }
}
