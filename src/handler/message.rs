//! MESSAGE: a body for a room by its number, acknowledged (docs/protocol.md, section 6).

use tokio::time::Instant;

use crate::handler::InPlace;
use crate::session::{Problem, Session};
use crate::wire::{BadMessage, Code, Publish};

/// Publishes to the room that it names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message;

impl InPlace for Message {
    fn handle(&self, session: &mut Session, payload: &[u8], _now: Instant) -> Result<(), Problem> {
        let publish = Publish::parse(payload).map_err(bad_message)?;
        session.publish_numbered(publish.channel, publish.publish_id, publish.body)
    }
}

fn bad_message(bad: BadMessage) -> Problem {
    let BadMessage { reason, channel, publish_id } = bad;
    Problem { channel, publish_id, ..Problem::new(Code::BadMessage, reason) }
}
