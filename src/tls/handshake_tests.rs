//! Goal: what may be negotiated is what docs/protocol.md, section 1, allows. Method: handshakes in
//! memory between our server and clients of several tastes.

#![allow(clippy::unwrap_used, reason = "a test may end here")]

use std::sync::Arc;

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, HandshakeKind, RootCertStore,
    ServerConnection, SupportedCipherSuite, SupportedProtocolVersion, version,
};

use super::pem::Pem;
use super::testing::shake;
use super::{Alpn, ClientTls, DevCerts, Options, PeerTls, ServerTls, What};

/// A server, and the certificates it was made of.
fn server() -> (ServerTls, DevCerts) {
    let certs = DevCerts::issue(&Options::default()).unwrap();
    let (cert, key) = (&certs.server.cert, &certs.server.key);
    (ServerTls::from_pem(cert.as_bytes(), key.as_bytes()).unwrap(), certs)
}

/// Somebody else's client.
struct Taste {
    version: &'static SupportedProtocolVersion,
    groups: Vec<&'static dyn SupportedKxGroup>,
    suites: Vec<SupportedCipherSuite>,
    alpn: Vec<Vec<u8>>,
}

impl Default for Taste {
    fn default() -> Self {
        let provider = default_provider();
        Self {
            version: &version::TLS13,
            groups: provider.kx_groups,
            suites: provider.cipher_suites,
            alpn: Vec::new(),
        }
    }
}

impl Taste {
    fn config(self, certs: &DevCerts) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let pem = Pem::from_bytes(What::Authorities, certs.ca.cert.as_bytes());
        roots.add(pem.certificates().unwrap().remove(0)).unwrap();
        let provider = rustls::crypto::CryptoProvider {
            kx_groups: self.groups,
            cipher_suites: self.suites,
            ..default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = self.alpn;
        config
    }
}

fn pair(tls: &ServerTls, config: &Arc<ClientConfig>) -> (ClientConnection, ServerConnection) {
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::clone(config), name).unwrap();
    (client, ServerConnection::new(tls.config()).unwrap())
}

/// Both ends after a handshake that must succeed.
fn met(taste: Taste) -> (ClientConnection, ServerConnection) {
    let (tls, certs) = server();
    let (mut client, mut server) = pair(&tls, &Arc::new(taste.config(&certs)));
    assert_eq!(shake(&mut client, &mut server), (Ok(()), Ok(())));
    (client, server)
}

#[test]
fn our_client_gets_the_best_of_everything() {
    let (tls, certs) = server();
    let ours = ClientTls::with_ca_pem(certs.ca.cert.as_bytes()).unwrap();
    let (mut client, mut server) = pair(&tls, &ours.config());
    assert_eq!(PeerTls::of(&server), None);
    assert_eq!(shake(&mut client, &mut server), (Ok(()), Ok(())));
    let expected = PeerTls {
        version: "TLSv1.3",
        key_exchange: "X25519MLKEM768",
        cipher: "TLS_AES_128_GCM_SHA256",
        alpn: Some(Alpn::Tagwire),
        resumed: false,
    };
    assert_eq!(PeerTls::of(&server), Some(expected));
    assert_eq!(PeerTls::of(&client), Some(expected));
    assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn a_client_of_tls_1_2_is_served_with_ephemeral_keys_and_aead() {
    let (_, server) = met(Taste { version: &version::TLS12, ..Taste::default() });
    let peer = PeerTls::of(&server).unwrap();
    assert_eq!((peer.version, peer.key_exchange), ("TLSv1.2", "X25519"));
    assert_eq!(peer.cipher, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
}

#[test]
fn the_servers_order_of_cipher_suites_wins() {
    let suites = vec![
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_AES_128_GCM_SHA256,
    ];
    let (_, server) = met(Taste { suites, ..Taste::default() });
    assert_eq!(PeerTls::of(&server).unwrap().cipher, "TLS_AES_128_GCM_SHA256");
}

#[test]
fn each_group_alone_is_accepted_without_a_retry() {
    for (group, name) in [
        (kx_group::X25519, "X25519"),
        (kx_group::SECP256R1, "P-256"),
        (kx_group::SECP384R1, "P-384"),
        (kx_group::X25519MLKEM768, "X25519MLKEM768"),
    ] {
        let (_, server) = met(Taste { groups: vec![group], ..Taste::default() });
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full), "{name}");
        assert_eq!(PeerTls::of(&server).unwrap().key_exchange, name);
    }
}

