//! What rooms deliver, in words.

use bytes::Bytes;
use serde::Deserialize;

use crate::lines::escape::escape;
use crate::session::{Delivery, Session, Timings};
use crate::wire::{Event, Header, Record, Tag};

/// The events of a room, as far as a person is told of them.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum RoomEvent {
    MemberJoined {
        room_id: String,
        user_id: String,
    },
    MemberLeft {
        room_id: String,
        user_id: String,
    },
    Gap {
        room_id: String,
        missed: Option<u64>,
    },
    #[serde(other)]
    Other,
}

/// Turns frames, as rooms deliver them, into lines.
pub(super) fn render(session: &Session, frames: &mut Vec<Bytes>) {
    for frames in frames.iter_mut() {
        let mut text = String::new();
        let mut rest = &frames[..];
        while let Some(header) = Header::parse(rest) {
            let end = Header::LEN + header.length as usize;
            let Some(payload) = rest.get(Header::LEN..end) else { break };
            if let Some((room, line)) = line(session, header.tag, payload) {
                let before = text.len();
                if session.rooms().len() > 1 {
                    text.push('[');
                    text.push_str(&room);
                    text.push_str("] ");
                }
                text.push_str(&line);
                text.push('\n');
                count(session, header.tag, text.len() - before);
            }
            rest = rest.get(end..).unwrap_or_default();
        }
        *frames = text.into();
    }
    frames.retain(|text| !text.is_empty());
}

/// Counts a line that was made of a frame.
fn count(session: &Session, tag: Tag, bytes: usize) {
    session.meter().handle_sent(Timings::LINES, 1, bytes);
    if tag == Tag::MESSAGE {
        session.meter().handle_delivered(Delivery::Line, 1, bytes);
    }
}

/// A frame as its room and a line.
fn line(session: &Session, tag: Tag, payload: &[u8]) -> Option<(String, String)> {
    if tag == Tag::MESSAGE {
        let record = Record::parse(payload).ok()?;
        let room = session.room_of(record.channel)?.to_string();
        let user = escape(record.user_id.as_bytes());
        return Some((room, format!("{user}: {}", escape(record.body))));
    }
    let user = |user: String| escape(user.as_bytes());
    match serde_json::from_slice(payload).ok()? {
        RoomEvent::MemberJoined { room_id, user_id } => {
            Some((room_id, format!("{} joined the room", user(user_id))))
        }
        RoomEvent::MemberLeft { room_id, user_id } => {
            Some((room_id, format!("{} left the room", user(user_id))))
        }
        RoomEvent::Gap { room_id, missed } => Some((room_id, gap(missed))),
        RoomEvent::Other => None,
    }
}

fn gap(missed: Option<u64>) -> String {
    match missed {
        Some(1) => "-- 1 message missed --".to_owned(),
        Some(missed) => format!("-- {missed} messages missed --"),
        None => "-- messages missed --".to_owned(),
    }
}

/// What nobody asked for, in words; `None` for what a person need not know.
pub(super) fn event(event: &Event<'_>) -> Option<String> {
    match event {
        Event::GoAway { reconnect_ms, .. } => {
            let seconds = reconnect_ms.div_ceil(1000);
            Some(format!("-- the server is about to close: come back in {seconds} s --"))
        }
        Event::Left { room_id, reason } => {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            Some(format!("-- you are no longer in {room_id}{reason} --"))
        }
        _ => None,
    }
}
