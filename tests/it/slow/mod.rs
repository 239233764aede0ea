//! Goal: a subscriber that stops reading costs a cursor: the others notice nothing, and it catches up in
//! order or is told exactly what it missed (reliability S, P7).
//! Method: peers that stop reading behind small sockets; memory is read of the real binary.

#[cfg(feature = "cli")]
mod full_rate;

use std::time::Duration;

use serde_json::json;
use tagwire::limits::Settings;
use tagwire::session::Closed;
use tokio::time::Instant;

#[cfg(feature = "cli")]
use crate::support::Binary;
use crate::support::{DEADLINE, RawPeer, TestServer, alone, body, data, eventually, ping};

const KIB: usize = 1 << 10;

/// A server whose sockets hold little, so that who stops reading is soon behind.
async fn server(change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::with(|s| {
        s.socket.send_buffer = Some(32 * KIB);
        s.timeouts.write = DEADLINE * 2;
        s.heartbeat.interval = DEADLINE * 2;
        change(s);
    })
    .await
}

async fn stopped(server: &TestServer, room: &str, user: &str) -> RawPeer {
    let mut peer = server.connect().small_buffer().open().await;
    peer.join_for_messages(room, user).await;
    peer
}

/// Publishes numbered records, each heard by everyone who reads before the next batch.
async fn broadcast(fast: &mut [RawPeer], count: usize, size: usize) {
    for batch in (0..count).collect::<Vec<_>>().chunks(50) {
        let frames: Vec<_> = batch.iter().flat_map(|&n| publish_data(n, size)).collect();
        fast[0].send(frames).await;
        for peer in fast.iter_mut() {
            for &number in batch {
                assert!(peer.hear().await == body(number, size), "record {number}");
            }
        }
    }
}

fn publish_data(number: usize, size: usize) -> Vec<u8> {
    data(body(number, size))
}

/// What a subscriber was brought: records in an unbroken chain, and gaps that say exactly what is missing.
#[derive(Debug, Default)]
struct History {
    /// The last record, or the last one that is known to be missing.
    last: u64,
    records: u64,
    missed: u64,
    gaps: u64,
}

impl History {
    /// Reads up to the record with this number, and checks every step.
    async fn read(&mut self, peer: &mut RawPeer, until: u64, size: usize) {
        while self.last < until {
            let frame = peer.frame().await;
            if frame.tag == 0x04 {
                let (seq, prev, content) = frame.record();
                assert_eq!(prev, self.last, "a record is missing and no gap said so: {self:?}");
                assert!(seq > prev);
                // The first record has the number 1 and says 0.
                assert!(content == body(seq as usize - 1, size), "record {seq}");
                self.last = seq;
                self.records += 1;
                continue;
            }
            let gap = frame.json();
            assert_eq!(
                (&gap["op"], &gap["reason"]),
                (&json!("gap"), &json!("behind")),
                "{frame:?}"
            );
            assert_eq!(gap["after_seq"], self.last, "{gap}");
            let next = gap["next_seq"].as_u64().unwrap();
            assert_eq!(gap["missed"], next - self.last - 1, "{gap}");
            self.missed += next - self.last - 1;
            self.last = next - 1;
            self.gaps += 1;
        }
    }
}

#[tokio::test]
async fn who_stops_reading_catches_up_in_order_if_the_room_keeps_enough() {
    let _alone = alone().await;
    let server = server(|s| s.rooms.keep_bytes = 16 << 20).await;
    let mut slow = stopped(&server, "r", "slow").await;
    let mut fast = vec![server.member("r", "a").await, server.member("r", "b").await];
    broadcast(&mut fast, 4000, KIB).await;
    let mut history = History::default();
    history.read(&mut slow, 4000, KIB).await;
    assert_eq!((history.records, history.gaps), (4000, 0));
    // It is up to date now.
    fast[0].say("news").await;
    assert_eq!(slow.frame().await.record(), (4001, 4000, &b"news"[..]));
}

#[tokio::test]
async fn who_stops_reading_and_still_answers_is_not_given_up_by_the_kernel() {
    let _alone = alone().await;
    let patience = Duration::from_millis(300);
    let server =
        server(|s| (s.socket.user_timeout, s.rooms.keep_bytes) = (patience, 16 << 20)).await;
    let mut slow = stopped(&server, "r", "slow").await;
    let mut fast = vec![server.member("r", "a").await];
    broadcast(&mut fast, 2000, KIB).await;
    // The kernel would give up when a probe of the closed window finds its patience gone; what arrives puts
    // the next probe off, so not much arrives.
    let mut tick = tokio::time::interval(Duration::from_secs(2));
    for _ in 0..4 {
        tick.tick().await;
        slow.send(ping("")).await;
    }
    catch_up(&mut slow, 2000).await;
}

