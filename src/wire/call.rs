//! CALL and ANSWER: a request to an application's handler, and its one answer (docs/protocol.md,
//! section 10). Process handlers speak the same on their standard input and output.

use std::fmt;

use bytes::BufMut;

use crate::wire::read::take;
use crate::wire::{Header, Tag};

/// A request to the handler of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The caller's name for it, unique among its calls in flight.
    pub call_id: u32,
    /// Whose handler is asked.
    pub tag: Tag,
    /// What the handler reads.
    pub payload: &'a [u8],
}

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Which call it answers.
    pub call_id: u32,
    /// How it went.
    pub status: Status,
    /// The reply if it is done, a text if it failed, else empty.
    pub payload: &'a [u8],
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// The handler replied.
    Done = 0,
    /// The handler failed.
    Failed = 1,
    /// The handler took too long.
    TimedOut = 2,
    /// Nobody handles that tag.
    NoHandler = 3,
    /// Refused before it was begun.
    Busy = 4,
    /// The caller may not.
    Forbidden = 5,
}

impl Status {
    /// A word for it, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::NoHandler => "no_handler",
            Self::Busy => "busy",
            Self::Forbidden => "forbidden",
        }
    }
}

/// A CALL too short to name its call and tag; there is no `call_id` to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCall {
    /// Bytes of the payload, of which 5 are the least.
    pub length: usize,
}

/// Why a payload is not an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadAnswer {
    /// Fewer than the 5 bytes that name the call and the status.
    TooShort {
        /// How many.
        length: usize,
    },
    /// A status that version 1 does not know.
    UnknownStatus {
        /// Which.
        status: u8,
    },
}

/// Bytes before the payload proper, in both.
const HEAD_LEN: usize = 5;

impl<'a> Call<'a> {
    /// Reads a payload. The tag is not judged: whether it has a handler is for the router to say.
    ///
    /// # Errors
    ///
    /// Returns [`BadCall`] if it is shorter than 5 bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, BadCall> {
        let (call_id, tag, rest) = head(payload).ok_or(BadCall { length: payload.len() })?;
        Ok(Self { call_id, tag: Tag::from_byte(tag), payload: rest })
    }

    /// Writes the whole frame.
    pub fn encode(&self, out: &mut impl BufMut) {
        put(out, Tag::CALL, self.call_id, self.tag.as_byte(), self.payload);
    }
}

impl<'a> Answer<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// Returns [`BadAnswer`] if it is shorter than 5 bytes or its status is not known.
    pub fn parse(payload: &'a [u8]) -> Result<Self, BadAnswer> {
        let short = BadAnswer::TooShort { length: payload.len() };
        let (call_id, status, rest) = head(payload).ok_or(short)?;
        let status = Status::from_byte(status).ok_or(BadAnswer::UnknownStatus { status })?;
        Ok(Self { call_id, status, payload: rest })
    }

    /// Writes the whole frame.
    pub fn encode(&self, out: &mut impl BufMut) {
        put(out, Tag::ANSWER, self.call_id, self.status.as_byte(), self.payload);
    }
}

impl Status {
    /// The status that this byte is, if version 1 knows it.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Done,
            1 => Self::Failed,
            2 => Self::TimedOut,
            3 => Self::NoHandler,
            4 => Self::Busy,
            5 => Self::Forbidden,
            _ => return None,
        })
    }

    /// The byte on the wire.
    pub const fn as_byte(self) -> u8 {
        self as u8
    }
}

fn head(mut payload: &[u8]) -> Option<(u32, u8, &[u8])> {
    let call_id = u32::from_be_bytes(take(&mut payload)?);
    let [byte] = take(&mut payload)?;
    Some((call_id, byte, payload))
}

fn put(out: &mut impl BufMut, tag: Tag, call_id: u32, byte: u8, payload: &[u8]) {
    out.put_slice(&Header::of(tag, HEAD_LEN.saturating_add(payload.len())).encode());
    out.put_u32(call_id);
    out.put_u8(byte);
    out.put_slice(payload);
}

impl fmt::Display for BadCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a call of {} bytes, where at least {HEAD_LEN} are needed", self.length)
    }
}

impl std::error::Error for BadCall {}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { length } => {
                write!(f, "an answer of {length} bytes, where at least {HEAD_LEN} are needed")
            }
            Self::UnknownStatus { status } => write!(f, "an answer of unknown status {status}"),
        }
    }
}

impl std::error::Error for BadAnswer {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_call_or_answer_is_refused() {
        for length in 0..5 {
            assert_eq!(Call::parse(&[1; 5][..length]), Err(BadCall { length }));
            assert_eq!(Answer::parse(&[1; 5][..length]), Err(BadAnswer::TooShort { length }));
        }
        let call = Call::parse(&[0, 0, 0, 9, 0x20]).unwrap();
        assert_eq!(call, Call { call_id: 9, tag: Tag::from_byte(0x20), payload: b"" });
    }

    #[test]
    fn every_status_is_its_byte_and_others_are_refused() {
        for status in 0..=u8::MAX {
            let parsed = Answer::parse(&[0, 0, 0, 1, status]).map(|a| a.status.as_byte());
            let unknown = BadAnswer::UnknownStatus { status };
            assert_eq!(parsed, if status <= 5 { Ok(status) } else { Err(unknown) });
        }
    }

    proptest! {
        #[test]
        fn encode_and_parse_are_inverse(call_id: u32, tag: u8, status in 0u8..=5, payload: Vec<u8>) {
            let call = Call { call_id, tag: Tag::from_byte(tag), payload: &payload };
            let status = Status::from_byte(status).unwrap();
            let answer = Answer { call_id, status, payload: &payload };
            let (mut calls, mut answers) = (Vec::new(), Vec::new());
            call.encode(&mut calls);
            answer.encode(&mut answers);
            prop_assert_eq!(Header::parse(&calls), Some(Header::of(Tag::CALL, calls.len() - 5)));
            prop_assert_eq!(Header::parse(&answers), Some(Header::of(Tag::ANSWER, answers.len() - 5)));
            prop_assert_eq!(Call::parse(&calls[Header::LEN..]), Ok(call));
            prop_assert_eq!(Answer::parse(&answers[Header::LEN..]), Ok(answer));
        }
    }
}
