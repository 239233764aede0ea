//! Keeps one child running: gives it requests, ends it when something is wrong, starts the next.

use std::sync::Arc;

use tokio::time::{sleep, timeout};

use super::Shared;
use super::backoff::Backoff;
use super::child::{Child, Fault};

/// Runs until the pool stops.
pub(super) async fn run(shared: Arc<Shared>, number: usize) {
    let tag = shared.config.tag;
    let mut backoff = Backoff::new();
    while !shared.stop.is_cancelled() {
        match Child::start(&shared.config).await {
            Ok(mut child) => {
                let pid = child.pid();
                let fault = serve(&shared, number, &mut child, &mut backoff).await;
                let status = child.end(fault.grace()).await.map(tracing::field::display);
                if fault == Fault::Stopped {
                    tracing::debug!(target: "tagwire::process", %tag, pid, status, "stopped");
                    return;
                }
                let why = "the process is replaced";
                tracing::warn!(target: "tagwire::process", %tag, pid, %fault, status, "{why}");
            }
            Err(error) => {
                let command = &shared.config.command;
                let why = "the process cannot be started";
                tracing::warn!(target: "tagwire::process", %tag, ?command, %error, "{why}");
            }
        }
        shared.stop.run_until_cancelled(sleep(backoff.next())).await;
    }
}

/// Gives a child requests until it must be ended.
async fn serve(shared: &Shared, number: usize, child: &mut Child, backoff: &mut Backoff) -> Fault {
    loop {
        let mut offer = shared.seats.offer(number);
        let job = tokio::select! {
            // In this order: a child that has ended is given nothing.
            biased;
            fault = child.idle() => return fault,
            () = shared.stop.cancelled() => return Fault::Stopped,
            job = offer.taken() => job,
        };
        drop(offer);
        // Nobody waits any longer for a reply that is closed: the request has not been begun.
        let Some(job) = job.filter(|job| !job.reply.is_closed()) else { continue };
        let call = child.call(shared.config.tag, &job.payload);
        let answered = tokio::select! {
            answered = timeout(shared.config.timeout, call) => answered,
            () = stopped(shared) => Ok(Err(Fault::Stopped)),
        };
        match answered.unwrap_or(Err(Fault::TimedOut)) {
            Ok(reply) => {
                backoff.reset();
                let _ = job.reply.send(reply);
            }
            Err(fault) => {
                let _ = job.reply.send(Err(fault.error()));
                return fault;
            }
        }
    }
}

/// The pool has stopped, and the request that was under way has had its time.
async fn stopped(shared: &Shared) {
    shared.stop.cancelled().await;
    sleep(Fault::Stopped.grace()).await;
}