/// Reads up to the record with this number, among pongs: nothing is missing.
async fn catch_up(slow: &mut RawPeer, until: u64) {
    let mut last = 0;
    while last < until {
        let frame = slow.frame().await;
        if frame.tag == 0x04 {
            let (seq, prev, _) = frame.record();
            assert_eq!(prev, last, "a record is missing and no gap said so");
            last = seq;
        }
    }
}

#[tokio::test]
async fn who_falls_behind_further_than_the_room_keeps_is_told_exactly_what_it_missed() {
    let _alone = alone().await;
    let server = server(|s| s.rooms.keep_bytes = 256 * KIB).await;
    let mut slow = stopped(&server, "r", "slow").await;
    let mut fast = vec![server.member("r", "a").await, server.member("r", "b").await];
    broadcast(&mut fast, 4000, KIB).await;
    let mut history = History::default();
    history.read(&mut slow, 4000, KIB).await;
    assert!(history.gaps >= 1 && history.missed > 2000, "{history:?}");
    assert_eq!(history.records + history.missed, 4000);
    assert_eq!(server.tally().gaps, history.gaps);
    fast[0].say("news").await;
    assert_eq!(slow.frame().await.record(), (4001, 4000, &b"news"[..]));
}

#[tokio::test]
async fn who_stops_reading_and_goes_on_sending_lives() {
    let _alone = alone().await;
    let server = server(|s| {
        s.rooms.keep_bytes = 16 << 20;
        s.timeouts.write = Duration::from_secs(1);
    })
    .await;
    let mut slow = stopped(&server, "r", "slow").await;
    let mut fast = server.member("r", "a").await;
    let start = Instant::now();
    let mut sent = 0;
    // Three times as long as one may take nothing and say nothing.
    while start.elapsed() < Duration::from_secs(3) || sent < 2000 {
        let frames: Vec<_> = (sent..sent + 20).flat_map(|n| publish_data(n, KIB)).collect();
        fast.send(frames).await;
        for _ in 0..20 {
            fast.hear().await;
        }
        sent += 20;
        slow.send(ping("")).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut history = History::default();
    while history.last < sent as u64 {
        let frame = slow.frame().await;
        if frame.tag == 0x04 {
            let (seq, prev, _) = frame.record();
            assert_eq!(prev, history.last);
            history.last = seq;
        }
    }
    assert_eq!(server.tally().gaps, 0);
}

#[tokio::test]
async fn who_neither_reads_nor_sends_is_gone_after_the_write_timeout() {
    let _alone = alone().await;
    let server = server(|s| s.timeouts.write = Duration::from_secs(1)).await;
    let mut fast = server.member("r", "a").await;
    let slow = stopped(&server, "r", "slow").await;
    let start = Instant::now();
    let mut left = false;
    for number in 0.. {
        fast.say(body(number, 4 * KIB)).await;
        // Its own record is the last thing that it hears; what comes before is presence.
        let mut heard = fast.next().await;
        while heard.tag != 0x02 {
            left |= heard.op() == "member_left" && heard.json()["user_id"] == "slow";
            heard = fast.next().await;
        }
        if left {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "it is still there");
    }
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    server.wait_closed(Closed::Idle, 1).await;
    assert_eq!(server.tally().open, 1);
    let members = fast.request(json!({"op": "members", "room_id": "r"}), "members").await;
    assert_eq!(members["members"].as_array().unwrap().len(), 1, "{members}");
    drop(slow);
}

/// Whether everyone who reads is as fast beside somebody who does not.
#[tokio::test]
async fn others_are_as_fast_beside_one_who_stopped() {
    let _alone = alone().await;
    let server = server(|_| {}).await;
    let mut fast = Vec::new();
    for user in 0..9 {
        fast.push(server.member("r", &user.to_string()).await);
    }
    let start = Instant::now();
    broadcast(&mut fast, 1000, KIB).await;
    let without = start.elapsed();
    let mut slow = Vec::new();
    for user in ["x", "y", "z"] {
        slow.push(stopped(&server, "r", user).await);
    }
    let start = Instant::now();
    broadcast(&mut fast, 1000, KIB).await;
    let with = start.elapsed();
    // The machine is shared: this only finds who waits for the stopped.
    assert!(with < without * 3 + Duration::from_secs(1), "{without:?} alone, {with:?} beside");
}

#[cfg(feature = "cli")]
async fn memory_of_stopped(count: usize, rounds: usize) {
    let _alone = alone().await;
    let binary = Binary::with(&["timeouts.write=300s", "heartbeat.interval=300s"]);
    let mut fast = binary.peer().await;
    fast.join("r", "fast").await;
    let mut number = 0;
    let mut publish = async |mib: usize| {
        for _ in 0..mib * 64 {
            fast.say(body(number, 16 * KIB)).await;
            fast.hear().await;
            number += 1;
        }
    };
    // The log as full as it gets, before anyone stops.
    publish(8).await;
    let mut stopped = Vec::new();
    for user in 0..count {
        let mut peer = binary.connect().small_buffer().open().await;
        peer.join_for_messages("r", &user.to_string()).await;
        stopped.push(peer);
    }
    let before = binary.rss();
    let mut after = Vec::new();
    for _ in 0..rounds {
        // Twice as much as the room keeps, and more than their sockets hold.
        publish(8).await;
        after.push(binary.rss().saturating_sub(before));
    }
    let most = 128 * count as u64;
    assert!(after.iter().all(|&growth| growth <= most), "{after:?} KiB for {count}");
    // It does not grow with what they miss: the first round shows what they cost.
    let (first, last) = (after[0], after[rounds - 1]);
    assert!(last <= first + most / 4 + (2 << 10), "{after:?} KiB");
    // And they are still there, told what they missed.
    let record = async |peer: &mut RawPeer| loop {
        let frame = peer.frame().await;
        if frame.op() == "gap" {
            return frame.json();
        }
    };
    for peer in stopped.iter_mut().take(3) {
        assert!(record(peer).await["missed"].as_u64().unwrap() > 0);
    }
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn fifty_stopped_readers_cost_at_most_128_kib_each() {
    memory_of_stopped(50, 2).await;
}

#[cfg(feature = "cli")]
#[tokio::test]
#[ignore = "long: 500 stopped readers of a room, for 64 MiB"]
async fn five_hundred_stopped_readers_cost_at_most_128_kib_each() {
    memory_of_stopped(500, 8).await;
}

#[cfg(feature = "cli")]
async fn largest_record_to(subscribers: usize) {
    let _alone = alone().await;
    // Many take long to arrive where the machine is busy, and answer no pings.
    let binary = Binary::with(&["heartbeat.interval=30m"]);
    let body = std::sync::Arc::new(body(1, 1 << 20));
    let mut readers = tokio::task::JoinSet::new();
    for user in 0..subscribers {
        let (mut peer, body) = (binary.peer().await, body.clone());
        peer.join("r", &user.to_string()).await;
        readers.spawn(async move { assert!(peer.hear().await == *body) });
    }
    let mut publisher = binary.peer().await;
    publisher.join("r", "publisher").await;
    let before = binary.rss();
    publisher.say(&*body).await;
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
    // One shared record, and what is sealed for those who are still taking it; a copy for each would be
    // 1 MiB.
    let growth = binary.peak().saturating_sub(before);
    let most = 16 << 10;
    assert!(growth <= most, "{growth} KiB for {subscribers}");
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_record_of_1_mib_is_in_memory_once_for_200_subscribers() {
    largest_record_to(200).await;
}

#[cfg(feature = "cli")]
#[tokio::test]
#[ignore = "long: 2,000 subscribers of 1 MiB"]
async fn a_record_of_1_mib_is_in_memory_once_for_2000_subscribers() {
    largest_record_to(2000).await;
}

#[tokio::test]
#[ignore = "long: a minute at a thousand records a second"]
async fn a_minute_without_reading_is_caught_up_with() {
    let _alone = alone().await;
    let server = server(|s| s.rooms.keep_bytes = 256 << 20).await;
    let mut slow = stopped(&server, "r", "slow").await;
    let mut fast = server.member("r", "a").await;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < Duration::from_secs(60) {
        tick.tick().await;
        let frames: Vec<_> = (sent..sent + 50).flat_map(|n| publish_data(n, KIB)).collect();
        fast.send(frames).await;
        for _ in 0..50 {
            fast.hear().await;
        }
        sent += 50;
        slow.send(ping("")).await;
    }
    catch_up(&mut slow, sent as u64).await;
    eventually("nothing was missed", || server.tally().gaps == 0).await;
}
