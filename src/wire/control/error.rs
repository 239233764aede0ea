//! Why a CONTROL payload is not a request, in words that are safe to send back.

use std::borrow::Cow;
use std::fmt;

use super::RequestId;
use crate::wire::Code;

/// Why a payload is not a request, with its `id` where that could be read.
///
/// None of the texts repeats more of the input than a short, escaped piece.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlError {
    /// Not one JSON object of the right shape.
    Bad {
        /// The request's name.
        id: Option<RequestId>,
        /// What is wrong, and with which field.
        reason: Cow<'static, str>,
    },
    /// A request that version 1 does not know.
    UnknownOp {
        /// The request's name.
        id: Option<RequestId>,
        /// The start of what it asked for, escaped.
        op: String,
    },
    /// A `room_id` that the protocol does not allow.
    BadRoom {
        /// The request's name.
        id: Option<RequestId>,
    },
    /// A `user_id` that the protocol does not allow.
    BadUser {
        /// The request's name.
        id: Option<RequestId>,
    },
}

impl ControlError {
    /// The code to answer with.
    pub const fn code(&self) -> Code {
        match self {
            Self::Bad { .. } => Code::BadControl,
            Self::UnknownOp { .. } => Code::UnknownOp,
            Self::BadRoom { .. } => Code::BadRoom,
            Self::BadUser { .. } => Code::BadUser,
        }
    }

    /// The name of the request to answer, where it could be read.
    pub const fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Bad { id, .. }
            | Self::UnknownOp { id, .. }
            | Self::BadRoom { id }
            | Self::BadUser { id } => id.as_ref(),
        }
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad { reason, .. } => f.write_str(reason),
            Self::UnknownOp { op, .. } => write!(f, "there is no op \"{op}\""),
            Self::BadRoom { .. } => {
                f.write_str("room_id must be 1 to 64 characters of A-Z a-z 0-9 . _ - :")
            }
            Self::BadUser { .. } => {
                f.write_str("user_id must be 1 to 64 bytes without control characters")
            }
        }
    }
}

impl std::error::Error for ControlError {}

/// The start of a text from a peer, made safe for a terminal and a log.
pub(super) fn excerpt(text: &str) -> String {
    const MOST: usize = 32;
    let mut excerpt: String = text.chars().take(MOST).flat_map(char::escape_default).collect();
    if text.chars().nth(MOST).is_some() {
        excerpt.push_str("...");
    }
    excerpt
}
