//! Goal: certificates and settings change while the server serves: no handshake fails, nobody is closed, and
//! what is bad changes nothing (reliability T12).
//! Method: the library's server by its handle; the binary by its files, with and without SIGHUP.

#[cfg(feature = "cli")]
mod binary;

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, HandshakeKind};
use tagwire::limits::Settings;
use tagwire::tls::{ClientTls, DevCerts, Options, ServerTls};

use crate::support::{ClientHello, DEADLINE, RawPeer, TestServer};

/// Certificates of another authority, as files would hold them.
struct Made {
    certs: DevCerts,
    client: Arc<ClientConfig>,
}

impl Made {
    fn new() -> Self {
        Self::with(&Options::default())
    }

    fn with(options: &Options) -> Self {
        let certs = DevCerts::issue(options).unwrap();
        let client = ClientTls::with_ca_pem(certs.ca.cert.as_bytes()).unwrap().config();
        Self { certs, client }
    }

    fn server(&self) -> ServerTls {
        let server = &self.certs.server;
        ServerTls::from_pem(server.cert.as_bytes(), server.key.as_bytes()).unwrap()
    }

    fn leaf(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certs.server.cert.as_bytes()).unwrap()
    }
}

/// The certificate that a peer was shown.
fn shown(peer: &mut RawPeer) -> CertificateDer<'static> {
    peer.tls().peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn the_next_handshake_shows_the_new_certificate_and_sessions_stay() {
    let server = TestServer::start().await;
    let mut before = server.member("r", "before").await;
    let made = Made::new();
    server.handle().set_tls(made.server());
    let mut after = server.connect_as(&made.client).open().await;
    assert_eq!(shown(&mut after), made.leaf());
    assert!(server.connect().try_open().await.is_err(), "the old one is still shown");
    after.join("r", "after").await;
    after.say("hello").await;
    assert_eq!(before.hear().await, b"hello");
}

#[tokio::test]
async fn a_ticket_from_before_is_a_full_handshake_and_then_resumes() {
    let server = TestServer::start().await;
    let first = Made::new();
    server.handle().set_tls(first.server());
    // One client, whose tickets are kept over its connections.
    let connect = async || {
        let mut peer = server.connect_as(&first.client).open().await;
        peer.expect_alive().await;
        peer.tls().handshake_kind().unwrap()
    };
    assert_eq!(connect().await, HandshakeKind::Full);
    assert_eq!(connect().await, HandshakeKind::Resumed);
    server.handle().set_tls(first.server());
    assert_eq!(
        connect().await,
        HandshakeKind::Full,
        "a ticket outlived the key that it stands for"
    );
    assert_eq!(connect().await, HandshakeKind::Resumed);
}

#[tokio::test]
async fn limits_count_from_now_on() {
    let server = TestServer::with(|s| {
        s.limits.handshakes = 1;
        s.timeouts.handshake = DEADLINE * 2;
    })
    .await;
    let mut settings = Settings::default();
    settings.timeouts.handshake = DEADLINE * 2;
    let mut peer = server.member("r", "ann").await;
    settings.limits.connections = 1;
    settings.limits.handshakes = 1;
    server.handle().set_settings(settings.clone());
    assert!(server.connect().try_open().await.is_err());
    peer.expect_alive().await;
    settings.limits.connections = 3;
    server.handle().set_settings(settings.clone());
    // It has the one place among the handshakes, and goes no further.
    let mut halfway = server.plain().await;
    halfway.send(&ClientHello::new().records()).await;
    halfway.some().await;
    settings.limits.handshakes = 2;
    server.handle().set_settings(settings);
    server.peer().await.expect_alive().await;
}
