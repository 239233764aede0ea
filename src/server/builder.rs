//! What must be chosen for a server, and what may be.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{ToSocketAddrs, lookup_host};
use tokio::runtime;

use crate::id::NodeId;
use crate::limits::Settings;
use crate::room::{Engine, Memory};
use crate::router::{Route, Router};
use crate::server::shared::Shared;
use crate::server::{Server, ServerError};
use crate::session::Node;
use crate::tls::ServerTls;
use crate::wire::Tag;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// What a server is made of; [`Builder::bind`] makes it.
#[derive(Debug)]
pub struct Builder {
    tls: Option<ServerTls>,
    settings: Settings,
    workers: usize,
    engine: Box<dyn Engine>,
    seed: Option<u64>,
    router: Router,
    /// The first thing that was wrong: told by `bind`, so that calls chain.
    error: Option<ServerError>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            tls: None,
            settings: Settings::default(),
            workers: thread::available_parallelism().map_or(1, usize::from),
            engine: Box::new(Memory),
            seed: None,
            router: Router::new(),
            error: None,
        }
    }

    /// The certificate and key to show; the one choice that must be made.
    #[must_use]
    pub fn tls(self, tls: ServerTls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Bounds and times; each has a default.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// How many threads drive connections; as many as cores by default, at least 1.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers: workers.max(1), ..self }
    }

    /// Where the records of rooms come from; memory by default.
    #[must_use]
    pub fn engine(self, engine: impl Engine) -> Self {
        Self { engine: Box::new(engine), ..self }
    }

    /// Registers a handler for an application tag, 0x10 to 0xff.
    ///
    /// A tag that has a handler already, or can have none, is an error of [`Builder::bind`].
    #[must_use]
    pub fn route(mut self, tag: u8, route: impl Into<Route>) -> Self {
        let routed = self.router.route(Tag::from_byte(tag), route.into());
        self.note(routed.err().map(ServerError::Route));
        self
    }

    /// Registers a handler instead of the one that a tag has, a built-in one for example.
    #[must_use]
    pub fn replace(mut self, tag: u8, route: impl Into<Route>) -> Self {
        let routed = self.router.replace(Tag::from_byte(tag), route.into());
        self.note(routed.err().map(ServerError::Route));
        self
    }

    /// Makes the names of this server's life and sessions predictable, for simulations.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    fn note(&mut self, error: Option<ServerError>) {
        self.error = self.error.take().or(error);
    }

    /// Binds the first address that can be; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// Returns a [`ServerError`] if something is missing or registered twice, or no address can be bound.
    pub async fn bind(self, address: impl ToSocketAddrs) -> Result<Server, ServerError> {
        let mut error = None;
        for address in lookup_host(address).await.map_err(ServerError::Resolve)? {
            match listen(address) {
                Ok(listener) => return self.serve(listener, false),
                Err(source) => error = Some(ServerError::Bind { address, source }),
            }
        }
        Err(error.unwrap_or_else(|| ServerError::Resolve(std::io::ErrorKind::NotFound.into())))
    }

    /// Takes a listener that is bound already. When the server drains it lets go of it, so that whoever
    /// else holds it can go on with those who wait in its queue.
    ///
    /// # Errors
    ///
    /// Returns a [`ServerError`] if something is missing or registered twice.
    pub fn listener(self, listener: TcpListener) -> Result<Server, ServerError> {
        self.serve(listener, true)
    }

    fn serve(mut self, listener: TcpListener, lent: bool) -> Result<Server, ServerError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let tls = self.tls.ok_or(ServerError::NoTls)?;
        let handlers = self.router.needs_runtime().then(handlers).transpose();
        let handlers = handlers.map_err(ServerError::Start)?;
        if let Some(handlers) = &handlers {
            self.router.set_runtime(handlers.handle().clone());
        }
        let address = listener.local_addr().map_err(ServerError::Start)?;
        // The keys of a `RandomState` are the standard library's randomness.
        let random = self.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let node = Node::new(NodeId::new(random), self.settings, self.workers, self.engine);
        let shared = Arc::new(Shared::new(node, self.router, tls, self.workers));
        Ok(Server { listener, lent, address, shared, handlers })
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the last server's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A runtime for handlers, so that one that blocks stops no peer.
fn handlers() -> std::io::Result<runtime::Runtime> {
    runtime::Builder::new_multi_thread().thread_name("tagwire-handler").enable_all().build()
}
