//! Goal: TLS decides what is spoken, and no handshake, however strange, slow or often renewed, costs
//! anybody else anything (reliability T; docs/protocol.md, section 1).
//! Method: rustls as a client with unusual settings, ClientHellos made by hand, and the openssl program.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, HandshakeKind, NamedGroup, SignatureScheme};
use tagwire::session::Closed;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

#[cfg(feature = "cli")]
use crate::support::Binary;
use crate::support::{ClientHello, DEADLINE, End, PlainPeer, TestServer, alone, eventually};

#[tokio::test]
async fn alpn_decides_what_is_spoken() {
    let server = TestServer::start().await;
    for (offered, chosen) in [
        (&["tagwire/1"][..], Some("tagwire/1")),
        (&["http/1.1"], Some("http/1.1")),
        (&["tagwire/1", "http/1.1"], Some("tagwire/1")),
        (&["http/1.1", "tagwire/1"], Some("tagwire/1")),
        (&["h2", "http/1.1"], Some("http/1.1")),
        (&["foo", "tagwire/1"], Some("tagwire/1")),
        (&[], None),
    ] {
        let mut peer = server.connect().alpn(offered).open().await;
        let protocol = peer.tls().alpn_protocol().map(|name| String::from_utf8_lossy(name).into());
        assert_eq!(protocol, chosen.map(str::to_owned), "{offered:?}");
        if chosen == Some("http/1.1") {
            // A frame is no request, and its answer is no frame.
            peer.send(b"\x03\0\0\0\x02\0x\r\n").await;
            assert!(peer.rest().await.0.starts_with(b"HTTP/1.1 400"), "{offered:?}");
        } else {
            peer.expect_alive().await;
        }
    }
}

#[tokio::test]
async fn what_nobody_speaks_here_fails_the_handshake() {
    let server = TestServer::start().await;
    let long = "x".repeat(255);
    let (tab, prefix, longer) = ("tagwire/1\0", "tagwire", "tagwire/1/1");
    for offered in [&["foo"][..], &["h2"], &[&long], &[tab], &[prefix], &[longer], &["TAGWIRE/1"]] {
        let error = server.connect().alpn(offered).try_open().await.err().unwrap();
        let error = error.into_inner().unwrap().downcast::<rustls::Error>().unwrap();
        let alert = rustls::AlertDescription::NoApplicationProtocol;
        assert_eq!(*error, rustls::Error::AlertReceived(alert), "{offered:?}");
    }
    // Lists that no library sends: an empty one, an empty name, a name that is cut, no list.
    for list in [&b"\0\0"[..], b"\0\x01\0", b"\0\x05\x03fo", b""] {
        let mut peer = server.plain().await;
        peer.send(&ClientHello::new().extension(16, list).records()).await;
        let (answer, _) = peer.rest().await;
        assert_eq!((answer.len(), answer[0], answer[5]), (7, 0x15, 2), "{list:x?}: {answer:x?}");
    }
    server.wait_closed(Closed::Handshake, 7 + 4).await;
}

/// Trusts every certificate: whom a client asks for is not what these tests are about.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }
}

#[tokio::test]
async fn whatever_name_is_asked_for_the_one_certificate_is_shown() {
    let server = TestServer::start().await;
    for name in ["localhost", "127.0.0.1", "::1", "elsewhere.example", "192.0.2.1"] {
        let connect = server.connect().name(name.try_into().unwrap());
        let trusting = |config: &mut rustls::ClientConfig| {
            config.dangerous().set_certificate_verifier(Arc::new(Trusting));
        };
        connect.tls(trusting).open().await.expect_alive().await;
    }
    let nameless = server.connect().tls(|config| config.enable_sni = false);
    nameless.open().await.expect_alive().await;
}

