//! Doing what a line asks for, and the answer in words.

use tokio::time::Instant;

use crate::id::{RoomName, UserId};
use crate::lines::command::Command;
use crate::lines::escape::escape;
use crate::lines::say;
use crate::session::{Problem, Session};
use crate::sync::now as clock;
use crate::wire::{Code, Deliver, Join, Start};

/// Names that a list shows; a terminal has few lines.
const NAMES: usize = 100;

const HELP: [&str; 8] = [
    "/join ROOM [NAME]  join a room; it becomes the current one",
    "/leave [ROOM]      leave the current room, or that one",
    "/who               who is in the current room",
    "/rooms             which rooms there are",
    "/ping              how long the server takes",
    "/quit              goodbye",
    "any other line     a message to the current room",
    "{\"message\":\"…\"}    the same; {\"room_id\":\"…\",\"user_id\":\"…\"} joins",
];

/// Does what a line asks for.
///
/// # Errors
///
/// Returns the [`Problem`] to tell the person.
pub(super) fn act(session: &mut Session, line: &[u8], since: Instant) -> Result<(), Problem> {
    match Command::parse(line)? {
        Command::Nothing => {}
        Command::Join { room, user_id } => join(session, room, user_id)?,
        Command::Leave(room) => leave(session, room)?,
        Command::Say(text) => publish(session, &text)?,
        Command::Who => who(session)?,
        Command::Rooms => rooms(session),
        Command::Ping => {
            let took = clock().saturating_duration_since(since);
            say(session, &format!("-- pong: handled in {:.1} us --", took.as_nanos() as f64 / 1e3));
        }
        Command::Help => HELP.iter().for_each(|line| say(session, line)),
        Command::Quit => {
            say(session, "-- goodbye --");
            session.close();
        }
    }
    Ok(())
}

fn join(session: &mut Session, room_id: RoomName, user_id: Option<UserId>) -> Result<(), Problem> {
    // A join would move on to what comes next, and pass over what the person has not seen yet.
    if session.turn_to(&room_id) {
        let room = session.node().rooms().get(room_id.as_str());
        let members = room.map_or(0, |room| room.summary().0);
        say(session, &format!("-- you are in {room_id}, {members} here --"));
        return Ok(());
    }
    let (deliver, start) = (Deliver::Message, Start::Live);
    let join = Join { room_id, user_id, deliver, start, echo: true };
    let (room, entered) = session.join(&join)?;
    // Otherwise the room says so itself: `ann joined the room`.
    if entered.members > session.node().settings().rooms.presence_limit {
        say(session, &format!("-- you are in {}, {} here --", room.name(), entered.members));
    }
    Ok(())
}

fn leave(session: &mut Session, room: Option<RoomName>) -> Result<(), Problem> {
    let room = room.or_else(|| session.current_room().cloned());
    let room = room.ok_or_else(not_joined)?;
    session.leave(&room)?;
    say(session, &format!("-- you left {room} --"));
    Ok(())
}

fn publish(session: &mut Session, text: &[u8]) -> Result<(), Problem> {
    let most = session.node().settings().limits.frame as usize;
    if text.len() > most {
        // Others in the room speak frames.
        return Err(Problem::new(Code::BadMessage, format!("a message has at most {most} bytes")));
    }
    if session.current_room().is_none() && !session.has_joined() {
        let default = session.node().settings().rooms.default.clone();
        join(session, default.ok_or_else(not_joined)?, None)?;
    }
    session.publish(text)
}

fn who(session: &mut Session) -> Result<(), Problem> {
    let name = session.current_room().cloned().ok_or_else(not_joined)?;
    let room = session.node().rooms().get(name.as_str());
    let (members, more) = room.map(|room| room.members(None, NAMES)).unwrap_or_default();
    let names: Vec<_> = members.iter().map(|(user, _)| escape(user.as_str().as_bytes())).collect();
    let more = if more { ", …" } else { "" };
    say(session, &format!("-- in {name}: {}{more} --", names.join(", ")));
    Ok(())
}

fn rooms(session: &mut Session) {
    let (rooms, more) = session.node().rooms().list(None, NAMES);
    let names: Vec<_> =
        rooms.iter().map(|room| format!("{} ({})", room.name(), room.summary().0)).collect();
    let more = if more { ", …" } else { "" };
    say(session, &format!("-- rooms: {}{more} --", names.join(", ")));
}

fn not_joined() -> Problem {
    Problem::new(Code::NotJoined, "join a room first: /join lobby")
}
