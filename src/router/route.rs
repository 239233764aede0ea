//! One registered handler, and how it is run.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::handler::{Context, Handler, HandlerError, InPlace};

/// Requests to one tag, of all connections, that may be in a handler at once.
const IN_FLIGHT: usize = 1024;

/// A handler and how it is run.
///
/// By default a handler answers one request of a connection after the other, in the order in which they
/// came, on a runtime of its own, within the server's `timeouts.handler`.
pub struct Route {
    pub(crate) kind: Kind,
    inline: bool,
    pub(super) concurrency: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) permits: Arc<Semaphore>,
}

pub(crate) enum Kind {
    InPlace(Box<dyn InPlace>),
    Async(Arc<dyn AnyHandler>),
}

/// A [`Handler`] of any type.
pub(crate) trait AnyHandler: Send + Sync {
    fn call<'a>(
        &'a self,
        cx: &'a Context,
        payload: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Bytes>, HandlerError>> + Send + 'a>>;
}

impl<H: Handler> AnyHandler for H {
    fn call<'a>(
        &'a self,
        cx: &'a Context,
        payload: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Bytes>, HandlerError>> + Send + 'a>> {
        Box::pin(self.handle(cx, payload))
    }
}

impl Route {
    /// A handler, run as handlers are by default.
    pub fn new(handler: impl Handler) -> Self {
        Self::of(Kind::Async(Arc::new(handler)))
    }

    /// A handler that runs in place, between two frames of its connection.
    pub fn in_place(handler: impl InPlace) -> Self {
        Self::of(Kind::InPlace(Box::new(handler)))
    }

    fn of(kind: Kind) -> Self {
        let permits = Arc::new(Semaphore::new(IN_FLIGHT));
        Self { kind, inline: false, concurrency: 1, timeout: None, permits }
    }

    /// Runs it on the worker that drives its connection. It must not block: everyone on that worker
    /// would wait.
    #[must_use]
    pub fn inline(self) -> Self {
        Self { inline: true, ..self }
    }

    /// How many requests of one connection it answers at once; their replies then come in any order.
    /// 1 by default, at least 1.
    #[must_use]
    pub fn concurrency(self, requests: usize) -> Self {
        Self { concurrency: requests.max(1), ..self }
    }

    /// How many requests of all connections it answers at once; those beyond are answered `busy`.
    /// 1,024 by default.
    #[must_use]
    pub fn in_flight(self, requests: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(requests)), ..self }
    }

    /// How long one request may take; by default the server's `timeouts.handler`.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Whether it runs on the worker that drives its connection.
    pub fn is_inline(&self) -> bool {
        self.inline
    }

    pub(super) fn needs_runtime(&self) -> bool {
        matches!(self.kind, Kind::Async(_)) && !self.inline
    }
}

impl<H: Handler> From<H> for Route {
    fn from(handler: H) -> Self {
        Self::new(handler)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("inline", &self.inline)
            .field("concurrency", &self.concurrency)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
