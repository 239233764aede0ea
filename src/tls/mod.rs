//! TLS: certificates and keys from PEM, the server's and the client's configuration, certificates
//! for development. Knows no frames; the rest of the crate names no cryptography.
//!
//! One place decides what may be negotiated (docs/protocol.md, section 1): TLS 1.3 and 1.2, ephemeral
//! key exchange, AEAD only. The provider is passed explicitly and never installed for the process,
//! so an embedding program keeps its own.

mod chain;
mod client;
mod error;
mod failure;
mod issue;
mod peer;
mod pem;
mod server;
mod words;

#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::SupportedProtocolVersion;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};

pub use client::ClientTls;
pub use error::TlsError;
pub use failure::Failure;
pub use issue::{DevCerts, Identity, IssueError, Options};
pub use peer::{Alpn, PeerTls};
pub use server::ServerTls;
pub use words::{Date, Origin, PemFault, What};

/// What both sides speak, best first.
static VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// Cipher suites, best first: AES-128-GCM costs least where the processor has AES.
static CIPHER_SUITES: &[rustls::SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// Key exchanges, best first.
///
/// The order is the client's to use: as a server rustls takes the first group of the *client's* list
/// that stands here, so a client that knows only X25519 is never asked to try again. As a client it
/// sends shares for the first and for the X25519 inside it, which spares old servers a round trip.
static KEY_EXCHANGES: &[&dyn SupportedKxGroup] =
    &[kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// The cryptography of both sides: aws-lc-rs, reduced to what the protocol allows.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: CIPHER_SUITES.to_vec(),
        kx_groups: KEY_EXCHANGES.to_vec(),
        ..default_provider()
    })
}

/// The time since 1970, by which certificates are judged and dated.
fn since_epoch() -> Duration {
    // A clock before 1970 counts as 1970: every certificate is then refused as not valid yet.
    #[expect(
        clippy::disallowed_methods,
        reason = "dates of certificates are checked against the wall clock"
    )]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
