//! Error codes: what went wrong, as a word that programs compare (docs/protocol.md, section 2).

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $fatal:literal;)*) => {
        /// What went wrong, as a word that programs compare.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of the protocol's table.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Whether the server closes the connection after it.
            pub const fn is_fatal(self) -> bool {
                match self {
                    $(Self::$name => $fatal,)*
                }
            }
        }
    };
}

codes! {
    /// A frame with the tag 0x00.
    InvalidTag = "invalid_tag", true;
    /// A legal tag that nobody handles.
    UnknownTag = "unknown_tag", false;
    /// A frame that announces more than it may.
    FrameTooLarge = "frame_too_large", true;
    /// A CONTROL payload that is not a request.
    BadControl = "bad_control", false;
    /// A request that version 1 does not know.
    UnknownOp = "unknown_op", false;
    /// A HEARTBEAT that is too long or of an unknown kind.
    BadHeartbeat = "bad_heartbeat", false;
    /// A MESSAGE that cannot be read or has no such channel.
    BadMessage = "bad_message", false;
    /// A room name that the protocol does not allow.
    BadRoom = "bad_room", false;
    /// A user id that the protocol does not allow.
    BadUser = "bad_user", false;
    /// Another connection has that user id in that room.
    UserTaken = "user_taken", false;
    /// The connection is not in that room, or in none.
    NotJoined = "not_joined", false;
    /// The connection is in as many rooms as it may be.
    TooManyRooms = "too_many_rooms", false;
    /// No valid credential.
    Unauthorized = "unauthorized", true;
    /// A credential without that right.
    Forbidden = "forbidden", false;
    /// Another connection took over this `client_id`.
    SessionTaken = "session_taken", true;
    /// An application's handler did not do its work.
    HandlerFailed = "handler_failed", false;
    /// Fell behind further than the room keeps, where that ends the connection.
    SlowConsumer = "slow_consumer", true;
    /// Said nothing for too long.
    Idle = "idle", true;
    /// The engine did not take a publish.
    Unavailable = "unavailable", false;
    /// Over a rate limit.
    RateLimited = "rate_limited", false;
    /// Too many errors in a short time.
    TooManyErrors = "too_many_errors", true;
    /// The server ends now.
    ShuttingDown = "shutting_down", true;
}

impl Code {
    /// The code that this word is, if version 1 knows it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_its_code() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
        }
        assert_eq!(Code::parse("Idle"), None);
        assert_eq!(Code::ALL.len(), 22);
    }

    #[test]
    fn the_fatal_ones_are_the_protocols() {
        let fatal: Vec<_> = Code::ALL.iter().filter(|c| c.is_fatal()).map(|c| c.as_str()).collect();
        let table = [
            "invalid_tag",
            "frame_too_large",
            "unauthorized",
            "session_taken",
            "slow_consumer",
            "idle",
            "too_many_errors",
            "shutting_down",
        ];
        assert_eq!(fatal, table);
    }
}
