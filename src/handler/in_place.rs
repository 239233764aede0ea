//! The built-in kind of handler: a function of the session, run in place between two frames.

use std::fmt;

use tokio::time::Instant;

use crate::session::{Problem, Session};
use crate::wire::Header;

/// Handles the frames of one tag on the connection's own task: no box, no spawn, no copy.
///
/// It must not block, and what it says goes to the session's outbox. The frames of CONTROL, DATA and
/// MESSAGE are acted on in the order of their arrival.
pub trait InPlace: Send + Sync + fmt::Debug + 'static {
    /// Looks at a frame's header before its payload is collected.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`] to have the payload skipped as it arrives.
    fn admit(&self, header: Header) -> Result<(), Problem> {
        let _ = header;
        Ok(())
    }

    /// Acts on a payload that has arrived whole.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`], which the peer is told; the connection goes on unless its code is fatal.
    fn handle(&self, session: &mut Session, payload: &[u8], now: Instant) -> Result<(), Problem>;
}
