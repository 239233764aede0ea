//! One peer without its socket: who it is, whether it lives, and the box that others leave mail in.
//!
//! Time is an argument here; nothing knows rooms, TLS or tasks.

mod mailbox;
mod vitals;

use std::net::SocketAddr;

pub use mailbox::{Bell, Mail, Mailbox, Parcel};
pub use vitals::{Due, Vitals};

use crate::tls::PeerTls;

/// What is known of a peer once its handshake is done.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Where it connected from.
    pub address: SocketAddr,
    /// What TLS agreed on; `None` over a transport without TLS, as in tests.
    pub tls: Option<PeerTls>,
}
