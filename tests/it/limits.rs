//! Goal: what a peer may hold of the server is bounded, and who comes on top is told so (reliability R;
//! docs/protocol.md, section 1).
//! Method: small limits on a real server; memory is read of the real binary, in another process.

use std::time::Duration;

use serde_json::json;
use tagwire::session::{Closed, Refused};
use tokio::time::{Instant, interval};

use crate::support::{
    ACCESS_DENIED, DEADLINE, TestServer, alone, control, data, eventually, read_to_end,
};
#[cfg(feature = "cli")]
use crate::support::{Binary, RawPeer};

#[tokio::test]
async fn a_connection_over_the_limit_is_refused_before_its_handshake() {
    let server = TestServer::with(|s| s.limits.connections = 2).await;
    let address = server.address;
    let first = server.member("r", "ann").await;
    // A connection counts from its beginning, also one that says nothing.
    let _second = server.plain().await;
    server.wait_open(2).await;
    for send in [&b""[..], b"\x16\x03\x01\x00\x05hello"] {
        let refused = tokio::task::spawn_blocking(move || read_to_end(address, send)).await;
        assert_eq!(refused.unwrap(), ACCESS_DENIED);
    }
    let error = server.connect().try_open().await.err().unwrap().to_string();
    assert!(error.contains("AccessDenied"), "a TLS library says why: {error}");
    assert_eq!((server.refused(Refused::Connections), server.tally().open), (3, 2));
    // A place that is given back is a place again.
    drop(first);
    server.wait_open(1).await;
    server.peer().await.expect_alive().await;
}

#[tokio::test]
async fn rooms_in_all_are_bounded_and_an_unused_one_gives_its_place_back() {
    let server = TestServer::with(|s| s.limits.rooms = 2).await;
    let mut peer = server.peer().await;
    peer.join("a", "ann").await;
    peer.join("b", "ann").await;
    peer.send(control(json!({"op": "join", "room_id": "c"}))).await;
    peer.expect_error("too_many_rooms").await;
    peer.request(json!({"op": "leave", "room_id": "b"}), "left").await;
    peer.join("c", "ann").await;
    assert_eq!(server.handle().rooms().rooms, 2);
}

#[tokio::test]
async fn rooms_of_one_connection_are_bounded() {
    let server = TestServer::with(|s| s.limits.rooms_per_connection = 3).await;
    let mut peer = server.peer().await;
    for room in ["a", "b", "c"] {
        peer.join(room, "ann").await;
    }
    peer.send(control(json!({"op": "join", "room_id": "d"}))).await;
    peer.expect_error("too_many_rooms").await;
    // One that it is in already is no further one.
    peer.join("a", "ann").await;
    peer.request(json!({"op": "leave", "room_id": "b"}), "left").await;
    peer.join("d", "ann").await;
}

#[tokio::test]
async fn a_frame_that_drips_is_given_up_though_bytes_arrive() {
    let _alone = alone().await;
    let server = TestServer::with(|s| s.timeouts.frame = Duration::from_secs(1)).await;
    let mut peers = Vec::new();
    for _ in 0..20 {
        peers.push(server.peer().await);
    }
    let frame = data(vec![0; 1 << 20]);
    // So much at once that it is not for being slow.
    let (begin, drip) = frame[..10_000].split_at(4000);
    for peer in &mut peers {
        peer.send(begin).await;
    }
    let mut tick = interval(Duration::from_millis(50));
    for &byte in drip {
        tick.tick().await;
        for peer in &mut peers {
            // Once it is closed, what is sent meets nobody.
            let _ = peer.try_send(&[byte]).await;
        }
        if server.closed(Closed::Idle) == 20 {
            break;
        }
    }
    server.wait_closed(Closed::Idle, 20).await;
    for peer in &mut peers {
        peer.last_words("idle").await;
    }
}

