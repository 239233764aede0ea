//! What answers a frame: built-in handlers that run in place, and handlers of your own.
//!
//! ```text
//! Handler   yours: an async function of a payload; also over a tower service, a blocking function,
//!           or a pool of processes
//! Context   what a handler knows of the peer and can do
//! InPlace   the built-in ones: a function of the session, between two frames
//! ```

mod blocking;
mod context;
mod control;
mod data;
mod error;
mod heartbeat;
mod in_place;
mod message;
mod process;
mod service;

use bytes::Bytes;

pub use blocking::Blocking;
pub use context::{Context, SendError};
pub use control::Control;
pub use data::Data;
pub use error::HandlerError;
pub use heartbeat::Heartbeat;
pub use in_place::InPlace;
pub use message::Message;
pub use process::{ProcessConfig, ProcessError, ProcessPool};
pub use service::{Service, ServiceRequest};

/// Answers requests: the payloads of one application tag.
///
/// A bare frame's reply goes back under the same tag, a CALL's as its ANSWER (docs/protocol.md,
/// section 10). Any `Fn(Context, Bytes) -> impl Future<Output = Result<Option<Bytes>, HandlerError>>` is
/// one:
///
/// ```
/// use bytes::Bytes;
/// use tagwire::handler::{Context, Handler, HandlerError};
///
/// async fn shout(_cx: Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
///     Ok(Some(payload.to_ascii_uppercase().into()))
/// }
/// # fn is_handler(_: impl Handler) {}
/// # is_handler(shout);
/// ```
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; `None` for no reply (a CALL is then answered with an empty one).
    ///
    /// A panic here ends this request with `handler_failed`, nothing else.
    ///
    /// # Errors
    ///
    /// A [`HandlerError`] is told to the peer: as `handler_failed`, or as the status of the ANSWER.
    fn handle(
        &self,
        cx: &Context,
        payload: Bytes,
    ) -> impl Future<Output = Result<Option<Bytes>, HandlerError>> + Send;
}

impl<F, R> Handler for F
where
    F: Fn(Context, Bytes) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<Bytes>, HandlerError>> + Send,
{
    async fn handle(&self, cx: &Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
        self(cx.clone(), payload).await
    }
}
