//! The binary by signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::owed;
use crate::support::{Binary, End, RawPeer, alone, body, eventually, publish};

#[tokio::test]
async fn sigterm_tells_everyone_and_ends_with_0_in_time() {
    let mut binary = Binary::start();
    let mut slow = binary.connect().small_buffer().open().await;
    slow.join_for_messages("r", "slow").await;
    let mut fast = binary.peer().await;
    fast.join("r", "fast").await;
    for number in 0..100 {
        fast.say(body(number, 16 << 10)).await;
        fast.hear().await;
    }
    let start = Instant::now();
    binary.signal("TERM");
    fast.expect("goaway").await;
    // The other may have left first.
    let end = loop {
        match fast.poll().await {
            Ok(frame) => assert!(frame.is_presence(), "{frame:?}"),
            Err(end) => break end,
        }
    };
    assert_eq!(end, End::Goodbye);
    let mut last = 0;
    let end = loop {
        match slow.poll().await {
            Ok(frame) if frame.tag == 0x04 => {
                let (seq, prev, _) = frame.record();
                assert_eq!(prev, last);
                last = seq;
            }
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    assert_eq!((last, end), (100, End::Goodbye));
    assert_eq!(binary.ended().await.code(), Some(0), "{}", binary.stderr());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Sends one signal and then another to a server that cannot end in order.
async fn twice(first: &str, second: &str, code: i32) {
    let mut binary = Binary::with(&["timeouts.write=60s"]);
    let _alone = alone().await;
    // Who is owed much and takes nothing holds up the end.
    let connect = async |slow| match slow {
        true => binary.connect().small_buffer().open().await,
        false => binary.peer().await,
    };
    let (_slow, _fast) = owed(connect, 600).await;
    let mut peer = binary.peer().await;
    peer.expect_alive().await;
    binary.signal(first);
    peer.expect("goaway").await;
    eventually("it says so", || binary.stderr().contains("ending")).await;
    binary.signal(second);
    assert_eq!(binary.ended().await.code(), Some(code), "{}", binary.stderr());
}

#[tokio::test]
async fn a_second_sigint_ends_at_once_with_130() {
    twice("INT", "INT", 130).await;
}

#[tokio::test]
async fn a_second_sigterm_ends_at_once_with_143() {
    twice("TERM", "TERM", 143).await;
}

/// What one client was brought and told until its connection ended, while it published without pause.
#[derive(Debug, Default)]
struct Story {
    /// The record that it read last.
    last: u64,
    /// The highest record that it knows of its own by an acknowledgement.
    acked: u64,
    /// Acknowledgements after `goaway`.
    late: u64,
    told: Option<u64>,
}

/// Publishes one numbered message after the other, each when the one before it is acknowledged, and reads what
/// comes: every record continues from the one before it.
async fn work(mut peer: RawPeer, joined: Value, acked: Arc<AtomicU64>) -> Story {
    let [channel, last] = ["channel", "last_seq"].map(|field| joined[field].as_u64().unwrap());
    let (mut story, mut number) = (Story { last, ..Story::default() }, 1);
    peer.send(publish(channel, number, "hello")).await;
    loop {
        let frame = match peer.poll().await {
            Ok(frame) => frame,
            Err(end) => {
                assert_eq!(end, End::Goodbye, "{story:?}");
                return story;
            }
        };
        if frame.tag == 0x04 {
            let (seq, prev, _) = frame.record();
            assert_eq!(prev, story.last, "{seq} {story:?}");
            story.last = seq;
        } else if frame.op() == "ack" {
            let ack = frame.json();
            assert_eq!(ack["publish_id"], number);
            story.acked = ack["seq"].as_u64().unwrap();
            acked.fetch_add(1, Ordering::Relaxed);
            story.late += u64::from(story.told.is_some());
            number += 1;
            // What is sent after its turn is not read, and not answered: the socket may be gone.
            let _ = peer.try_send(&publish(channel, number, "hello")).await;
        } else if frame.op() == "goaway" {
            assert_eq!(story.told, None, "told twice");
            story.told = frame.json()["reconnect_ms"].as_u64();
        } else {
            assert!(frame.is_presence() || frame.is_ping(), "{frame:?}");
        }
    }
}

#[tokio::test]
async fn under_load_everyone_works_until_its_turn_and_loses_nothing_that_was_acknowledged() {
    const CLIENTS: usize = 200;
    let _alone = alone().await;
    let mut binary = Binary::start();
    let mut peers = Vec::new();
    for number in 0..CLIENTS {
        let mut peer = binary.peer().await;
        let room = format!("r{}", number % 20);
        let joined = peer.join_for_messages(&room, &number.to_string()).await;
        peers.push((peer, joined));
    }
    let acked = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for (peer, joined) in peers {
        clients.spawn(work(peer, joined, acked.clone()));
    }
    let busy = || acked.load(Ordering::Relaxed) > 5 * CLIENTS as u64;
    eventually("everyone works", busy).await;
    let start = Instant::now();
    binary.signal("TERM");
    let mut stories = Vec::new();
    while let Some(ended) = clients.join_next().await {
        stories.push(ended.unwrap());
    }
    // Turns of 5 ms each: the last one comes no earlier.
    assert!(start.elapsed() >= Duration::from_millis(5 * (CLIENTS as u64 - 1)));
    assert!(stories.iter().all(|story| story.told.is_some()), "{stories:?}");
    // All that was acknowledged to a client was delivered to it, for it was a subscriber too.
    assert!(stories.iter().all(|story| story.acked <= story.last), "{stories:?}");
    // Whose turn came late worked until then.
    stories.sort_by_key(|story| story.told);
    let (early, late) = stories.split_at(CLIENTS / 2);
    let worked = |stories: &[Story]| stories.iter().map(|story| story.late).sum::<u64>();
    assert!(worked(late) > worked(early) && worked(late) > CLIENTS as u64, "{stories:?}");
    assert_eq!(binary.ended().await.code(), Some(0), "{}", binary.stderr());
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