#[tokio::test]
async fn a_large_frame_that_drips_is_given_up_soon_and_a_small_one_may_be_typed() {
    let within = Duration::from_secs(18);
    let server = TestServer::with(|s| {
        s.timeouts.frame = within;
        s.heartbeat.interval = DEADLINE * 2;
    })
    .await;
    let mut typing = server.member("r", "typing").await;
    let mut dripping = server.member("r", "dripping").await;
    let (small, large) = (data("sixteen bytes at"), data(vec![0; 1 << 20]));
    let mut small = small.iter();
    let start = Instant::now();
    let mut tick = interval(Duration::from_millis(100));
    for part in large.chunks(10) {
        tick.tick().await;
        // 100 B/s of a large one; all of the small one in 2 s, of the 3 s that it has.
        let _ = dripping.try_send(part).await;
        if let Some(&byte) = small.next() {
            typing.send([byte]).await;
        }
        if server.closed(Closed::Idle) > 0 {
            break;
        }
    }
    assert!(start.elapsed() < within, "{:?}", start.elapsed());
    assert_eq!(typing.hear().await, b"sixteen bytes at");
    // It heard that, too, before it was closed.
    assert_eq!(dripping.hear().await, b"sixteen bytes at");
    dripping.last_words("idle").await;
    server.wait_closed(Closed::Idle, 1).await;
    typing.expect_alive().await;
}

#[tokio::test]
async fn unfinished_frames_of_all_connections_together_are_bounded() {
    const LIMIT: u64 = 4 << 20;
    let server = TestServer::with(|s| s.limits.unfinished = LIMIT as usize).await;
    let unfinished = data(vec![7; 1 << 20]);
    let unfinished = &unfinished[..1 << 20];
    let mut peers = Vec::new();
    for _ in 0..8 {
        let mut peer = server.peer().await;
        // Who is refused cannot send it all: what is thrown away has a bound too.
        let _ = peer.try_send(unfinished).await;
        peers.push(peer);
    }
    eventually("some are refused", || server.closed(Closed::Refused) >= 4).await;
    let held = server.tally().unfinished;
    assert!(held > 0 && held <= LIMIT, "{held}");
    drop(peers);
    server.wait_open(0).await;
    assert_eq!(server.tally().unfinished, 0, "exact");
}

/// Announces the largest frame and sends one byte of it, on so many connections; by how many KiB the
/// server grows.
#[cfg(feature = "cli")]
async fn announced(connections: usize) -> u64 {
    let _alone = alone().await;
    // Nobody is too slow, or silent for too long, before all are there.
    let binary = Binary::with(&["timeouts.frame=30m", "heartbeat.interval=30m"]);
    let open = async || -> RawPeer {
        let mut peer = binary.peer().await;
        peer.expect_alive().await;
        peer.send([0x02, 0x00, 0x10, 0x00, 0x00, b'x']).await;
        peer
    };
    // What is done once is done.
    let mut peers = Vec::new();
    for _ in 0..50 {
        peers.push(open().await);
    }
    let before = binary.rss();
    for _ in 0..connections {
        peers.push(open().await);
    }
    let growth = binary.rss() - before;
    for peer in [0, 50, 49 + connections] {
        // They are all still there: what was begun can be finished.
        peers[peer].send(vec![0; (1 << 20) - 1]).await;
        assert_eq!(peers[peer].hear().await.len(), 1 << 20);
    }
    growth
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn what_is_announced_takes_no_memory() {
    // 13 KiB each, as below, and 2 MiB for what an allocator takes in advance.
    let growth = announced(500).await;
    assert!(growth <= (64 << 10) / 10 + (2 << 10), "{growth} KiB");
}

#[cfg(feature = "cli")]
#[tokio::test]
#[ignore = "long: 5,000 connections"]
async fn what_5000_announce_takes_no_memory() {
    let growth = announced(5000).await;
    assert!(growth <= 64 << 10, "{growth} KiB");
}

#[tokio::test]
async fn a_limit_says_what_is_left_to_others() {
    // One connection at its bounds leaves the others as they are.
    let server = TestServer::with(|s| {
        s.limits.in_flight = 1;
        s.timeouts.frame = DEADLINE * 2;
    })
    .await;
    let mut greedy = server.member("r", "greedy").await;
    let mut modest = server.member("r", "modest").await;
    greedy.send(&data(vec![0; 1 << 20])[..1 << 19]).await;
    modest.say("hello").await;
    assert_eq!(modest.hear().await, b"hello");
    assert_eq!(greedy.hear().await, b"hello");
}
