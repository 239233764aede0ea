//! CONTROL: requests as JSON objects (docs/protocol.md, section 3).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::handler::InPlace;
use crate::id::{RoomName, SessionId, UserId};
use crate::limits::CONTROL_BYTES;
use crate::room::Room;
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
    let (mut page, mut more) = room.map(|room| room.members(after, limit)).unwrap_or_default();
    // A quote or a backslash takes two bytes.
    let size = |(user_id, session): &(UserId, SessionId)| {
        2 * user_id.as_str().len()
            + session.as_str().len()
            + r#"{"user_id":"","session":""},"#.len()
    };
    more |= fit(session, &mut page, size);
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
    let (mut page, mut more) = session.node().rooms().list(after, limit);
    // Numbers are below 2^53.
    let size = |room: &Arc<Room>| {
        room.name().as_str().len() + r#"{"room_id":"","members":,"next_seq":},"#.len() + 2 * 16
    };
    more |= fit(session, &mut page, size);
    let rooms: Vec<_> = page
        .iter()
        .map(|room| {
            let (members, next_seq) = room.summary();
            RoomEntry { room_id: room.name().as_str(), members, next_seq: next_seq.0 }
        })
        .collect();
    session.say(id, &Event::Rooms { rooms: &rooms, more });
}

/// Leaves as many entries of a list as one frame has room for; whether some had to go. What is around them,
/// and the one without which a list would never get on, are within the 1 KiB that a frame from the server may
/// be longer.
fn fit<T>(session: &Session, entries: &mut Vec<T>, size: impl Fn(&T) -> usize) -> bool {
    let mut left = session.node().settings().limits.frame as usize;
    let mut fits = |entry: &T| left.checked_sub(size(entry)).map(|rest| left = rest).is_some();
    let count = entries.iter().take_while(|entry| fits(entry)).count().max(1);
    let cut = count < entries.len();
    entries.truncate(count);
    cut
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use serde_json::Value;

    use super::*;
    use crate::id::NodeId;
    use crate::limits::{FRAME_EXTRA, Settings};
    use crate::peer::{PeerInfo, Speaks, Vitals};
    use crate::room::{Memory, WorkerId};
    use crate::session::Node;

    #[test]
    fn a_list_that_does_not_fit_a_frame_is_told_in_pages() {
        let (mut settings, now) = (Settings::default(), Instant::now());
        settings.limits.frame = 500;
        let node = Arc::new(Node::new(NodeId::new(1), settings, 1, Box::new(Memory)));
        let name = |i: usize| format!("{i:\"<64}");
        let names: Vec<_> = (10..60).map(name).collect();
        let visit = |user_id: &String| {
            let vitals = Vitals::new(now, true, &Default::default(), &Default::default());
            let address = ([127, 0, 0, 1], 1).into();
            let info = PeerInfo { address, tls: None, speaks: Speaks::Frames };
            let (worker, mailbox) = (WorkerId(0), node.mailbox());
            let mut visit =
                Session::new(node.clone(), worker, mailbox, Arc::new(info), vitals, now);
            let join = serde_json::json!({"op": "join", "room_id": "a", "user_id": user_id});
            Control.handle(&mut visit, join.to_string().as_bytes(), now).unwrap();
            visit
        };
        let mut guests: Vec<_> = names.iter().map(visit).collect();
        let asking = guests.last_mut().unwrap();
        let (mut told, mut more) = (Vec::new(), true);
        while more {
            let after = told.last().cloned().unwrap_or_default();
            let ask = serde_json::json!({"op": "members", "room_id": "a", "after": after});
            asking.take_outbox();
            Control.handle(asking, ask.to_string().as_bytes(), now).unwrap();
            let frame = asking.take_outbox().unwrap();
            assert!(frame.len() <= Header::LEN + 500 + FRAME_EXTRA as usize, "{}", frame.len());
            let page: Value = serde_json::from_slice(&frame[Header::LEN..]).unwrap();
            more = page["more"].as_bool().unwrap();
            let page = page["members"].as_array().unwrap();
            assert!(page.len() >= 2, "{page:?}");
            told.extend(page.iter().map(|entry| entry["user_id"].as_str().unwrap().to_owned()));
        }
        assert_eq!(told, names);
    }
}