#[test]
fn a_client_that_prefers_x25519_is_not_asked_to_retry_for_more() {
    let groups = vec![kx_group::X25519, kx_group::X25519MLKEM768];
    let (_, server) = met(Taste { groups, ..Taste::default() });
    assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
    assert_eq!(PeerTls::of(&server).unwrap().key_exchange, "X25519");
}

#[test]
fn alpn_is_the_servers_choice_among_what_is_offered() {
    for (offer, chosen) in [
        (vec!["http/1.1", "tagwire/1"], Some(Alpn::Tagwire)),
        (vec!["h2", "http/1.1"], Some(Alpn::Http)),
        (vec![], None),
    ] {
        let alpn = offer.iter().map(|name| name.as_bytes().to_vec()).collect();
        let (_, server) = met(Taste { alpn, ..Taste::default() });
        assert_eq!(PeerTls::of(&server).unwrap().alpn, chosen, "{offer:?}");
    }
}

#[test]
fn a_foreign_alpn_ends_the_handshake_with_its_alert() {
    for version in [&version::TLS13, &version::TLS12] {
        for name in [b"foo".to_vec(), vec![b'x'; 255]] {
            let (tls, certs) = server();
            let taste = Taste { version, alpn: vec![name], ..Taste::default() };
            let (mut client, mut server) = pair(&tls, &Arc::new(taste.config(&certs)));
            let (at_client, at_server) = shake(&mut client, &mut server);
            assert_eq!(at_server, Err(Error::NoApplicationProtocol));
            let alert = AlertDescription::NoApplicationProtocol;
            assert_eq!(at_client, Err(Error::AlertReceived(alert)));
        }
    }
}

#[test]
fn one_ticket_is_sent_and_it_resumes_without_early_data() {
    let (tls, certs) = server();
    let mut config = Taste::default().config(&certs);
    config.enable_early_data = true;
    let config = Arc::new(config);
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let (mut client, mut server) = pair(&tls, &config);
        assert!(client.early_data().is_none(), "the ticket allows early data");
        assert_eq!(shake(&mut client, &mut server), (Ok(()), Ok(())));
        assert_eq!(server.handshake_kind(), Some(expected));
        assert_eq!(client.tls13_tickets_received(), 1);
        assert!(server.early_data().is_none());
    }
}

#[test]
fn tls_1_2_resumes_by_ticket() {
    let (tls, certs) = server();
    let taste = Taste { version: &version::TLS12, ..Taste::default() };
    let config = Arc::new(taste.config(&certs));
    for (expected, key_exchange) in
        [(HandshakeKind::Full, "X25519"), (HandshakeKind::Resumed, "none")]
    {
        let (mut client, mut server) = pair(&tls, &config);
        assert_eq!(shake(&mut client, &mut server), (Ok(()), Ok(())));
        assert_eq!(server.handshake_kind(), Some(expected));
        assert_eq!(PeerTls::of(&server).unwrap().key_exchange, key_exchange);
    }
}

#[test]
fn a_client_does_not_trust_another_authority() {
    let ((tls, _), (_, others)) = (server(), server());
    let stranger = ClientTls::with_ca_pem(others.ca.cert.as_bytes()).unwrap();
    let (mut client, mut server) = pair(&tls, &stranger.config());
    let (at_client, at_server) = shake(&mut client, &mut server);
    assert!(matches!(at_client, Err(Error::InvalidCertificate(_))), "{at_client:?}");
    assert_eq!(at_server, Err(Error::AlertReceived(AlertDescription::UnknownCA)));
}

#[test]
fn a_client_with_an_identity_of_its_own_is_made_from_either_kind_of_source() {
    let (_, certs) = server();
    let ours = ClientTls::with_ca_pem(certs.ca.cert.as_bytes()).unwrap();
    let (_, me) = &certs.clients[0];
    let me = ours.with_identity_pem(me.cert.as_bytes(), me.key.as_bytes()).unwrap();
    assert!(me.config().client_auth_cert_resolver.has_certs());

    let dir = tempfile::tempdir().unwrap();
    certs.write_to(dir.path(), false).unwrap();
    let file = |name: &str| dir.path().join(name);
    let me = ClientTls::with_ca_file(file("ca.pem")).unwrap();
    me.with_identity_files(file("client.pem"), file("client.key")).unwrap();
}
