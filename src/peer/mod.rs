//! One peer without its socket: who it is, whether it lives, and the box that others leave mail in.
//!
//! Time is an argument here; nothing knows rooms, TLS or tasks.

mod mailbox;
mod report;
mod vitals;

use std::net::SocketAddr;

pub use mailbox::{Bell, Mail, Mailbox, Parcel};
pub use report::{Lag, Report, Seated, Traffic};
pub use vitals::{Due, Vitals};

use crate::tls::PeerTls;

/// What is known of a peer once its handshake is done.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Where it connected from.
    pub address: SocketAddr,
    /// What TLS agreed on; `None` over a transport without TLS, as in tests.
    pub tls: Option<PeerTls>,
    /// What it speaks.
    pub speaks: Speaks,
}

/// What a connection speaks, decided once (docs/protocol.md, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speaks {
    /// Frames.
    Frames,
    /// Lines of text, for a person.
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

    /// The word for it in logs and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Lines => "lines",
            Self::Http => "http",
        }
    }
}
