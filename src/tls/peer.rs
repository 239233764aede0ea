//! What a handshake settled, in words that can be logged and counted.

use std::fmt;

use rustls::{CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion};

/// A protocol that the server offers by ALPN (docs/protocol.md, section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alpn {
    /// `tagwire/1`: frames.
    Tagwire,
    /// `http/1.1`: HTTP, and from there WebSocket.
    Http,
}

impl Alpn {
    /// All of them, in the server's order of preference.
    pub const ALL: [Self; 2] = [Self::Tagwire, Self::Http];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tagwire => "tagwire/1",
            Self::Http => "http/1.1",
        }
    }

    /// The name on the wire, as bytes.
    pub const fn as_bytes(self) -> &'static [u8] {
        self.as_str().as_bytes()
    }
}

impl fmt::Display for Alpn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one handshake settled. The words are few and fixed, so they can be labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerTls {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The group, such as `X25519MLKEM768`; `none` where a TLS 1.2 session was resumed without one.
    pub key_exchange: &'static str,
    /// The cipher suite by its registered name, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// The protocol chosen by ALPN; `None` if the client offered none.
    pub alpn: Option<Alpn>,
    /// Whether an earlier session was gone on with, by a ticket, instead of a full handshake.
    pub resumed: bool,
}

impl PeerTls {
    /// Reads them from either side's connection; `None` before its handshake is complete.
    pub fn of(connection: &CommonState) -> Option<Self> {
        if connection.is_handshaking() {
            return None;
        }
        let offered = connection.alpn_protocol();
        Some(Self {
            version: version(connection.protocol_version()?),
            key_exchange: connection
                .negotiated_key_exchange_group()
                .map_or("none", |group| key_exchange(group.name())),
            cipher: cipher(connection.negotiated_cipher_suite()?.suite()),
            alpn: Alpn::ALL.into_iter().find(|alpn| offered == Some(alpn.as_bytes())),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }
}

fn version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "other",
    }
}

fn key_exchange(group: NamedGroup) -> &'static str {
    match group {
        NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        NamedGroup::X25519 => "X25519",
        NamedGroup::secp256r1 => "P-256",
        NamedGroup::secp384r1 => "P-384",
        _ => "other",
    }
}

/// The name that IANA registered, which differs from rustls' own for TLS 1.3.
fn cipher(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("other"),
    }
}
