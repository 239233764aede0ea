//! Goal: behind a load balancer the server knows whom it talks to, and believes nobody else (reliability
//! W18).
//! Method: PROXY headers of both versions, good and bad, from an address that is a balancer and from one
//! that is not; a handler answers with the peer's address as the server knows it.

use std::time::Duration;

use bytes::Bytes;
use tagwire::handler::{Context, HandlerError};
use tagwire::limits::Settings;
use tagwire::session::{Closed, Proxied, Refused};
use tokio::time::interval;

#[cfg(feature = "cli")]
use crate::support::Binary;
use crate::support::{ClientHello, DEADLINE, PlainPeer, RawPeer, TestServer, eventually, frame};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Where connections come from that are no balancer's.
const STRANGER: [u8; 4] = [127, 0, 0, 2];

async fn whoami(context: Context, _: Bytes) -> Result<Option<Bytes>, HandlerError> {
    Ok(Some(context.peer().address.to_string().into()))
}

/// A server behind a balancer at 127.0.0.1; no source is left alone.
async fn server(change: impl FnOnce(&mut Settings)) -> TestServer {
    let behind = |s: &mut Settings| {
        s.proxy.from = vec!["127.0.0.1/32".parse().unwrap()];
        s.limits.exempt = Vec::new();
        s.timeouts.handshake = DEADLINE * 2;
        change(s);
    };
    TestServer::build(behind, |builder| builder.route(0x20, whoami)).await
}

/// A header of version 1.
fn v1(source: &str) -> Vec<u8> {
    format!("PROXY TCP4 {source} 203.0.113.1 1234 4433\r\n").into()
}

/// A header of version 2.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

