//! A pool of processes as a handler: work in any language, apart from the server (docs/protocol.md,
//! section 10).
//!
//! ```text
//! command  whether there is such a program, before anything is started
//! seats    children that are ready for a request, and who waits for one
//! worker   keeps one child running: gives it requests, ends it, starts the next
//! child    one process: frames in and out
//! stderr   what it says on standard error, line by line
//! backoff  how long a worker waits before the next start
//! ```
//!
//! A request holds its own payload and waits itself; whoever is dropped leaves nothing behind. Only the
//! worker touches its child.

mod backoff;
mod child;
mod command;
mod seats;
mod stderr;
#[cfg(test)]
mod tests;
mod worker;

use std::fmt;
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout_at;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use command::ProcessError;

use crate::handler::{Context, Handler, HandlerError};
use crate::sync::now;
use crate::wire::Tag;
use seats::{Job, Seats};

/// What a pool of processes runs, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessConfig {
    /// The program and its arguments; run without a shell.
    pub command: Vec<String>,
    /// How many processes; at least one.
    pub workers: usize,
    /// How long a request may wait for a process, and then how long that may take to answer.
    pub timeout: Duration,
    /// Bytes of a request; an answer may be 1 KiB longer.
    pub max_frame: u32,
    /// The tag that the processes are told.
    pub tag: Tag,
    /// Requests that may wait while every process is busy.
    pub queue: usize,
}

impl ProcessConfig {
    /// This command for this tag: one process, 10 s, 1 MiB, and 64 requests that wait.
    pub fn new(tag: Tag, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            workers: 1,
            timeout: Duration::from_secs(10),
            max_frame: 1 << 20,
            tag,
            queue: 64,
        }
    }
}

/// The longest timeout; more is cut down to it. A year: a point in time that every clock can express.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A pool of processes as a handler.
///
/// Each process gets one request at a time. One that breaks the protocol, ends, or does not answer in
/// time is killed and replaced, after 10 ms, then twice as long each time up to 5 s, until one answers;
/// the others go on. Who waits for a process longer than the timeout is [`HandlerError::Busy`], as is
/// who finds the queue full.
///
/// A request that is dropped once a process has it is answered to nobody: the process may finish it
/// first, for else a peer that hangs up in the middle of requests would have processes restarted as
/// fast as it likes.
///
/// Clones are the same pool. When the last is dropped, each process finds the end of its standard
/// input and has 2 s to exit; [`ProcessPool::stop`] does the same and waits.
#[derive(Clone)]
pub struct ProcessPool(Arc<Pool>);

struct Pool {
    shared: Arc<Shared>,
    started: Once,
    workers: TaskTracker,
    /// The workers do not hold the pool, so that it can be dropped.
    _stop: DropGuard,
}

/// What requests and workers share.
struct Shared {
    config: ProcessConfig,
    /// One for each request that waits or is answered.
    admitted: Semaphore,
    seats: Seats,
    stop: CancellationToken,
}

impl ProcessPool {
    /// A pool that has not been started.
    ///
    /// # Errors
    ///
    /// Returns a [`ProcessError`] if there is no such program, or it cannot be run.
    pub fn new(mut config: ProcessConfig) -> Result<Self, ProcessError> {
        command::check(&config.command)?;
        config.workers = config.workers.clamp(1, Semaphore::MAX_PERMITS / 2);
        config.timeout = config.timeout.min(LONGEST);
        let admitted = config.workers.saturating_add(config.queue).min(Semaphore::MAX_PERMITS);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            config,
            admitted: Semaphore::new(admitted),
            seats: Seats::new(),
            stop: stop.clone(),
        });
        let workers = TaskTracker::new();
        let started = Once::new();
        Ok(Self(Arc::new(Pool { shared, started, workers, _stop: stop.drop_guard() })))
    }

    /// Starts the processes in the background, on this runtime, where they stay. The first request
    /// does it too.
    ///
    /// # Errors
    ///
    /// Returns [`ProcessError::NoRuntime`] outside of a tokio runtime.
    pub fn start(&self) -> Result<(), ProcessError> {
        let runtime = Handle::try_current().map_err(|_| ProcessError::NoRuntime)?;
        let Pool { shared, started, workers, .. } = &*self.0;
        started.call_once(|| {
            for number in 0..shared.config.workers {
                workers.spawn_on(worker::run(shared.clone(), number), &runtime);
            }
        });
        Ok(())
    }

    /// Ends the processes and waits for that: each finds the end of its standard input, has 2 s to
    /// exit, and is killed then. One that is busy has 2 s before that to answer. Requests that wait or
    /// come later fail.
    pub async fn stop(&self) {
        let Pool { shared, workers, .. } = &*self.0;
        shared.stop.cancel();
        shared.seats.close();
        workers.close();
        workers.wait().await;
    }
}

impl Handler for ProcessPool {
    async fn handle(&self, _cx: &Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
        self.start().map_err(HandlerError::failed)?;
        let Shared { config, admitted, seats, .. } = &*self.0.shared;
        if payload.len() > config.max_frame as usize {
            let (length, max) = (payload.len(), config.max_frame);
            return Err(HandlerError::failed(format!("{length} bytes, {max} at most")));
        }
        let _admitted = admitted.try_acquire().map_err(|_| HandlerError::Busy)?;
        let deadline = now() + config.timeout;
        loop {
            let seat = timeout_at(deadline, seats.take()).await.map_err(|_| HandlerError::Busy)?;
            let seat = seat.ok_or_else(|| HandlerError::failed("the processes are stopped"))?;
            let (reply, answer) = oneshot::channel();
            if seat.send(Job { payload: payload.clone(), reply }).is_err() {
                continue;
            }
            // Without an answer, the request reached no process: the child had just ended.
            if let Ok(answer) = answer.await {
                return answer;
            }
        }
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPool").field("config", &self.0.shared.config).finish_non_exhaustive()
    }
}
