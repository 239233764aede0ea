//! The client's own name for a request.

use serde::{Serialize, Serializer};

/// The client's own name for a request, which the reply repeats.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestId {
    /// A text of at most [`RequestId::MAX_LEN`] bytes.
    Text(Box<str>),
    /// An integer from 0, kept exactly.
    Number(u64),
    /// An integer below 0, kept exactly.
    Negative(i64),
}

impl RequestId {
    /// Most bytes of a text.
    pub const MAX_LEN: usize = 64;
}

/// As it came in.
impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => s.serialize_str(text),
            Self::Number(number) => s.serialize_u64(*number),
            Self::Negative(number) => s.serialize_i64(*number),
        }
    }
}
