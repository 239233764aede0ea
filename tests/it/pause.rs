//! Goal: in a room with the policy `pause` nothing is lost to a slow reader: who publishes waits for it, and
//! not for ever (docs/operations.md, "Slow consumers").
//! Method: readers that stop behind small sockets; publishers that send until nothing more is taken.

use std::time::Duration;

use serde_json::{Value, json};
use tagwire::handler::SendError;
use tagwire::limits::{RoomPattern, RoomRule, Settings, SlowPolicy};
use tagwire::session::Closed;
use tokio::time::Instant;

use crate::support::{
    DEADLINE, QUIET, RawPeer, TestServer, alone, body, control, data, eventually, ping, publish,
};

const KIB: usize = 1 << 10;
/// Records of a test: more than room, sockets and buffers hold together.
const RECORDS: usize = 2000;

/// A server whose rooms `audit-…` pause and keep 128 KiB, and whose sockets hold little.
async fn server(change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(|s| {
        let pattern = RoomPattern::new("audit-*").unwrap();
        s.rooms.rules = vec![RoomRule {
            slow: Some(SlowPolicy::Pause),
            keep_bytes: Some(128 * KIB),
            ..RoomRule::new(pattern)
        }];
        s.rooms.pause = DEADLINE * 2;
        s.socket.send_buffer = Some(32 * KIB);
        s.timeouts.write = DEADLINE * 2;
        s.heartbeat.interval = DEADLINE * 2;
        change(s);
    })
    .await
}

/// A reader that stops as soon as it is in the room.
async fn stopped(server: &TestServer) -> RawPeer {
    let mut peer = server.connect().small_buffer().open().await;
    peer.join_for_messages("audit-1", "slow").await;
    peer
}

/// A publisher that hears nothing of the room, and the room's number.
async fn publisher(server: &TestServer) -> (RawPeer, u64) {
    let mut peer = server.connect().small_buffer().open().await;
    let join = json!({"op": "join", "room_id": "audit-1", "user_id": "writer", "deliver": "none"});
    let joined = peer.request(join, "joined").await;
    (peer, joined["channel"].as_u64().unwrap())
}

/// All records as one run of bytes.
fn records(channel: u64) -> Vec<u8> {
    (0..RECORDS).flat_map(|n| publish(channel, n as u64 + 1, body(n, KIB))).collect()
}

/// Sends in the background, as a client does that has a task for it; gives the peer back.
fn sends(mut peer: RawPeer, bytes: Vec<u8>) -> tokio::task::JoinHandle<RawPeer> {
    tokio::spawn(async move {
        peer.send(bytes).await;
        peer
    })
}

/// Reads records from `from` up to `until`: each in order, and none missing.
async fn read(peer: &mut RawPeer, from: usize, until: usize) {
    for number in from..until {
        let frame = peer.frame().await;
        let (seq, prev, content) = frame.record();
        assert_eq!((seq, prev), (number as u64 + 1, number as u64));
        assert!(content == body(number, KIB), "record {number}");
    }
}

/// Waits for the acknowledgement of a publish.
async fn acknowledged(peer: &mut RawPeer, id: usize) {
    while peer.expect("ack").await["publish_id"] != id {}
}

async fn paused(server: &TestServer) {
    eventually("a publish waits", || server.tally().paused > 0).await;
}

#[tokio::test]
async fn who_publishes_waits_for_the_slowest_reader_and_nothing_is_lost() {
    let _alone = alone().await;
    let server = server(|_| {}).await;
    let mut slow = stopped(&server).await;
    let mut fast = server.peer().await;
    fast.join_for_messages("audit-1", "fast").await;
    let (writer, channel) = publisher(&server).await;
    let sending = sends(writer, records(channel));
    paused(&server).await;
    let published = server.tally().published;
    assert!(published < RECORDS as u64 / 2, "{published}");
    // Everybody has what was accepted, and other rooms go on.
    read(&mut fast, 0, published as usize).await;
    let mut other = server.member("other", "ann").await;
    other.say("hello").await;
    assert_eq!(other.hear().await, b"hello");
    assert_eq!(server.tally().published, published + 1);
    let (refused, user) = (SendError::Refused("paused"), "server");
    assert_eq!(server.handle().publish("audit-1", user, &body(0, KIB)), Err(refused));
    tokio::join!(
        read(&mut slow, 0, RECORDS),
        read(&mut fast, published as usize, RECORDS),
        async { acknowledged(&mut sending.await.unwrap(), RECORDS).await },
    );
    assert_eq!((server.tally().gaps, server.tally().unfinished), (0, 0));
}

