//! What one peer does on a server: its name, the rooms it is in, its publishes and what it is owed.
//!
//! A session belongs to its connection's task, which alone touches it; whoever else wants something of
//! it leaves word in its mailbox. It knows rooms and the protocol's requests, but neither bytes on the
//! wire nor sockets: frames and lines both end here.

mod clients;
mod counters;
mod errors;
mod hello;
mod join;
mod meter;
mod node;
mod problem;
mod publish;
mod pull;
mod rates;
mod report;
mod seat;
mod tap;
#[cfg(test)]
mod tests;
mod timings;
mod users;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

pub use clients::{Clients, Identity};
pub use counters::{Closed, Counters, Pool, Proxied, Refused, Tally};
pub use meter::{Delivery, Flow, GAP_REASONS, Meter, Metered, STATUSES, TagTally};
pub use node::Node;
pub use problem::Problem;
pub use tap::{Tap, TapFilter, Tapped, Way};
pub use timings::Timings;
pub use users::Users;

use crate::id::{ClientId, PublishId, RoomName, Seq, UserId};
use crate::latency::Histogram;
use crate::limits::UNREAD_BYTES;
use crate::peer::{Due, Mailbox, PeerInfo, Traffic, Vitals};
use crate::room::{PublisherId, WorkerId};
use crate::session::errors::Errors;
use crate::session::hello::Takeover;
use crate::session::rates::Rates;
use crate::session::seat::Seat;
use crate::session::wait::Pending;
use crate::sync::wall_ms;
use crate::wire::{Code, Event, Header, RequestId, Tag, encode_event};

/// One peer's session.
#[derive(Debug)]
pub struct Session {
    node: Arc<Node>,
    worker: WorkerId,
    mailbox: Arc<Mailbox>,
    info: Arc<PeerInfo>,
    /// Whether it lives.
    pub vitals: Vitals,
    /// What came and went.
    pub traffic: Traffic,
    /// Handling times of its frames; made by the first.
    handled: Option<Box<Histogram>>,
    opened: Instant,
    now_ms: u64,
    user_id: Option<UserId>,
    client_id: Option<ClientId>,
    publisher: PublisherId,
    greeted: bool,
    /// Whether it ever joined a room: then it has left them all on purpose.
    joined: bool,
    takeover: Option<Box<Takeover>>,
    /// What waits until its room has room; nothing behind it is looked at.
    pending: Option<Box<Pending>>,
    /// In the order in which they were joined; the last one is the current room.
    seats: Vec<Seat>,
    /// Acknowledgements of rooms that it has left since.
    acks: Vec<(RoomName, PublishId, Seq)>,
    /// Where the next pull begins, so that no room starves the others.
    turn: usize,
    /// Replies, events and pongs that are not sent yet: whole frames, or lines.
    outbox: BytesMut,
    /// When the newest errors were; made by the first.
    errors: Option<Box<Errors>>,
    /// The settings of which its rates are, and those, if anything is limited.
    generation: u64,
    rates: Option<Box<Rates>>,
    closing: bool,
}

impl Session {
    /// The session of a peer that has just arrived.
    pub fn new(
        node: Arc<Node>,
        worker: WorkerId,
        mailbox: Arc<Mailbox>,
        info: Arc<PeerInfo>,
        vitals: Vitals,
        now: Instant,
    ) -> Self {
        let publisher = PublisherId(mailbox.id().0);
        Self {
            node,
            worker,
            mailbox,
            info,
            vitals,
            traffic: Traffic::default(),
            handled: None,
            opened: now,
            now_ms: 0,
            user_id: None,
            client_id: None,
            publisher,
            greeted: false,
            joined: false,
            takeover: None,
            pending: None,
            seats: Vec::new(),
            acks: Vec::new(),
            turn: 0,
            outbox: BytesMut::new(),
            errors: None,
            generation: 0,
            rates: None,
            closing: false,
        }
    }

    /// The server it is on.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Where others leave word for it.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Who the peer is.
    pub fn info(&self) -> &Arc<PeerInfo> {
        &self.info
    }

    /// The name of the connection: that of its `hello`, or one made of its session.
    pub fn user_id(&self) -> UserId {
        self.user_id.clone().unwrap_or_else(|| self.guest())
    }

    fn guest(&self) -> UserId {
        // A session has at most 32 bytes of letters, digits and hyphens.
        let id = format!("guest-{}", self.mailbox.session());
        #[expect(clippy::expect_used, reason = "38 bytes of ASCII are a user id")]
        UserId::new(&id).expect("a guest's name is a user id")
    }

