//! What a line asks for.

use serde::Deserialize;

use crate::id::{RoomName, UserId};
use crate::session::Problem;
use crate::wire::Code;

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Nothing,
    Join { room: RoomName, user_id: Option<UserId> },
    Leave(Option<RoomName>),
    Say(std::borrow::Cow<'a, [u8]>),
    Who,
    Rooms,
    Ping,
    Help,
    Quit,
}

/// The JSON form of a line. Unknown fields are ignored.
#[derive(Deserialize)]
struct Object {
    user_id: Option<String>,
    room_id: Option<String>,
    message: Option<String>,
}

impl<'a> Command<'a> {
    /// Reads a line without its end.
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`] that says what would be right.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Problem> {
        match line {
            [] => Ok(Self::Nothing),
            [b'/', rest @ ..] => Self::slash(rest),
            [b'{', ..] => Self::object(line),
            text => Ok(Self::Say(text.into())),
        }
    }

    fn slash(line: &[u8]) -> Result<Self, Problem> {
        let unknown = || Problem::new(Code::UnknownOp, "unknown command: try /help");
        let line = str::from_utf8(line).map_err(|_| unknown())?;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "join" => {
                let (room, user) = rest.split_once(' ').unwrap_or((rest, ""));
                let user_id = Some(user.trim()).filter(|user| !user.is_empty());
                Ok(Self::Join {
                    room: room_name(room)?,
                    user_id: user_id.map(user_id_of).transpose()?,
                })
            }
            "leave" if rest.is_empty() => Ok(Self::Leave(None)),
            "leave" => Ok(Self::Leave(Some(room_name(rest)?))),
            "who" => Ok(Self::Who),
            "rooms" => Ok(Self::Rooms),
            "ping" => Ok(Self::Ping),
            "help" => Ok(Self::Help),
            "quit" => Ok(Self::Quit),
            _ => Err(unknown()),
        }
    }

    fn object(line: &[u8]) -> Result<Self, Problem> {
        let bad = |why: &'static str| Problem::new(Code::BadControl, why);
        let object: Object = serde_json::from_slice(line).map_err(|_| {
            bad("not JSON of this kind: {\"user_id\":\"ann\",\"room_id\":\"lobby\"} or {\"message\":\"hello\"}")
        })?;
        match object {
            Object { room_id: Some(room), message: None, user_id } => Ok(Self::Join {
                room: room_name(&room)?,
                user_id: user_id.as_deref().map(user_id_of).transpose()?,
            }),
            Object { room_id: None, message: Some(message), .. } => {
                Ok(Self::Say(message.into_bytes().into()))
            }
            _ => Err(bad("either a room_id to join, or a message")),
        }
    }
}

fn room_name(name: &str) -> Result<RoomName, Problem> {
    RoomName::new(name).ok_or_else(|| {
        Problem::new(
            Code::BadRoom,
            "a room's name has 1 to 64 of the characters A-Z a-z 0-9 . _ - :",
        )
    })
}

fn user_id_of(id: &str) -> Result<UserId, Problem> {
    UserId::new(id).ok_or_else(|| {
        Problem::new(Code::BadUser, "a user id has 1 to 64 bytes and no control characters")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(room: &str, user: Option<&str>) -> Command<'static> {
        let user_id = user.map(|user| UserId::new(user).unwrap());
        Command::Join { room: RoomName::new(room).unwrap(), user_id }
    }

    #[test]
    fn commands_are_read() {
        let parse = |line| Command::parse(line).unwrap();
        assert_eq!(parse(b"/join lobby ann"), join("lobby", Some("ann")));
        assert_eq!(parse(b"/join lobby"), join("lobby", None));
        assert_eq!(
            parse(b"{\"user_id\":\"ann\",\"room_id\":\"lobby\"}"),
            join("lobby", Some("ann"))
        );
        assert_eq!(parse(b"{\"message\":\"hi\"}"), Command::Say(b"hi"[..].into()));
        assert_eq!(parse(b"hi {x}"), Command::Say(b"hi {x}"[..].into()));
        assert_eq!(parse(b"/leave"), Command::Leave(None));
        assert_eq!(parse(b""), Command::Nothing);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_helps() {
        let code = |line| Command::parse(line).unwrap_err().code;
        assert_eq!(code(b"/jion lobby"), Code::UnknownOp);
        assert_eq!(code(b"/join"), Code::BadRoom);
        assert_eq!(code(b"/join a/b"), Code::BadRoom);
        assert_eq!(code(b"{\"message\":1}"), Code::BadControl);
        assert_eq!(code(b"{}"), Code::BadControl);
        assert_eq!(code(b"{\"room_id\":\"a\",\"user_id\":\"\\u001b\"}"), Code::BadUser);
    }
}
