//! How a session is, for whoever asks: nothing here is on the way of a frame.

use tokio::time::Instant;

use crate::peer::{Report, Seated};
use crate::session::Session;
use crate::session::seat::Seat;

impl Session {
    /// How it is; the caller adds what the connection alone knows.
    pub fn report(&self, now: Instant, now_ms: u64) -> Report {
        let seated = |seat: &Seat| Seated {
            room: seat.room.name().clone(),
            user_id: seat.user_id.clone(),
            lag: seat.cursor.as_ref().map(|cursor| seat.room.lag(cursor, now_ms)),
        };
        Report {
            session: self.mailbox.session().clone(),
            info: self.info.clone(),
            user_id: self.user_id(),
            rooms: self.seats.iter().map(seated).collect(),
            traffic: self.traffic,
            rtt: self.vitals.rtt(),
            uptime: self.uptime(now),
            blocked: false,
            paused: self.vitals.is_paused(),
            in_flight: 0,
        }
    }

    /// The peer takes something again after a while: notes how late what it gets next is.
    pub fn handle_unblocked(&self, now_ms: u64) {
        let cursors = self.seats.iter().filter_map(|seat| Some((seat, seat.cursor.as_ref()?)));
        let ages = cursors.filter_map(|(seat, cursor)| seat.room.age(cursor, now_ms));
        // What it is owed now was owed first where it waits the longest.
        if let Some(age) = ages.max() {
            self.node.timings.handle_lag(self.worker, age);
        }
    }
}
