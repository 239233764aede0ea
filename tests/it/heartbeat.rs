//! Goal: the server finds out who is alive, and leaves the living alone (docs/protocol.md, sections 1
//! and 5).
//! Method: a server whose heartbeat is short, and peers that answer, stay silent, or say something else.

use std::time::Duration;

use serde_json::json;
use tagwire::session::Closed;
use tokio::time::{Instant, interval};

use crate::support::{DEADLINE, Frame, RawPeer, TestServer, control, ping, pong};

const INTERVAL: Duration = Duration::from_millis(400);

async fn server() -> TestServer {
    TestServer::with(|s| s.heartbeat.interval = INTERVAL).await
}

/// The opaque bytes of the next ping.
async fn pinged(peer: &mut RawPeer) -> Vec<u8> {
    let Frame { tag, payload } = peer.next().await;
    assert_eq!((tag, payload[0]), (0x03, 0), "{payload:?}");
    payload[1..].to_vec()
}

#[tokio::test]
async fn the_round_trip_of_each_pong_is_measured() {
    let server = server().await;
    let mut peer = server.peer().await;
    let stats = peer.request(json!({"op": "stats"}), "stats").await;
    assert_eq!(stats["rtt_us"]["last"], json!(null));
    let opaque = pinged(&mut peer).await;
    peer.send(pong(&opaque)).await;
    let first = peer.request(json!({"op": "stats"}), "stats").await["rtt_us"].clone();
    let [last, min, smoothed] = ["last", "min", "smoothed"].map(|name| first[name].as_u64());
    assert!(last.is_some() && last == min && last == smoothed, "{first}");
    // The same pong again is one that nobody asked for, and so is any other.
    peer.send([pong(&opaque), pong("whatever"), pong("")].concat()).await;
    let again = peer.request(json!({"op": "stats"}), "stats").await["rtt_us"].clone();
    assert_eq!(again, first);
    let next = pinged(&mut peer).await;
    assert_ne!(next, opaque, "each ping has a number of its own");
    peer.send(pong(&next)).await;
    let later = peer.request(json!({"op": "stats"}), "stats").await["rtt_us"].clone();
    assert!(later["last"].is_u64() && later["min"].as_u64() <= min, "{later}");
}

#[tokio::test]
async fn a_peer_that_answers_no_two_pings_is_closed_and_leaves_its_rooms() {
    let server = server().await;
    let mut peer = server.member("r", "dead").await;
    let mut watcher = server.member("r", "watcher").await;
    let start = Instant::now();
    let watch = async {
        // It lives by its answers, for as long as it takes.
        loop {
            let frame = watcher.next().await;
            if frame.is_ping() {
                watcher.send(pong(&frame.payload[1..])).await;
            } else if frame.op() == "member_left" {
                return frame.json();
            }
        }
    };
    let dead = async {
        let mut pings = 0;
        loop {
            let frame = peer.next().await;
            pings += usize::from(frame.is_ping());
            if frame.op() == "error" {
                return (pings, frame.json());
            }
        }
    };
    let (left, (pings, error)) = tokio::join!(watch, dead);
    assert_eq!(left["user_id"], "dead");
    assert_eq!((&error["code"], &error["fatal"]), (&json!("idle"), &json!(true)));
    assert_eq!(pings, 2);
    assert!(start.elapsed() >= INTERVAL * 2, "{:?}", start.elapsed());
    peer.expect_end().await;
    server.wait_closed(Closed::Idle, 1).await;
    assert_eq!(server.tally().open, 1);
}

#[tokio::test]
async fn anything_that_arrives_is_a_sign_of_life() {
    let server = server().await;
    let signs: [(&str, Vec<u8>); 4] = [
        ("a pong that nobody asked for", pong("")),
        ("a ping", ping("")),
        ("a request", control(json!({"op": "stats"}))),
        ("a tag without handler", vec![0x80, 0, 0, 0, 0]),
    ];
    let mut peers = Vec::new();
    for _ in &signs {
        peers.push(server.peer().await);
    }
    let mut tick = interval(INTERVAL / 4);
    // Long enough for three times the silence that ends a connection.
    for _ in 0..4 * 9 {
        tick.tick().await;
        for (peer, (_, sign)) in peers.iter_mut().zip(&signs) {
            peer.send(sign).await;
        }
    }
    assert_eq!(server.tally().open, 4, "{:?}", server.tally());
    for (peer, (what, _)) in peers.iter_mut().zip(&signs) {
        peer.send(control(json!({"op": "stats", "id": "still"}))).await;
        while peer.next().await.json()["id"] != "still" {
            assert_eq!(server.tally().open, 4, "{what}");
        }
    }
}

#[tokio::test]
async fn who_says_nothing_after_the_handshake_is_closed() {
    let server = TestServer::with(|s| {
        s.timeouts.identify = INTERVAL;
        // Silence would end it by that, too.
        s.heartbeat.interval = DEADLINE * 2;
    })
    .await;
    // With ALPN it is told why; without, nobody knows in which language.
    server.peer().await.expect_fatal("idle").await;
    server.connect().alpn(&[]).open().await.expect_end().await;
    server.wait_closed(Closed::Idle, 2).await;
    // One frame is enough.
    let mut peer = server.peer().await;
    peer.expect_alive().await;
    peer.expect_quiet(INTERVAL * 2).await;
    peer.expect_alive().await;
}

#[tokio::test]
async fn a_person_is_neither_pinged_nor_closed_for_silence() {
    let server = TestServer::with(|s| {
        s.heartbeat.interval = INTERVAL / 8;
        s.timeouts.identify = INTERVAL * 2;
        s.timeouts.frame = INTERVAL;
    })
    .await;
    let mut person = server.connect().alpn(&[]).open().await;
    person.send("/join r ann\n").await;
    while person.line().await != "ann joined the room\n" {}
    // Also in the middle of a line.
    person.send("hel").await;
    person.expect_quiet(INTERVAL * 4).await;
    person.send("lo\n").await;
    assert_eq!(person.line().await, "ann: hello\n");
}
