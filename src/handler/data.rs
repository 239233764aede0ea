//! DATA: a body for the current room (docs/protocol.md, section 4).

use tokio::time::Instant;

use crate::handler::InPlace;
use crate::session::{Problem, Session};

/// Broadcasts to the current room.
#[derive(Clone, Copy, Debug, Default)]
pub struct Data;

impl InPlace for Data {
    fn handle(&self, session: &mut Session, payload: &[u8], _now: Instant) -> Result<(), Problem> {
        session.publish(payload)
    }
}
