//! What a session is owed of its rooms: runs of records, as its cursors come by them.

use bytes::{Bytes, BytesMut};

use crate::limits::SlowPolicy;
use crate::peer::Speaks;
use crate::room::{Form, Gap, Given};
use crate::session::seat::Seat;
use crate::session::{Delivery, Meter, Problem, Session};
use crate::wire::{Code, Event, Tag, encode_event};

impl Session {
    /// Whether a room has something for this session.
    pub fn is_due(&self) -> bool {
        self.seats.iter().any(Seat::is_due)
    }

    /// Adds about `budget` bytes of whole frames to `out`, from all rooms in turn.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`] if the room's policy is to disconnect who falls behind.
    pub fn pull(&mut self, budget: usize, out: &mut Vec<Bytes>) -> Result<(), Problem> {
        let mut left = budget;
        let count = self.seats.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            while left > 0 && self.seats[index].is_due() {
                left = left.saturating_sub(self.pull_seat(index, left, out)?);
            }
            if left == 0 {
                // The next pull begins with the next room.
                self.turn = (index + 1) % count;
                break;
            }
        }
        Ok(())
    }

    /// Reads one room; how many bytes. A seat that was read to the end is no longer due.
    fn pull_seat(
        &mut self,
        index: usize,
        budget: usize,
        out: &mut Vec<Bytes>,
    ) -> Result<usize, Problem> {
        let seat = &mut self.seats[index];
        let meter = self.node.meter(self.worker);
        // Lines are counted when they are made of these frames.
        let frames = self.info.speaks == Speaks::Frames;
        if let Some(gap) = seat.gap.take() {
            let frame = gap_frame(seat, &gap);
            self.traffic.frames_out += 1;
            meter.handle_gap(gap.reason, gap.missed.count);
            if frames {
                meter.handle_sent(Tag::CONTROL, 1, frame.len());
            }
            let len = frame.len();
            out.push(frame);
            let seat = &self.seats[index];
            self.tap_given(seat.room.name(), out.get(out.len() - 1..).unwrap_or_default());
            return Ok(len);
        }
        let Some(cursor) = &mut seat.cursor else { return Ok(0) };
        // First note the news, then read: what comes in between is news once more.
        let news = seat.room.news();
        let before = cursor.given();
        let pieces = out.len();
        match seat.room.read(cursor, budget, out) {
            Ok(taken) => {
                let given = cursor.given().since(before);
                self.traffic.frames_out += u64::from(given.frames);
                if frames {
                    count(meter, cursor.form(), given, taken);
                }
                if taken < budget {
                    seat.seen = Some(news);
                }
                let seat = &self.seats[index];
                self.tap_given(seat.room.name(), &out[pieces..]);
                Ok(taken)
            }
            Err(gap) => {
                // Presence is no history: who missed nothing else did not fall behind.
                let records = gap.missed.count != Some(0);
                if records && seat.room.slow() == SlowPolicy::Disconnect {
                    let message = "fell behind further than the room keeps";
                    return Err(Problem::new(Code::SlowConsumer, message));
                }
                seat.gap = Some(gap);
                Ok(0)
            }
        }
    }
}

/// Counts what one read of a room gave, `taken` bytes.
#[inline]
fn count(meter: &Meter, form: Form, given: Given, taken: usize) {
    let events = u64::from(given.events);
    let (records, bytes) = (u64::from(given.frames) - events, taken - given.event_bytes as usize);
    let (tag, how) = match form {
        Form::Data => (Tag::DATA, Delivery::Data),
        Form::Message => (Tag::MESSAGE, Delivery::Message),
    };
    meter.handle_sent(tag, records, bytes);
    meter.handle_delivered(how, records, bytes);
    if events > 0 {
        meter.handle_sent(Tag::CONTROL, events, given.event_bytes as usize);
    }
}

fn gap_frame(seat: &Seat, gap: &Gap) -> Bytes {
    let mut frame = BytesMut::new();
    let event = Event::Gap {
        room_id: seat.room.name().as_str(),
        epoch: seat.room.epoch(),
        after_seq: gap.missed.after.0,
        next_seq: gap.missed.next.0,
        missed: gap.missed.count,
        reason: gap.reason,
    };
    encode_event(&mut frame, None, &event);
    frame.freeze()
}
