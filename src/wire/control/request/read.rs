//! From fields as they stand to a request that is checked.

use std::borrow::Cow;

use super::{Deliver, Hello, Join, Op, Start};
use crate::id::{ClientId, NUMBER_END, RoomName, Seq, UserId};
use crate::limits::LIST_ENTRIES;
use crate::wire::control::RequestId;
use crate::wire::control::error::excerpt;
use crate::wire::control::fields::Fields;
use crate::wire::control::value::{Position, Scalar, Value};

/// A `ControlError` before it knows its `id`.
pub(super) enum Wrong {
    Field(Cow<'static, str>),
    Op(String),
    Room,
    User,
}

impl From<&'static str> for Wrong {
    fn from(reason: &'static str) -> Self {
        Self::Field(reason.into())
    }
}

pub(super) fn request_id(value: Option<Value>) -> Result<Option<RequestId>, Cow<'static, str>> {
    match value {
        None => Ok(None),
        Some(Value::Integer(number)) => Ok(Some(RequestId::Number(number))),
        Some(Value::Negative(number)) => Ok(Some(RequestId::Negative(number))),
        Some(Value::Text(text)) if text.len() <= RequestId::MAX_LEN => {
            Ok(Some(RequestId::Text(text.into())))
        }
        Some(_) => Err("id must be a string of at most 64 bytes or an integer".into()),
    }
}

pub(super) fn op(mut fields: Fields) -> Result<Op, Wrong> {
    let op = required(text("op", fields.op.take())?, "op")?;
    Ok(match op.as_str() {
        "hello" => Op::Hello(hello(fields)?),
        "join" => Op::Join(join(fields)?),
        "leave" => Op::Leave { room_id: room(fields.room_id)? },
        "members" => Op::Members {
            room_id: room(fields.room_id)?,
            limit: limit(fields.limit.as_ref())?,
            after: text("after", fields.after)?,
        },
        "rooms" => {
            Op::Rooms { limit: limit(fields.limit.as_ref())?, after: text("after", fields.after)? }
        }
        "stats" => Op::Stats,
        "token_refresh" => {
            Op::TokenRefresh { token: required(text("token", fields.token)?, "token")? }
        }
        _ => return Err(Wrong::Op(excerpt(&op))),
    })
}

fn hello(fields: Fields) -> Result<Hello, Wrong> {
    let client_id = text("client_id", fields.client_id)?.map(|id| {
        ClientId::new(&id).ok_or("client_id must be 1 to 64 bytes without control characters")
    });
    Ok(Hello {
        user_id: user(fields.user_id)?,
        client_id: client_id.transpose()?,
        token: text("token", fields.token)?,
        features: match fields.features {
            None => Vec::new(),
            Some(Value::Texts(features)) => features,
            Some(_) => return Err("features must be a list of strings".into()),
        },
    })
}

fn join(fields: Fields) -> Result<Join, Wrong> {
    let deliver = match text("deliver", fields.deliver)?.as_deref() {
        None | Some("data") => Deliver::Data,
        Some("message") => Deliver::Message,
        Some("none") => Deliver::None,
        Some(_) => return Err("deliver must be \"data\", \"message\" or \"none\"".into()),
    };
    let echo = match fields.echo {
        None => true,
        Some(Value::Bool(echo)) => echo,
        Some(_) => return Err("echo must be a boolean".into()),
    };
    // Nothing comes with "none", so nothing comes back either.
    if !echo && deliver == Deliver::Message {
        let reason = "echo false goes with deliver \"data\" only: a message says who sent it";
        return Err(reason.into());
    }
    let start = match (fields.from, fields.after) {
        (None, None) => Start::Live,
        (Some(from), None) => start_from(from)?,
        (None, Some(Value::Position(position))) => start_after(*position)?,
        (None, Some(_)) => return Err("after must be an object".into()),
        (Some(_), Some(_)) => return Err("from and after exclude each other".into()),
    };
    let room_id = room(fields.room_id)?;
    Ok(Join { room_id, user_id: user(fields.user_id)?, deliver, start, echo })
}

fn start_from(from: Value) -> Result<Start, Wrong> {
    match from {
        Value::Integer(seq) => Ok(Start::Seq(Seq(exact("from", seq)?))),
        Value::Text(word) if word == "earliest" => Ok(Start::Earliest),
        Value::Position(position) => match (position.last, position.duplicate) {
            (Some(Scalar::Integer(last)), None) => Ok(Start::Last(exact("last", last)?)),
            (_, Some(_)) => Err("from has a field twice".into()),
            _ => Err("from must be {\"last\": n} with n a number".into()),
        },
        _ => Err("from must be a number, \"earliest\" or {\"last\": n}".into()),
    }
}

fn start_after(position: Position) -> Result<Start, Wrong> {
    if position.duplicate.is_some() {
        return Err("after has a field twice".into());
    }
    let (Some(Scalar::Text(epoch)), Some(Scalar::Integer(seq)), Some(Scalar::Integer(time_ms))) =
        (position.epoch, position.seq, position.time_ms)
    else {
        return Err("after must have epoch (a string), seq and time_ms (numbers)".into());
    };
    let time_ms = exact("time_ms", time_ms)?;
    Ok(Start::After { epoch, seq: Seq(exact("seq", seq)?), time_ms })
}

fn text(field: &'static str, value: Option<Value>) -> Result<Option<String>, Wrong> {
    match value {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Wrong::Field(format!("{field} must be a string").into())),
    }
}

fn required(value: Option<String>, field: &'static str) -> Result<String, Wrong> {
    value.ok_or_else(|| Wrong::Field(format!("{field} is missing").into()))
}

fn room(value: Option<Value>) -> Result<RoomName, Wrong> {
    let name = required(text("room_id", value)?, "room_id")?;
    RoomName::new(&name).ok_or(Wrong::Room)
}

fn user(value: Option<Value>) -> Result<Option<UserId>, Wrong> {
    text("user_id", value)?.map(|id| UserId::new(&id).ok_or(Wrong::User)).transpose()
}

fn limit(value: Option<&Value>) -> Result<usize, Wrong> {
    match value {
        None => Ok(LIST_ENTRIES),
        Some(&Value::Integer(limit @ 1..)) => {
            let limit = exact("limit", limit)?;
            Ok(usize::try_from(limit).unwrap_or(LIST_ENTRIES).min(LIST_ENTRIES))
        }
        Some(_) => Err("limit must be a number from 1".into()),
    }
}

/// A number that any JSON parser carries exactly.
fn exact(field: &'static str, number: u64) -> Result<u64, Wrong> {
    if number < NUMBER_END {
        return Ok(number);
    }
    Err(Wrong::Field(format!("{field} must be below 2^53").into()))
}