    /// The rooms it is in, in the order in which it joined them.
    pub fn rooms(&self) -> impl ExactSizeIterator<Item = &RoomName> + '_ {
        self.seats.iter().map(|seat| seat.room.name())
    }

    /// The name of the joined room with that number.
    pub fn room_of(&self, channel: crate::id::Channel) -> Option<&RoomName> {
        self.seats.iter().find(|seat| seat.room.channel() == channel).map(|seat| seat.room.name())
    }

    /// The room that DATA goes to.
    pub fn current_room(&self) -> Option<&RoomName> {
        self.seats.last().map(|seat| seat.room.name())
    }

    /// Whether it ever joined a room.
    pub fn has_joined(&self) -> bool {
        self.joined
    }

    /// Its name in a room that it is in.
    pub fn user_in(&self, room: &str) -> Option<&UserId> {
        self.seats.iter().find(|seat| seat.room.name().as_str() == room).map(|seat| &seat.user_id)
    }

    /// Takes note of the time at which input is looked at.
    pub fn begin(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// How long it has been there.
    pub fn uptime(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }

    /// Where its worker counts.
    #[inline]
    pub fn meter(&self) -> &Meter {
        self.node.meter(self.worker)
    }

    /// Counts a frame or line that arrived.
    #[inline]
    pub fn handle_received(&mut self, tag: Tag, bytes: usize) {
        self.handle_frame();
        self.meter().handle_received(tag, bytes);
    }

    /// Adds a frame, or a line, to what is sent before any room's records, and counts it.
    pub fn put(&mut self, tag: Tag, encode: impl FnOnce(&mut BytesMut)) {
        let before = self.outbox.len();
        encode(&mut self.outbox);
        let bytes = self.outbox.len() - before;
        self.traffic.frames_out += 1;
        self.meter().handle_sent(tag, 1, bytes);
        self.tap_sent(tag, bytes);
    }

    /// Counts an error that the peer is told of.
    pub fn handle_told(&self, code: Code) {
        self.meter().handle_error(code);
    }

    /// Counts a frame that was handled.
    pub fn handle_handled(&mut self, tag: Tag, took: Duration) {
        self.handled.get_or_insert_default().record(took);
        self.node.timings.handle_handled(self.worker, tag, took);
    }

    /// Takes the answer to the ping `number`.
    pub fn handle_pong(&mut self, now: Instant, number: u64) {
        if let Some(round_trip) = self.vitals.handle_pong(now, number) {
            self.node.timings.handle_round_trip(self.worker, round_trip);
        }
    }

    /// Handling times so far.
    pub fn handled(&self) -> Option<&Histogram> {
        self.handled.as_deref()
    }

    /// Whether its input has to wait: for the session that it takes over, for readers of a room, for time
    /// to pass, or because its replies pile up.
    pub fn is_waiting(&self) -> bool {
        self.takeover.is_some() || self.is_paused() || self.is_piled() || self.is_over_rate()
    }

    /// When it has to be looked at again at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.vitals.poll_timeout(), self.paid_at()].into_iter().flatten().min()
    }

    /// Looks at every deadline.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        self.pay();
        self.vitals.handle_timeout(now)
    }

    /// Whether its replies pile up unread.
    pub fn is_piled(&self) -> bool {
        self.outbox.len() >= UNREAD_BYTES
    }

    /// Whether the peer has been told that the server closes.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Nothing more is read from the peer: it leaves its rooms, and its names are free. What it is owed
    /// until now is still delivered.
    pub fn close(&mut self) {
        self.closing = true;
        for mut seat in std::mem::take(&mut self.seats) {
            if seat.until.is_none() {
                seat.until = Some(seat.room.news());
                if let Some(cursor) = &mut seat.cursor {
                    seat.room.mute(cursor);
                }
                self.vacate(&seat);
            }
            self.seats.push(seat);
        }
    }

    /// What waits to be sent before any room's records.
    pub fn outbox(&mut self) -> &mut BytesMut {
        &mut self.outbox
    }

    /// Takes what waits to be sent.
    pub fn take_outbox(&mut self) -> Option<Bytes> {
        let out = (!self.outbox.is_empty()).then(|| self.outbox.split().freeze());
        // A buffer that is empty is given back: idle connections hold none.
        self.outbox = BytesMut::new();
        out
    }

    /// Sends a frame to the peer, before any room's records. A payload has at most `max_frame` bytes.
    pub fn send(&mut self, tag: Tag, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.put(tag, |outbox| {
            outbox.extend_from_slice(&Header { tag, length }.encode());
            outbox.extend_from_slice(payload);
        });
    }

    /// Says something to the peer as a CONTROL frame.
    pub fn say(&mut self, id: Option<&RequestId>, event: &Event<'_>) {
        self.put(Tag::CONTROL, |outbox| encode_event(outbox, id, event));
    }

    /// Acknowledgements that are owed: room, number and record.
    pub fn take_acks(&mut self) -> Vec<(RoomName, PublishId, Seq)> {
        let mut acks = std::mem::take(&mut self.acks);
        acks.extend(self.seats.iter_mut().filter_map(Seat::take_ack));
        acks
    }

    /// Leaves every room; the session is over.
    pub fn end(&mut self) {
        self.pending = None;
        self.close();
        self.seats = Vec::new();
        self.mailbox.close();
        if let Some(client) = self.client_id.take() {
            self.node.clients().leave(&Identity::Anonymous, &client, &self.mailbox, wall_ms());
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}
