//! What an embedding program can do with a server while it runs.

use std::fmt;
use std::sync::Arc;

use crate::handler::SendError;
use crate::id::UserId;
use crate::server::shared::Shared;
use crate::session::{Tally, Timings};

/// A running server, from outside; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Publishes to a room, as a user that need not be connected; makes the room if there is none.
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`] if a name is none, or nothing takes the publish.
    pub fn publish(&self, room: &str, user_id: &str, body: &[u8]) -> Result<(), SendError> {
        let user_id = UserId::new(user_id).ok_or(SendError::Refused("bad_user"))?;
        self.shared.node.publish_from(room, &user_id, body).map_err(SendError::Refused)
    }

    /// What was counted since the server started.
    pub fn tally(&self) -> Tally {
        self.shared.node.counters().tally()
    }

    /// How long frames took to handle, by tag, and round trips of heartbeats.
    pub fn timings(&self) -> Timings {
        self.shared.node.timings()
    }

    /// Rooms there are, and bytes that their logs hold.
    pub fn rooms(&self) -> (usize, usize) {
        self.shared.node.rooms().totals()
    }

    /// Ends the server in order, as its shutdown future does.
    pub fn shut_down(&self) {
        self.shared.stop.cancel();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("tally", &self.tally()).finish_non_exhaustive()
    }
}
