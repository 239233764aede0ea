//! What a connection speaks.

/// What a connection speaks, decided once (docs/protocol.md, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Frames.
    Frames,
    /// Lines, for a person.
    Lines,
    /// HTTP.
    Http,
}

impl Speaks {
    /// What a peer speaks who offers nothing by ALPN, by its first byte; `None` for nothing.
    ///
    /// The first frame has a built-in tag, so that no byte can be read two ways.
    pub const fn by_first_byte(first: u8) -> Option<Self> {
        match first {
            0x01..=0x0f => Some(Self::Frames),
            b'/' | b'{' => Some(Self::Lines),
            b'A'..=b'Z' => Some(Self::Http),
            _ => None,
        }
    }
}