#[tokio::test]
async fn a_name_that_is_none_is_answered_by_a_hello_or_an_alert() {
    let server = TestServer::start().await;
    let long = "a.".repeat(150) + "example";
    let names = [&b"127.0.0.1"[..], b"::1", long.as_bytes(), b"", b"\0\xff", b"a b", b"-.-"];
    for name in names {
        let mut peer = server.plain().await;
        peer.send(&ClientHello::new().server_name(name).records()).await;
        let answer = peer.some().await;
        let what = String::from_utf8_lossy(name);
        assert!(matches!(answer[..], [0x16, 3, 3, ..] | [0x15, 3, 3, 0, 2, 2, _]), "{what}");
    }
    // Also a list of names that is broken.
    for extension in [&b""[..], b"\0", b"\0\x09\0\0\x20name", b"\xff\xff\0\0\x01a"] {
        let mut peer = server.plain().await;
        peer.send(&ClientHello::new().extension(0, extension).records()).await;
        let (answer, _) = peer.rest().await;
        assert_eq!((answer.len(), answer[0]), (7, 0x15), "{answer:x?}");
    }
    server.peer().await.expect_alive().await;
}

/// So many ClientHellos at a byte each `pace`, and at the same time normal handshakes, 50 a second; how
/// long those took, sorted, and how long the slow ones were there at most.
async fn slow_hellos(
    count: usize,
    pace: Duration,
    handshake: Duration,
    handshakes: usize,
) -> (Vec<Duration>, Duration) {
    let _alone = alone().await;
    let server = TestServer::with(|s| {
        s.timeouts.handshake = handshake;
        // Fewer places than there are slow ones: they take none.
        s.limits.handshakes = 2;
    })
    .await;
    let mut slow = JoinSet::new();
    for _ in 0..count {
        let peer = server.plain().await;
        slow.spawn(async move {
            let start = Instant::now();
            peer.drip(pace).await;
            start.elapsed()
        });
    }
    server.wait_open(count as u64).await;
    let mut normal = JoinSet::new();
    let mut tick = interval(Duration::from_millis(20));
    for _ in 0..handshakes {
        tick.tick().await;
        let connect = server.connect();
        normal.spawn(async move {
            let start = Instant::now();
            connect.open().await.expect_alive().await;
            start.elapsed()
        });
    }
    let mut times = normal.join_all().await;
    times.sort();
    // None of them, the first neither, has waited for a slow one to be given up.
    assert!(*times.last().unwrap() < handshake / 2, "{times:?}");
    let slow = slow.join_all().await;
    assert!(*slow.iter().min().unwrap() >= handshake - Duration::from_millis(100), "{slow:?}");
    server.wait_closed(Closed::Handshake, count as u64).await;
    let tally = server.tally();
    assert_eq!((tally.accepted, tally.refused.iter().sum()), ((count + handshakes) as u64, 0));
    (times, slow.into_iter().max().unwrap())
}

#[tokio::test]
async fn slow_hellos_are_given_up_and_hold_up_nobody() {
    let (pace, handshake) = (Duration::from_millis(200), Duration::from_secs(3));
    let (_, longest) = slow_hellos(50, pace, handshake, 50).await;
    assert!(longest < handshake + Duration::from_secs(5), "{longest:?}");
}

#[tokio::test]
#[ignore = "long: 500 connections for 5 s"]
async fn five_hundred_slow_hellos_hold_up_nobody() {
    let (times, longest) =
        slow_hellos(500, Duration::from_secs(1), Duration::from_secs(5), 200).await;
    println!("normal p99 {:?}, slow ones gone after {longest:?} at most", times[197]);
    assert!(longest <= Duration::from_secs(6), "{longest:?}");
    assert!(times[197] <= Duration::from_millis(250), "{times:?}");
}

