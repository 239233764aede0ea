//! What all sessions of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::Guard;

use crate::id::{ConnectionId, NodeId, RoomName, SessionId, UserId};
use crate::limits::{Live, Settings};
use crate::peer::Mailbox;
use crate::room::{Engine, Full, Published, PublisherId, Rooms, RoomsConfig, WorkerId};
use crate::session::meter::{Meter, Metered, Meters};
use crate::session::tap::Taps;
use crate::session::timings::TimingsByWorker;
use crate::session::{Clients, Counters, Tally, Timings, Users};
use crate::sync::wall_ms;

/// What all sessions of a server share.
#[derive(Debug)]
pub struct Node {
    id: NodeId,
    settings: Arc<Live>,
    rooms: Rooms,
    clients: Clients,
    users: Users,
    counters: Counters,
    meters: Meters,
    pub(super) timings: TimingsByWorker,
    pub(super) taps: Taps,
    /// Connections and named clients are numbered together, so that both can be publishers.
    numbers: AtomicU64,
}

impl Node {
    /// A server's state before its first connection.
    pub fn new(id: NodeId, settings: Settings, workers: usize, engine: Box<dyn Engine>) -> Self {
        let settings = Arc::new(Live::new(settings));
        let rooms = Rooms::new(RoomsConfig {
            node: id.clone(),
            settings: settings.clone(),
            workers,
            engine,
        });
        Self {
            id,
            settings,
            rooms,
            clients: Clients::default(),
            users: Users::default(),
            counters: Counters::default(),
            meters: Meters::new(workers),
            timings: TimingsByWorker::new(workers),
            taps: Taps::default(),
            numbers: AtomicU64::new(1),
        }
    }

    /// The life of this server.
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Its newest bounds and defaults.
    #[inline]
    pub fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.get()
    }

    /// A number that rises whenever they are exchanged.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.settings.generation()
    }

    /// Exchanges them, for what begins from now on.
    pub fn set_settings(&self, settings: Settings) {
        self.settings.set(settings);
    }

    /// Its rooms.
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Clients by the name that they keep across reconnects.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Users who are connected, by name.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// What it counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Where a worker counts its traffic; to be written to by that worker's thread alone.
    #[inline]
    pub fn meter(&self, worker: WorkerId) -> &Meter {
        self.meters.of(worker)
    }

    /// What all workers counted so far.
    pub fn metered(&self) -> Metered {
        self.meters.sum()
    }

    /// What was counted so far, in all.
    pub fn tally(&self) -> Tally {
        self.counters.tally(&self.metered(), self.rooms.fed())
    }

    /// How long things took.
    pub fn timings(&self) -> Timings {
        self.timings.sum()
    }

    /// A new connection's mailbox, with its number and session.
    pub fn mailbox(&self) -> Arc<Mailbox> {
        let id = ConnectionId(self.number());
        Arc::new(Mailbox::new(id, SessionId::new(&self.id, id)))
    }

    /// A number for a named client.
    pub(super) fn publisher(&self) -> PublisherId {
        PublisherId(self.number())
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Does what time asks for; once a second is enough.
    pub fn sweep(&self, now_ms: u64) {
        self.rooms.sweep(now_ms);
        self.clients.sweep(now_ms);
    }
}

impl Node {
    /// Publishes to a room from the server's side, under a user's name.
    ///
    /// # Errors
    ///
    /// Returns the reason, for programs.
    pub fn publish_from(
        &self,
        room: &str,
        user_id: &UserId,
        body: &[u8],
    ) -> Result<(), &'static str> {
        let room = RoomName::new(room).ok_or("bad_room")?;
        if body.len() > self.settings().limits.frame as usize {
            return Err("frame_too_large");
        }
        match self.rooms.publish(&room, user_id, body, wall_ms()) {
            Ok(Published::Refused(reason)) => Err(reason),
            Ok(Published::Stored(..)) => {
                self.counters.published.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            // The server itself does not wait: it is refused, with the same word.
            Ok(Published::Paused) => Err("paused"),
            // What is stored later is counted then.
            Ok(Published::Known(..) | Published::Later) => Ok(()),
            Err(Full) => Err("too_many_rooms"),
        }
    }
}
