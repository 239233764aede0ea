//! The server: a listener, workers, handshakes, and what a connection speaks.
//!
//! ```text
//! builder     what must be chosen, and an address: makes a `Server`
//! accept      the loop that takes connections and hands each to the least busy worker
//! admission   who is let in, before any cryptography
//! worker      one thread's future: it drives the connections that it is handed, for all their lives
//! opening     its socket until the ClientHello is whole: no more bytes than one may have
//! serve       one connection: handshake, choice of protocol, service, goodbye
//! handshakes  steps of handshakes in turns, so that nobody waits for all of them
//! journal     what the log says of each connection
//! guests      who is connected, and how far the server is with its end
//! drain       how it ends: everyone is told, served until its turn comes, delivered to, and closed
//! handle      what an embedding program can do while it runs
//! ask         what connections say when they are asked how they are
//! ```

mod accept;
mod admission;
mod ask;
mod builder;
mod drain;
mod error;
mod guests;
mod handle;
mod handshakes;
mod journal;
mod opening;
mod serve;
mod shared;
mod worker;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

pub use ask::{Connections, MemberReport, Members};
pub use builder::Builder;
pub use error::ServerError;
pub use handle::Handle;

use crate::room::WorkerId;
use crate::server::shared::Shared;

/// A server that is bound to its address and not yet running.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    /// Whether the listener is somebody else's too, who goes on with it.
    lent: bool,
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Where handlers run that are not inline; ends with the server.
    handlers: Option<Runtime>,
}

impl Server {
    /// Starts to choose what a server is.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Where it listens: the real port, where port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What an embedding program can do while it runs; cheap to clone.
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.clone())
    }

    /// Serves until `shutdown` is ready or [`Handle::drain`] is called, then ends in order: it refuses who
    /// comes, tells everyone (`goaway`), and closes one after the other within `timeouts.drain_spread`.
    /// Until its turn comes a connection goes on working; then it is delivered what it is owed. After
    /// `timeouts.drain` whoever is left is closed.
    ///
    /// Its connections run on threads of its own, one per worker; this future only waits, on any runtime.
    ///
    /// # Errors
    ///
    /// Returns a [`ServerError`] if a worker cannot be started.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self { listener, lent, shared, handlers, .. } = self;
        listener.set_nonblocking(true).map_err(ServerError::Start)?;
        let workers = shared.loads.len();
        let (doors, arrivals): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
        // While it drains a server accepts only to refuse: who waits in a queue that nobody looks at learns
        // nothing. A listener that is not its own alone it leaves to whoever serves next.
        let until = if lent { &shared.draining } else { &shared.ended }.clone();
        let mut listener = Some((listener, until, doors));
        let mut ended = Vec::with_capacity(workers);
        for (number, arrivals) in arrivals.into_iter().enumerate() {
            let (done, end) = oneshot::channel();
            let (shared, door) = (shared.clone(), listener.take());
            let runtime = worker::runtime().map_err(ServerError::Start)?;
            let run = move || {
                runtime.block_on(async {
                    if let Some((listener, until, doors)) = door {
                        tokio::spawn(accept::accept(listener, until, doors, shared.clone()));
                    }
                    worker::run(WorkerId(number), shared, arrivals).await;
                });
                drop(runtime);
                let _ = done.send(());
            };
            let name = format!("tagwire-{number}");
            thread::Builder::new().name(name).spawn(run).map_err(ServerError::Start)?;
            ended.push(end);
        }
        // However this future ends, its workers do: a server that is dropped serves nobody.
        let drain = shared.draining.clone().drop_guard();
        tokio::select! {
            () = shutdown => {}
            () = shared.draining.cancelled() => {}
        }
        drop(drain);
        for end in ended {
            let _ = end.await;
        }
        if let Some(handlers) = handlers {
            handlers.shutdown_background();
        }
        Ok(())
    }
}
