//! What an embedding program can do with a server while it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::handler::SendError;
use crate::id::{ConnectionId, SessionId, UserId};
use crate::limits::{LIST_ENTRIES, Settings};
use crate::peer::Mail;
use crate::room::{RoomsTally, Summary};
use crate::server::ask::{self, Connections, Members};
use crate::server::shared::Shared;
use crate::session::{Metered, Tally, Tap, TapFilter, Timings};
use crate::tls::ServerTls;

/// After how long who was told to go may come back.
const KICKED_FOR: Duration = Duration::from_secs(5);

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
        self.shared.node.tally()
    }

    /// How long frames took to handle, by tag, and round trips of heartbeats.
    pub fn timings(&self) -> Timings {
        self.shared.node.timings()
    }

    /// Frames, bytes, errors and handshakes since the server started: by the tags that have a handler.
    pub fn metered(&self) -> Metered {
        let router = &self.shared.router;
        self.shared.node.metered().by_known_tags(|tag| router.get(tag).is_some())
    }

    /// What all rooms hold.
    pub fn rooms(&self) -> RoomsTally {
        self.shared.node.rooms().tally()
    }

    /// Rooms by name, those after `after`, at most `limit`; and whether there are more.
    pub fn list_rooms(&self, after: Option<&str>, limit: usize) -> (Vec<Summary>, bool) {
        let (rooms, more) = self.shared.node.rooms().list(after, limit.clamp(1, LIST_ENTRIES));
        (rooms.iter().map(|room| room.summarise()).collect(), more)
    }

    /// The members of a room by name, those after `after`, at most `limit`, and how far each is behind;
    /// `None` if there is no such room.
    ///
    /// Needs a tokio runtime with time. Dropping it leaves nothing behind.
    pub async fn members(&self, room: &str, after: Option<&str>, limit: usize) -> Option<Members> {
        ask::members(&self.shared, room, after, limit).await
    }

    /// How connections are, in the order in which they came, those after `after`, at most `limit`. Only
    /// those that have said what they speak.
    ///
    /// Each is asked, and answers when its task next runs: within a second, or it counts as silent. Needs a
    /// tokio runtime with time. Dropping it leaves nothing behind.
    pub async fn connections(&self, after: Option<ConnectionId>, limit: usize) -> Connections {
        ask::connections(&self.shared, after, limit).await
    }

    /// Ends one connection: it is told `goaway` with the reason `kicked`, sent what it is owed until now,
    /// and closed. Whether there is one of that name.
    pub fn kick(&self, session: &str) -> bool {
        let Some(id) = SessionId::number(session) else { return false };
        let peers = self.shared.guests.after(ConnectionId(id.0.saturating_sub(1)));
        let peer = peers.iter().find(|mailbox| mailbox.session().as_str() == session);
        peer.inspect(|mailbox| mailbox.post(Mail::Kick { reconnect: KICKED_FOR })).is_some()
    }

    /// Shows frames as they come and go, of all connections or some; see [`TapFilter`].
    pub fn tap(&self, filter: TapFilter) -> Tap {
        Tap::new(self.shared.node.clone(), filter)
    }

    /// The last second in which its certificate is good, since 1970.
    pub fn certificate_not_after(&self) -> i64 {
        self.shared.tls.load().not_after()
    }

    /// Ends the server in order, as its shutdown future does; [`Server::run`](crate::Server::run) returns
    /// when it has ended. Calling it again changes nothing.
    pub fn drain(&self) {
        self.shared.draining.cancel();
    }

    /// The same as [`Handle::drain`].
    pub fn shut_down(&self) {
        self.drain();
    }

    /// Waits until the server is told to end, in whatever way. Cancel-safe.
    pub async fn draining(&self) {
        self.shared.draining.cancelled().await;
    }

    /// Whether the server was told to end: it refuses who comes, or has ended.
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining()
    }

    /// Exchanges certificate and key: the next handshake shows the new one. Connections stay as they are. Who
    /// comes back with a ticket from before makes a full handshake, and gets a new ticket.
    pub fn set_tls(&self, tls: ServerTls) {
        self.shared.tls.store(Arc::new(tls));
    }

    /// Exchanges the settings. Limits, and what rooms keep, count from now on; who is over a limit is not
    /// closed, but nobody more gets in.
    ///
    /// What was begun goes on as it began: a connection keeps the largest frame (`limits.frame`), the
    /// heartbeat, and the times for a frame and for writing (`timeouts.frame`, `timeouts.write`) that held
    /// when it came, and its socket its options; a handler that runs has the time that it was given. The
    /// number of workers, the address, and what handlers there are cannot change while a server runs.
    pub fn set_settings(&self, settings: Settings) {
        self.shared.node.set_settings(settings);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("tally", &self.tally()).finish_non_exhaustive()
    }
}