#[cfg(feature = "cli")]
async fn large_hellos(count: u64) {
    let _alone = alone().await;
    // Nothing but their size can end them.
    let binary = Binary::with(&["timeouts.handshake=30m"]);
    let hello = ClientHello::new().extension(0xfafa, &vec![7; 60 << 10]).records();
    let mut peers = Vec::new();
    let mut before = 0;
    // The first ones show what is taken once.
    for number in 0..20 + count {
        if number == 20 {
            before = binary.rss();
        }
        let mut peer = PlainPeer::connect(binary.address).await;
        // All but the end, so that nothing can be answered; what is too much may meet nobody.
        let _ = peer.0.write_all(&hello[..hello.len() - 1]).await;
        peers.push(peer);
    }
    for peer in &mut peers {
        assert_eq!(peer.rest().await.0, b"", "nobody can know what to say");
    }
    let growth = binary.peak() - before;
    assert!(growth <= 32 * count, "{growth} KiB");
    binary.peer().await.expect_alive().await;
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_large_hello_is_refused_by_its_size() {
    large_hellos(100).await;
}

#[cfg(feature = "cli")]
#[tokio::test]
#[ignore = "long: 1,000 connections of 60 KiB"]
async fn a_thousand_large_hellos_are_refused_by_their_size() {
    large_hellos(1000).await;
}

#[tokio::test]
async fn a_hello_of_one_byte_a_record_is_understood_or_refused() {
    let server = TestServer::with(|s| s.timeouts.handshake = DEADLINE * 2).await;
    let hello = ClientHello::new().records();
    let records: Vec<_> = hello[5..].iter().flat_map(|&b| [0x16, 3, 1, 0, 1, b]).collect();
    let mut peer = server.plain().await;
    peer.send(&records).await;
    assert!(matches!(peer.some().await[..], [0x15 | 0x16, 3, 3, ..]));
    server.peer().await.expect_alive().await;
}

#[tokio::test]
async fn a_flood_of_key_updates_ends_the_connection() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    // Some now and then are everybody's right.
    for _ in 0..100 {
        peer.tls().refresh_traffic_keys().unwrap();
        peer.expect_alive().await;
    }
    for _ in 0..33 {
        peer.tls().refresh_traffic_keys().unwrap();
    }
    let _ = peer.flush().await;
    assert_ne!(peer.rest().await.1, End::Goodbye);
    server.wait_closed(Closed::Broken, 1).await;
    server.peer().await.expect_alive().await;
}

/// An alert that is not fatal (`user_canceled`), and a ChangeCipherSpec, as records.
const WARNING: [u8; 7] = [0x15, 3, 1, 0, 2, 1, 90];
const CHANGE_CIPHER_SPEC: [u8; 6] = [0x14, 3, 3, 0, 1, 1];

#[tokio::test]
async fn floods_before_the_handshake_end_it_at_once() {
    let server = TestServer::with(|s| s.timeouts.handshake = DEADLINE * 2).await;
    let empty = [0x16, 3, 1, 0, 0];
    for (what, record) in
        [("warnings", &WARNING[..]), ("ChangeCipherSpec", &CHANGE_CIPHER_SPEC), ("empty", &empty)]
    {
        let mut peer = server.plain().await;
        peer.send(&record.repeat(33)).await;
        let (answer, _) = peer.rest().await;
        assert!(answer.is_empty() || answer[0] == 0x15 && answer.len() == 7, "{what}: {answer:x?}");
    }
    server.wait_closed(Closed::Handshake, 3).await;
}

/// Asks for renegotiation twice; what the client says of it.
async fn renegotiate(address: SocketAddr) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &address.to_string()])
        .args(["-alpn", "tagwire/1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this test needs the openssl program: install the package openssl");
    let mut stdin = client.stdin.take().unwrap();
    // A line `R` asks for it. Openssl reads it when its handshake is done.
    stdin.write_all(b"R\nR\n").unwrap();
    let mut ended = None;
    eventually("the client ends", || {
        ended = client.try_wait().unwrap();
        ended.is_some()
    })
    .await;
    std::io::read_to_string(client.stderr.take().unwrap()).unwrap()
}

#[tokio::test]
async fn renegotiation_is_refused() {
    let server = TestServer::start().await;
    let said = renegotiate(server.address).await;
    assert!(said.contains("renegotiat"), "{said}");
    server.wait_open(0).await;
    server.peer().await.expect_alive().await;
}