/// A header of version 2 with IPv6 addresses: `2001:db8::` and the last two bytes.
fn v2_ipv6(last: [u8; 2]) -> Vec<u8> {
    let mut body = [0; 36];
    body[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
    body[14..16].copy_from_slice(&last);
    body[32..34].copy_from_slice(&1234_u16.to_be_bytes());
    v2(0x21, 0x21, &body)
}

/// Who the server thinks that the peer is.
async fn known_as(peer: &mut RawPeer) -> String {
    peer.send(frame(0x20, "")).await;
    String::from_utf8(peer.frame().await.payload).unwrap()
}

#[tokio::test]
async fn a_header_tells_whom_the_balancer_speaks_for() {
    let server = server(|_| {}).await;
    let v4 = [192, 0, 2, 7, 203, 0, 113, 1, 0x04, 0xd2, 0x11, 0x51];
    let with_more = [&v4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
    for (header, address) in [
        (v1("192.0.2.7"), "192.0.2.7:1234"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 1234 4433\r\n".to_vec(), "[2001:db8::7]:1234"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1234 4433\r\n".to_vec(), "192.0.2.7:1234"),
        (v2(0x21, 0x11, &v4), "192.0.2.7:1234"),
        (v2(0x21, 0x11, &with_more), "192.0.2.7:1234"),
        (v2_ipv6([0, 7]), "[2001:db8::7]:1234"),
    ] {
        let mut peer = server.connect().preface(&header).open().await;
        assert_eq!(known_as(&mut peer).await, address);
    }
    assert_eq!(server.proxied(Proxied::Address), 6);
    for own in [v2(0x20, 0, &[]), v2(0x20, 0x11, &v4), b"PROXY UNKNOWN\r\n".to_vec()] {
        let mut peer = server.connect().preface(&own).open().await;
        assert!(known_as(&mut peer).await.starts_with("127.0.0.1:"), "{own:?}");
    }
    assert_eq!(server.proxied(Proxied::Local), 3);
    assert_eq!(server.tally().accepted, 9);
}

#[tokio::test]
async fn a_header_may_come_in_pieces_or_with_what_follows() {
    let server = server(|_| {}).await;
    let hello = ClientHello::new().records();
    for header in [v1("192.0.2.7"), v2_ipv6([0, 7]), b"PROXY UNKNOWN\r\n".to_vec()] {
        let all = [&header[..], &hello].concat();
        let mut glued = server.plain().await;
        glued.send(&all).await;
        assert_eq!(glued.some().await[..3], [0x16, 3, 3], "a ServerHello: {header:?}");
        let mut split = server.plain().await;
        let mut tick = interval(Duration::from_millis(1));
        for byte in &all {
            tick.tick().await;
            split.send(&[*byte]).await;
        }
        assert_eq!(split.some().await[..3], [0x16, 3, 3], "a ServerHello: {header:?}");
    }
}

#[tokio::test]
async fn nobody_but_a_balancer_is_believed() {
    let server = server(|_| {}).await;
    let hello = ClientHello::new().records();
    for header in [v1("192.0.2.7"), v2_ipv6([0, 7]), v2(0x20, 0, &[])] {
        let mut liar = PlainPeer::connect_from(STRANGER, server.address).await;
        liar.send(&[&header[..], &hello].concat()).await;
        let (answer, _) = liar.rest().await;
        assert!(answer.is_empty() || answer.len() == 7 && answer[0] == 0x15, "{answer:x?}");
    }
    server.wait_closed(Closed::Handshake, 3).await;
    let mut honest = server.connect().source(STRANGER).open().await;
    assert!(known_as(&mut honest).await.starts_with("127.0.0.2:"));
    assert_eq!(server.tally().proxied, [0; Proxied::ALL.len()]);
}

#[tokio::test]
async fn a_balancer_must_say_whom_it_speaks_for() {
    let server = server(|_| {}).await;
    let hello = ClientHello::new().records();
    let long = [&b"PROXY TCP4 "[..], &[b'1'; 100]].concat();
    let bad: &[&[u8]] = &[
        &hello,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 192.0.2.777 203.0.113.1 1 2\r\n",
        &long,
        &v2(0x21, 0x11, &[0; 11]),
        &v2(0x31, 0x11, &[0; 12]),
        &v2(0x21, 0x11, &[0; 521]),
        &[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(),
    ];
    for bytes in bad {
        let mut peer = server.plain().await;
        peer.send(bytes).await;
        peer.expect_refusal().await;
    }
    assert_eq!(server.proxied(Proxied::Malformed), bad.len() as u64);
    assert_eq!((server.tally().accepted, server.tally().refused.iter().sum::<u64>()), (0, 0));
}

#[tokio::test]
async fn a_balancer_that_says_nothing_is_given_up() {
    let server = server(|s| s.timeouts.handshake = Duration::from_millis(300)).await;
    let header = v1("192.0.2.7");
    for begun in [&b""[..], &header[..1], &header[..header.len() - 1], &SIGNATURE[..3]] {
        let mut peer = server.plain().await;
        peer.send(begun).await;
        peer.expect_refusal().await;
    }
    assert_eq!(server.proxied(Proxied::Late), 4);
    // With a header, what is left of the time is the handshake's.
    let mut peer = server.plain().await;
    peer.send(&header).await;
    assert!(peer.rest().await.0.is_empty());
    server.wait_closed(Closed::Handshake, 1).await;
}

#[tokio::test]
async fn limits_count_the_real_source() {
    let server = server(|s| s.limits.connections_per_ip = 2).await;
    let open = async |header: Vec<u8>| server.connect().preface(header).try_open().await;
    let mut inside = Vec::new();
    for _ in 0..2 {
        inside.push(open(v1("192.0.2.7")).await.unwrap());
        // An IPv6 /64 is one, whatever the rest.
        inside.push(open(v2_ipv6([9, inside.len() as u8])).await.unwrap());
        inside.push(open(v1("192.0.2.8")).await.unwrap());
    }
    for header in [v1("192.0.2.7"), v2_ipv6([1, 2]), v1("192.0.2.8")] {
        let error = open(header).await.err().unwrap().to_string();
        assert!(error.contains("AccessDenied"), "{error}");
    }
    assert_eq!((server.refused(Refused::ConnectionsPerIp), server.tally().open), (3, 6));
    // The balancer itself is not limited.
    for _ in 0..5 {
        inside.push(open(b"PROXY UNKNOWN\r\n".to_vec()).await.unwrap());
    }
    for peer in &mut inside {
        peer.expect_alive().await;
    }
    drop(inside);
    server.wait_open(0).await;
    let again = open(v1("192.0.2.7")).await.unwrap();
    let tally = server.tally();
    assert_eq!((tally.accepted, tally.open), (12, 1));
    assert_eq!(tally.accepted, tally.open + tally.closed.iter().sum::<u64>());
    drop(again);
}

#[tokio::test]
async fn connections_that_have_not_said_it_yet_count_in_all() {
    let server = server(|s| s.limits.connections = 2).await;
    let first = server.plain().await;
    let _second = server.plain().await;
    server.plain().await.expect_refusal().await;
    assert_eq!((server.refused(Refused::Connections), server.tally().accepted), (1, 0));
    drop(first);
    eventually("its place is free", || server.proxied(Proxied::Absent) == 1).await;
    let connect = async || server.connect().preface(v1("192.0.2.7")).try_open().await;
    let mut peer = connect().await;
    while peer.is_err() {
        peer = connect().await;
    }
    peer.unwrap().expect_alive().await;
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_health_check_is_no_news_and_a_balancer_without_headers_is() {
    let binary = Binary::with(&["proxy.from=[\"127.0.0.1\"]"]);
    for _ in 0..20 {
        drop(PlainPeer::connect(binary.address).await);
        PlainPeer::connect(binary.address).await.reset();
    }
    let mut wrong = PlainPeer::connect(binary.address).await;
    wrong.send(&ClientHello::new().records()).await;
    wrong.expect_refusal().await;
    eventually("it is said", || binary.stderr().contains("PROXY")).await;
    let said = binary.stderr();
    let lines: Vec<_> = said.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].contains("malformed") && lines[0].contains("127.0.0.1"), "{said}");
}
