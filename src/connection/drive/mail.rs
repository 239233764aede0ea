//! What others leave word of: handlers, engines, rooms, and whoever has the server or this connection end.

use super::{Connection, Phase};
use crate::connection::{Protocol, Transport};
use crate::peer::{Mail, Report};
use crate::session::{Closed, Problem, Timings};
use crate::sync::{now as clock, wall_ms};
use crate::wire::{Code, Event, Tag};

impl<T: Transport, P: Protocol> Connection<T, P> {
    /// Reads what others left; whether there was anything.
    pub(super) fn read_mail(&mut self) -> bool {
        let mail = self.session.mailbox().collect();
        if mail.is_empty() {
            return false;
        }
        self.session.begin(wall_ms());
        for letter in mail {
            if let Err(problem) = self.handle_mail(letter) {
                self.fail(&problem, Closed::Refused);
            }
        }
        self.settle();
        true
    }

    fn handle_mail(&mut self, mail: Mail) -> Result<(), Problem> {
        match mail {
            // Nothing follows a fatal error: it only waits to be taken.
            Mail::Frame(_)
            | Mail::Answer(_)
            | Mail::Ack { .. }
            | Mail::Refused { .. }
            | Mail::Vacated
            | Mail::GoAway { .. }
                if matches!(self.phase, Phase::Failing(_)) => {}
            Mail::Frame(frame) => {
                let tag = frame.first().map_or(Timings::LINES, |&tag| Tag::from_byte(tag));
                self.session.meter().handle_sent(tag, 1, frame.len());
                self.session.tap_frame(tag, &frame);
                self.letter_bytes += frame.len();
                self.letters.push(frame);
            }
            Mail::Answer(parcel) => {
                // What a handler sent before it answered comes before the answer.
                self.file_letters();
                return self.protocol.handle_answer(&mut self.session, parcel, clock());
            }
            // Whoever asked may be gone: nobody else misses the answer.
            Mail::Report(asker) => drop(asker.send(self.report())),
            Mail::Ack { .. } | Mail::Refused { .. } | Mail::Room | Mail::Slow(_) => {
                return self.handle_room_mail(mail);
            }
            Mail::Taken(_)
            | Mail::Vacated
            | Mail::GoAway { .. }
            | Mail::Kick { .. }
            | Mail::Close
            | Mail::ShutDown => return self.handle_last_mail(mail),
        }
        Ok(())
    }

    /// What became of publishes, and what rooms want.
    fn handle_room_mail(&mut self, mail: Mail) -> Result<(), Problem> {
        match mail {
            Mail::Ack { room, publish_id, seq } => {
                self.session.handle_answered(&room, publish_id);
                let room_id = room.as_str();
                let event = Event::Ack { room_id, publish_id: publish_id.0, seq: seq.0 };
                self.protocol.say(&mut self.session, &event);
            }
            Mail::Refused { room, channel, publish_id, reason } => {
                self.session.handle_answered(&room, publish_id);
                let problem = Problem {
                    room: Some(room),
                    channel: Some(channel),
                    publish_id: Some(publish_id),
                    reason: Some(reason),
                    ..Problem::new(Code::Unavailable, "the publish was not taken")
                };
                self.refuse(&problem);
            }
            Mail::Room => {
                if let Err(problem) = self.session.handle_room() {
                    self.refuse(&problem);
                }
                if !self.session.is_paused() {
                    return self.protocol.resume(&mut self.session, clock());
                }
            }
            Mail::Slow(room) => {
                let message = "read nothing for too long while others waited to publish";
                let problem = Problem::new(Code::SlowConsumer, message);
                return Err(Problem { room: Some(room), ..problem });
            }
            _ => {}
        }
        Ok(())
    }

    /// What has this connection end, or another one.
    fn handle_last_mail(&mut self, mail: Mail) -> Result<(), Problem> {
        match mail {
            Mail::Taken(by) => {
                self.session.end();
                by.post(Mail::Vacated);
                let message = "another connection said hello with this client_id";
                return Err(Problem::new(Code::SessionTaken, message));
            }
            Mail::Vacated => self.session.handle_vacated(),
            Mail::GoAway { reason, reconnect } if self.phase == Phase::Open => {
                let reconnect_ms = u64::try_from(reconnect.as_millis()).unwrap_or(u64::MAX);
                self.protocol.say(&mut self.session, &Event::GoAway { reason, reconnect_ms });
            }
            Mail::Kick { reconnect } if self.phase == Phase::Open => {
                let reconnect_ms = u64::try_from(reconnect.as_millis()).unwrap_or(u64::MAX);
                let event = Event::GoAway { reason: "kicked", reconnect_ms };
                self.protocol.say(&mut self.session, &event);
                self.end(Closed::Kicked);
            }
            Mail::Close => self.end(Closed::Drained),
            Mail::ShutDown => {
                let problem = Problem::new(Code::ShuttingDown, "the server ends now");
                self.fail(&problem, Closed::Drained);
            }
            // Who ends already has heard its last words.
            _ => {}
        }
        Ok(())
    }

    /// Tells the peer what is wrong, and goes on.
    fn refuse(&mut self, problem: &Problem) {
        self.session.traffic.errors += 1;
        self.protocol.refuse(&mut self.session, problem);
    }

    /// How it is, for whoever asked.
    fn report(&self) -> Report {
        let report = self.session.report(clock(), wall_ms());
        Report { blocked: self.blocked, in_flight: self.protocol.in_flight(), ..report }
    }
}
