//! What a connection's bytes mean: frames, or lines for a person.

use bytes::Bytes;
use tokio::time::Instant;

use crate::peer::Parcel;
use crate::session::{Problem, Session};
use crate::wire::Event;

/// One way to talk on a connection; all of them act on the same [`Session`].
pub trait Protocol: Send + Unpin + 'static {
    /// Whether peers answer pings.
    const PINGS: bool;

    /// Acts on input, and takes what it used off its front: all of it, unless it has to wait, or as many
    /// frames, or lines, have arrived as `until` says: the rest is for another turn.
    ///
    /// # Errors
    ///
    /// Returns the [`Problem`] after which the connection ends.
    fn receive(
        &mut self,
        session: &mut Session,
        input: &mut &[u8],
        now: Instant,
        until: u64,
    ) -> Result<(), Problem>;

    /// How much has arrived of a frame that must be whole in time; `None` between two.
    fn begun(&self) -> Option<u64>;

    /// Bytes of heap held for what is unfinished.
    fn held(&self) -> usize;

    /// Whether input has to wait for handlers.
    fn is_waiting(&self, session: &Session) -> bool;

    /// Requests of this connection that handlers have not answered yet.
    fn in_flight(&self) -> usize;

    /// Takes a handler's answer.
    ///
    /// # Errors
    ///
    /// Returns the [`Problem`] after which the connection ends.
    fn handle_answer(
        &mut self,
        session: &mut Session,
        parcel: Parcel,
        now: Instant,
    ) -> Result<(), Problem>;

    /// Goes on with requests that waited for replies to leave, or for a room.
    ///
    /// # Errors
    ///
    /// Returns the [`Problem`] after which the connection ends.
    fn resume(&mut self, session: &mut Session, now: Instant) -> Result<(), Problem>;

    /// Says something that nobody asked for.
    fn say(&mut self, session: &mut Session, event: &Event<'_>);

    /// Tells the peer what is wrong.
    fn refuse(&mut self, session: &mut Session, problem: &Problem);

    /// Asks for a sign of life.
    fn ping(&mut self, session: &mut Session, number: u64);

    /// Turns frames of rooms into what this protocol sends.
    fn render(&mut self, session: &Session, frames: &mut Vec<Bytes>);
}
