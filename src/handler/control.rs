//! CONTROL: requests as JSON objects (docs/protocol.md, section 3).

use std::time::Duration;

use tokio::time::Instant;

use crate::handler::InPlace;
use crate::id::RoomName;
use crate::limits::CONTROL_BYTES;
use crate::session::{Problem, Session};
use crate::wire::{
    Code, Event, HandleUs, Header, Join, MemberEntry, Op, Request, RequestId, RoomEntry, RttUs,
};

/// Answers requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Control;

impl InPlace for Control {
    fn admit(&self, header: Header) -> Result<(), Problem> {
        match header.length > CONTROL_BYTES {
            true => {
                let message = format!("{} bytes, {CONTROL_BYTES} at most", header.length);
                Err(Problem::new(Code::BadControl, message))
            }
            false => Ok(()),
        }
    }

    fn handle(&self, session: &mut Session, payload: &[u8], now: Instant) -> Result<(), Problem> {
        let Request { id, op } = Request::parse(payload)?;
        act(session, id.as_ref(), op, now).map_err(|problem| problem.with_id(id))
    }
}

fn act(session: &mut Session, id: Option<&RequestId>, op: Op, now: Instant) -> Result<(), Problem> {
    match op {
        Op::Hello(hello) => session.hello(id.cloned(), hello),
        Op::Join(join) => joined(session, id, &join),
        Op::Leave { room_id } => {
            session.leave(&room_id)?;
            session.say(id, &Event::Left { room_id: room_id.as_str(), reason: None });
            Ok(())
        }
        Op::Members { room_id, limit, after } => {
            members(session, id, &room_id, limit, after.as_deref());
            Ok(())
        }
        Op::Rooms { limit, after } => {
            rooms(session, id, limit, after.as_deref());
            Ok(())
        }
        Op::Stats => {
            stats(session, id, now);
            Ok(())
        }
        Op::TokenRefresh { .. } => {
            Err(Problem::new(Code::Forbidden, "this server asks for no token"))
        }
    }
}

fn joined(session: &mut Session, id: Option<&RequestId>, join: &Join) -> Result<(), Problem> {
    let (room, entered) = session.join(join)?;
    let event = Event::Joined {
        room_id: room.name().as_str(),
        channel: room.channel().0,
        epoch: room.epoch(),
        next_seq: entered.next_seq.0,
        last_seq: entered.last.seq.0,
        last_time_ms: entered.last.time_ms,
        resumed: entered.resumed,
        members: entered.members,
        last_publish_id: entered.last_publish_id.0,
    };
    session.say(id, &event);
    Ok(())
}

fn members(
    session: &mut Session,
    id: Option<&RequestId>,
    room_id: &RoomName,
    limit: usize,
    after: Option<&str>,
) {
    let room = session.node().rooms().get(room_id.as_str());
    let (page, more) = room.map(|room| room.members(after, limit)).unwrap_or_default();
    let members: Vec<_> = page
        .iter()
        .map(|(user_id, session)| MemberEntry {
            user_id: user_id.as_str(),
            session: session.as_str(),
        })
        .collect();
    session.say(id, &Event::Members { room_id: room_id.as_str(), members: &members, more });
}

fn rooms(session: &mut Session, id: Option<&RequestId>, limit: usize, after: Option<&str>) {
    let (page, more) = session.node().rooms().list(after, limit);
    let rooms: Vec<_> = page
        .iter()
        .map(|room| {
            let (members, next_seq) = room.summary();
            RoomEntry { room_id: room.name().as_str(), members, next_seq: next_seq.0 }
        })
        .collect();
    session.say(id, &Event::Rooms { rooms: &rooms, more });
}

fn stats(session: &mut Session, id: Option<&RequestId>, now: Instant) {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (traffic, rtt) = (session.traffic, session.vitals.rtt());
    let handled = |percent| session.handled().and_then(|h| h.percentile(percent)).map(us);
    let event = Event::Stats {
        bytes_in: traffic.bytes_in,
        bytes_out: traffic.bytes_out,
        frames_in: traffic.frames_in,
        frames_out: traffic.frames_out,
        errors: traffic.errors,
        uptime_ms: u64::try_from(session.uptime(now).as_millis()).unwrap_or(u64::MAX),
        rtt_us: RttUs {
            last: rtt.map(|rtt| us(rtt.last())),
            min: rtt.map(|rtt| us(rtt.min())),
            smoothed: rtt.map(|rtt| us(rtt.smoothed())),
        },
        handle_us: HandleUs { p50: handled(50.0), p99: handled(99.0) },
    };
    session.say(id, &event);
}
