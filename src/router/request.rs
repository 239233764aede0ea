//! A request on its way through a handler, answered once whatever happens to the handler.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use crate::handler::{Context, HandlerError};
use crate::peer::{Mail, Mailbox, Parcel};
use crate::router::route::Kind;
use crate::router::{Route, Router};
use crate::sync::now;
use crate::wire::{Status, Tag};

/// What a peer asked for.
#[derive(Debug)]
pub struct Ask {
    /// The tag that is to answer.
    pub tag: Tag,
    /// The number of the CALL; `None` for a bare frame.
    pub call_id: Option<u32>,
    /// What for.
    pub payload: Bytes,
    /// When it was decoded.
    pub since: Instant,
}

/// An [`Ask`] that a handler has.
///
/// However the handler ends, by an answer, a panic, or because its runtime ends, the connection that
/// asked gets exactly one [`Parcel`].
#[derive(Debug)]
pub struct Request {
    mailbox: Arc<Mailbox>,
    tag: Tag,
    call_id: Option<u32>,
    since: Instant,
    answered: bool,
}

impl Request {
    /// Starts the tag's handler; the answer comes by mail. `within` bounds a handler without a bound of
    /// its own.
    pub fn start(router: &Router, ask: Ask, cx: Context, mailbox: &Arc<Mailbox>, within: Duration) {
        let Ask { tag, call_id, payload, since } = ask;
        let request = Self { mailbox: mailbox.clone(), tag, call_id, since, answered: false };
        let Some(route) = router.get(tag) else { return };
        let Kind::Async(handler) = &route.kind else { return };
        let Ok(permit) = route.permits.clone().try_acquire_owned() else {
            request.answer(Err(HandlerError::Busy));
            return;
        };
        let (handler, within) = (handler.clone(), route.timeout.unwrap_or(within));
        let work = async move {
            let handled = timeout(within, handler.call(&cx, payload)).await;
            drop(permit);
            request.answer(handled.unwrap_or(Err(HandlerError::TimedOut)));
        };
        // A panic in the task drops the request, which answers for it.
        match router.runtime().filter(|_| !route.is_inline()) {
            Some(runtime) => drop(runtime.spawn(work)),
            None => drop(tokio::spawn(work)),
        }
    }

    fn answer(mut self, outcome: Result<Option<Bytes>, HandlerError>) {
        self.post(outcome);
    }

    fn post(&mut self, outcome: Result<Option<Bytes>, HandlerError>) {
        self.answered = true;
        let (status, reply) = match outcome {
            Ok(reply) => (Status::Done, reply),
            Err(HandlerError::Failed(why)) => (Status::Failed, Some(why.into())),
            Err(error) => (error.status(), None),
        };
        let took = now().saturating_duration_since(self.since);
        let (tag, call_id) = (self.tag, self.call_id);
        self.mailbox.post(Mail::Answer(Parcel { tag, call_id, status, reply, took }));
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.answered {
            self.post(Err(HandlerError::failed("the handler panicked")));
        }
    }
}

impl Route {
    /// How many requests of one connection it answers at once.
    pub(crate) fn at_once(&self) -> usize {
        self.concurrency
    }
}
