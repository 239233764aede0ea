//! One worker: a future that drives the connections that it is handed, for all their lives.
//!
//! [`Server`](crate::Server) gives each a thread with a `current_thread` runtime; a simulation runs one
//! in place.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval};

use crate::room::WorkerId;
use crate::server::accept::Accepted;
use crate::server::shared::Shared;
use crate::server::{drain, serve};
use crate::sync::wall_ms;

/// How often what time asks for is done.
const SWEEP: Duration = Duration::from_secs(1);

/// A worker's runtime.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Drives connections until the server has ended.
pub(super) async fn run(
    worker: WorkerId,
    shared: Arc<Shared>,
    mut arrivals: UnboundedReceiver<Accepted>,
) {
    let node = shared.node.clone();
    let news = tokio::spawn(async move {
        if let Some(doorbell) = node.rooms().doorbell(worker) {
            doorbell.answer(worker).await;
        }
    });
    // One worker sweeps for all, and leads all to the end.
    let sweep = (worker == WorkerId(0)).then(|| tokio::spawn(sweep(shared.clone())));
    if worker == WorkerId(0) {
        tokio::spawn(drain::conduct(shared.clone()));
    }
    let serve = async {
        while let Some(accepted) = arrivals.recv().await {
            tokio::spawn(serve::begin(accepted, shared.clone()));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serve => {}
        () = shared.ended.cancelled() => {}
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
        shared.admission.sweep();
    }
}
