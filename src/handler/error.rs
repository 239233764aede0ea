//! Why a handler did not answer.

use std::fmt;

use crate::wire::Status;

/// Why a handler did not answer; each is a status of ANSWER (docs/protocol.md, section 10).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerError {
    /// It failed; the text is told to the peer.
    Failed(String),
    /// It took too long.
    TimedOut,
    /// It was refused before it was begun: too much is going on.
    Busy,
    /// The peer may not.
    Forbidden,
}

impl HandlerError {
    /// A failure with that text, which the peer is told.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }

    /// The status of the ANSWER.
    pub fn status(&self) -> Status {
        match self {
            Self::Failed(_) => Status::Failed,
            Self::TimedOut => Status::TimedOut,
            Self::Busy => Status::Busy,
            Self::Forbidden => Status::Forbidden,
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => f.write_str(why),
            Self::TimedOut => f.write_str("took too long"),
            Self::Busy => f.write_str("busy: too much is going on"),
            Self::Forbidden => f.write_str("forbidden"),
        }
    }
}

impl std::error::Error for HandlerError {}
