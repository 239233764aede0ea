//! One worker: a future that drives the connections that it is handed, for all their lives.
//!
//! [`Server`](crate::Server) gives each a thread with a `current_thread` runtime; a simulation runs one
//! in place.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::task::TaskTracker;

use crate::room::WorkerId;
use crate::server::accept::Accepted;
use crate::server::shared::Shared;
use crate::server::{drain, serve};
use crate::sync::wall_ms;

/// How often what time asks for is done.
const SWEEP: Duration = Duration::from_secs(1);
/// How long connections may take to say goodbye after the drain.
const LAST_GOODBYES: Duration = Duration::from_secs(2);

/// A worker's runtime.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Drives connections until the server is to end, and then until they have ended.
pub(super) async fn run(
    worker: WorkerId,
    shared: Arc<Shared>,
    mut arrivals: UnboundedReceiver<Accepted>,
) {
    let connections = TaskTracker::new();
    let (node, stop) = (shared.node.clone(), shared.stop.clone());
    let news = tokio::spawn(async move {
        if let Some(doorbell) = node.rooms().doorbell(worker) {
            doorbell.answer(worker).await;
        }
    });
    // One worker sweeps for all.
    let sweep = (worker == WorkerId(0)).then(|| tokio::spawn(sweep(shared.clone())));
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some(accepted) => {
                    let begin = serve::begin(accepted, shared.clone(), connections.clone());
                    connections.spawn(begin);
                }
                None => break,
            },
            () = stop.cancelled() => break,
        }
    }
    arrivals.close();
    connections.close();
    if worker == WorkerId(0) {
        drain::tell_everyone(&shared);
    }
    tokio::select! {
        () = connections.wait() => {}
        () = sleep(shared.node.settings().timeouts.drain) => {
            drain::end_everyone(&shared);
            tokio::select! {
                () = connections.wait() => {}
                () = sleep(LAST_GOODBYES) => {}
            }
        }
    }
    news.abort();
    if let Some(sweep) = sweep {
        sweep.abort();
    }
}

async fn sweep(shared: Arc<Shared>) {
    let mut tick = interval(SWEEP);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        shared.node.sweep(wall_ms());
    }
}