/// What each of many connections costs the server's processor, from its beginning to its end.
#[cfg(feature = "cli")]
async fn expect_cheap(binary: &Binary, what: &str, one: impl AsyncFn()) {
    const TIMES: u32 = 10;
    let before = binary.cpu();
    for _ in 0..TIMES {
        one().await;
    }
    let each = (binary.cpu() - before) / TIMES;
    println!("{what}: {each:?}");
    assert!(each < Duration::from_millis(10), "{what}: {each:?}");
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn floods_cost_less_than_10_ms_of_the_processor() {
    let _alone = alone().await;
    // Nothing but the flood ends them.
    let binary = Binary::with(&["timeouts.handshake=30m"]);
    expect_cheap(&binary, "renegotiation", async || {
        renegotiate(binary.address).await;
    })
    .await;
    expect_cheap(&binary, "33 KeyUpdates", async || {
        let mut peer = binary.peer().await;
        for _ in 0..33 {
            peer.tls().refresh_traffic_keys().unwrap();
        }
        let _ = peer.flush().await;
        assert_ne!(peer.rest().await.1, End::Goodbye);
    })
    .await;
    let [warnings, changes] = [WARNING.repeat(5), CHANGE_CIPHER_SPEC.repeat(3)];
    for (what, records) in [("5 warnings", warnings), ("3 ChangeCipherSpec", changes)] {
        expect_cheap(&binary, what, async || {
            let mut peer = PlainPeer::connect(binary.address).await;
            peer.send(&records).await;
            let (answer, _) = peer.rest().await;
            assert!(answer.is_empty() || answer[0] == 0x15 && answer.len() == 7, "{answer:x?}");
        })
        .await;
    }
    binary.peer().await.expect_alive().await;
}

/// Keeps a client's tickets, and counts them.
#[derive(Debug)]
struct Tickets {
    kept: ClientSessionMemoryCache,
    given: AtomicUsize,
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.kept.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.kept.set_tls12_session(name, value);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.kept.tls12_session(name)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.kept.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.given.fetch_add(1, Ordering::SeqCst);
        self.kept.insert_tls13_ticket(name, value);
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept.take_tls13_ticket(name)
    }
}

#[tokio::test]
async fn there_is_one_ticket_and_no_early_data() {
    let server = TestServer::start().await;
    let tickets = Tickets { kept: ClientSessionMemoryCache::new(8), given: AtomicUsize::new(0) };
    let tickets = Arc::new(tickets);
    for (number, kind) in
        [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed].iter().enumerate()
    {
        let store = tickets.clone();
        let early = |config: &mut rustls::ClientConfig| {
            config.resumption = Resumption::store(store);
            config.enable_early_data = true;
        };
        let mut peer = server.connect().tls(early).open().await;
        assert!(peer.tls().early_data().is_none(), "the ticket allows early data");
        peer.expect_alive().await;
        assert_eq!(peer.tls().handshake_kind(), Some(*kind));
        assert!(!peer.tls().is_early_data_accepted());
        assert_eq!(tickets.given.load(Ordering::SeqCst), number + 1, "one ticket a connection");
    }
}

#[tokio::test]
async fn early_data_of_a_stranger_is_not_acted_on() {
    let server = TestServer::start().await;
    // Says that early data follows, without a ticket that allows it, and sends some.
    let hello = ClientHello::new().extension(42, b"").records();
    let early = [&[0x17, 3, 3, 0, 64][..], &[0x55; 64]].concat();
    let mut peer = server.plain().await;
    peer.send(&[hello, early].concat()).await;
    let answer = peer.some().await;
    assert!(matches!(answer[..], [0x15 | 0x16, 3, 3, ..]), "{answer:x?}");
    drop(peer);
    server.wait_closed(Closed::Handshake, 1).await;
    assert_eq!(server.tally().published, 0);
}