#[tokio::test]
async fn a_reader_that_lives_and_never_reads_is_closed_and_the_room_goes_on() {
    let _alone = alone().await;
    let server = server(|s| s.rooms.pause = Duration::from_secs(1)).await;
    let mut slow = stopped(&server).await;
    let (writer, channel) = publisher(&server).await;
    let sending = sends(writer, records(channel));
    paused(&server).await;
    let start = Instant::now();
    while server.tally().published < RECORDS as u64 {
        assert!(start.elapsed() < DEADLINE, "it stops the room: {:?}", server.tally());
        // It is alive: it goes on asking.
        let _ = slow.try_send(&ping("")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    acknowledged(&mut sending.await.unwrap(), RECORDS).await;
    // What was on its way to it comes first, then the reason.
    let error = loop {
        let frame = slow.frame().await;
        if frame.op() == "error" {
            break frame.json();
        }
    };
    assert_eq!((&error["code"], &error["room_id"]), (&json!("slow_consumer"), &json!("audit-1")));
    server.wait_closed(Closed::Refused, 1).await;
}

#[tokio::test]
async fn who_waits_is_not_silent_and_goes_on_hearing() {
    let _alone = alone().await;
    let server = server(|s| s.heartbeat.interval = Duration::from_millis(300)).await;
    let mut slow = stopped(&server).await;
    let (mut writer, channel) = publisher(&server).await;
    let join = json!({"op": "join", "room_id": "other", "user_id": "writer"});
    writer.request(join, "joined").await;
    let mut ann = server.peer().await;
    ann.join("other", "ann").await;
    // All that a room, and a paused connection's buffers, take; and a ping behind it.
    let fill = records(channel);
    let mut next = 0;
    while server.tally().paused == 0 {
        let end = next + fill.len() / RECORDS;
        writer.send(&fill[next..end]).await;
        slow.send(ping("alive")).await;
        next = end;
    }
    writer.send(ping("behind")).await;
    // Longer than anybody may be silent whom we read from.
    let (start, mut pings) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(1500) {
        slow.send(ping("alive")).await;
        ann.send(data("news")).await;
        assert_eq!(ann.hear().await, b"news");
        loop {
            let frame = writer.next().await;
            assert_ne!(frame.payload, b"\x01behind", "it is not read from");
            pings += usize::from(frame.is_ping());
            if frame.payload == b"news" {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(pings >= 2, "{pings}: it sees that the server lives");
    assert_eq!(server.tally().open, 3, "{:?}", server.tally());
    // The room has room again; the ping comes after what was sent before it.
    let reading = async {
        loop {
            if slow.frame().await.tag == 0x04 {
                break;
            }
        }
        slow
    };
    let mut slow = reading.await;
    let drained = tokio::spawn(async move { while slow.poll().await.is_ok() {} });
    while writer.next().await.payload != b"\x01behind" {}
    drop(drained);
}

#[tokio::test]
async fn what_waits_at_the_end_of_the_server_is_refused() {
    let _alone = alone().await;
    let mut server = server(|_| {}).await;
    let _slow = stopped(&server).await;
    let (mut writer, channel) = publisher(&server).await;
    let fill = records(channel);
    let mut next = 0;
    while server.tally().paused == 0 {
        let end = next + fill.len() / RECORDS;
        writer.send(&fill[next..end]).await;
        next = end;
    }
    let published = server.tally().published;
    server.shut_down();
    let error: Value = loop {
        let frame = writer.next().await;
        if frame.op() == "error" {
            break frame.json();
        }
    };
    assert_eq!((&error["code"], &error["reason"]), (&json!("unavailable"), &json!("paused")));
    assert_eq!(error["publish_id"], published + 1);
    assert_eq!(server.tally().published, published);
}

#[tokio::test]
async fn what_all_who_wait_hold_is_bounded() {
    let _alone = alone().await;
    let server = server(|s| s.limits.unfinished = 1 << 20).await;
    let slow = stopped(&server).await;
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..40 {
        let mut peer = server.peer().await;
        let user = n.to_string();
        let join = json!({"op": "join", "room_id": "audit-1", "user_id": user, "deliver": "none"});
        peer.request(join, "joined").await;
        // The first ones fill the room; of the others each waits, or is told that too many do.
        writers.spawn(async move {
            let _ = peer.try_send(&data(body(n, 64 * KIB))).await;
            while peer.poll().await.is_ok_and(|frame| frame.op() != "error") {}
            peer
        });
    }
    let refused = writers.join_next().await.unwrap();
    eventually("some wait", || server.tally().paused >= 8).await;
    assert!(server.tally().unfinished <= 1 << 20, "{:?}", server.tally());
    drop((writers, refused, slow));
    eventually("nothing is left of them", || server.tally().unfinished == 0).await;
}

#[tokio::test]
async fn a_person_who_types_and_does_not_look_waits_for_himself() {
    let _alone = alone().await;
    let server = server(|_| {}).await;
    let mut person = server.connect().alpn(&[]).small_buffer().open().await;
    person.send("/join audit-1 bob\n").await;
    assert_eq!(person.line().await, "bob joined the room\n");
    let text = "y".repeat(KIB);
    let lines: String = (0..RECORDS).map(|n| format!("{n} {text}\n")).collect();
    let (mut rest, mut number) = (lines.as_bytes(), 0);
    while number < RECORDS {
        let sent = person.send_until_stuck(rest, QUIET).await;
        rest = &rest[sent..];
        while number < server.tally().published as usize {
            assert_eq!(person.line().await, format!("bob: {number} {text}\n"));
            number += 1;
        }
        tokio::task::yield_now().await;
    }
    assert!(server.tally().paused > 0 && rest.is_empty());
}

/// Heartbeats and replies go before what a room owes, however much that is.
#[tokio::test]
async fn a_pong_comes_before_the_backlog() {
    let _alone = alone().await;
    let server = server(|_| {}).await;
    let mut slow = server.connect().small_buffer().open().await;
    slow.join_for_messages("r", "slow").await;
    let mut fast = server.member("r", "fast").await;
    for n in 0..3000 {
        fast.say(body(n, KIB)).await;
        fast.hear().await;
    }
    slow.send([ping("pong?"), control(json!({"op": "stats"}))].concat()).await;
    let (mut before, mut pong) = (0, false);
    loop {
        let frame = slow.next().await;
        pong |= frame.payload == b"\x01pong?";
        if frame.op() == "stats" {
            break;
        }
        before += frame.payload.len();
    }
    assert!(pong);
    // What sockets and one write hold; 3 MiB are waiting.
    assert!(before < 512 * KIB, "{before} bytes came first");
}
