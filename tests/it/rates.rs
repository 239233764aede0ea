//! Goal: who sends faster than it may is read from more slowly, and that is all: nothing is lost, nothing is
//! refused, and nobody is closed for it (docs/operations.md, "Budgets").
//! Method: real time, of which only lower bounds are asserted.

use std::time::Duration;

use tagwire::limits::Limits;
use tokio::time::Instant;

use crate::support::{RawPeer, TestServer, data, ping};

const SECOND: Duration = Duration::from_secs(1);

async fn server(change: impl FnOnce(&mut Limits)) -> TestServer {
    TestServer::with(|s| change(&mut s.limits)).await
}

/// Sends so many messages at once and hears all of them; how long it took.
async fn flood(peer: &mut RawPeer, messages: usize) -> Duration {
    let start = Instant::now();
    let frames: Vec<_> = (0..messages).flat_map(|n| data(n.to_string())).collect();
    peer.send(frames).await;
    for n in 0..messages {
        assert_eq!(peer.hear().await, n.to_string().as_bytes());
    }
    start.elapsed()
}

#[tokio::test]
async fn messages_over_the_rate_wait_and_none_is_lost() {
    let server = server(|limits| limits.messages_per_second = 50).await;
    let mut fast = server.member("a", "fast").await;
    let mut modest = server.member("a2", "modest").await;
    let both = async {
        let took = flood(&mut fast, 200).await;
        // The join was a frame, too; a burst of one second is free, and one more is acted on before it is paid.
        assert!(took >= SECOND * 149 / 50, "{took:?}");
        fast.expect_alive().await;
    };
    let other = async {
        let took = flood(&mut modest, 40).await;
        modest.expect_alive().await;
        took
    };
    let (_, took) = tokio::join!(both, other);
    assert!(took < SECOND * 2, "{took:?}: a burst is free, and the other one's pause its own");
    assert_eq!(server.tally().errors, 0);
}

#[tokio::test]
async fn bytes_over_the_rate_wait_and_the_time_for_a_frame_stands_still() {
    const RATE: usize = 64 << 10;
    let server = TestServer::with(|s| {
        s.limits.bytes_per_second = RATE as u32;
        s.timeouts.frame = SECOND;
    })
    .await;
    let mut peer = server.member("a", "ann").await;
    let body = vec![7; 4 * RATE];
    let start = Instant::now();
    peer.say(&body).await;
    assert_eq!(peer.hear().await, body);
    // The last second's worth is acted on before it is paid.
    assert!(start.elapsed() >= SECOND * 2, "{:?}", start.elapsed());
    peer.expect_alive().await;
}

#[tokio::test]
async fn who_waits_hears_others_and_is_not_silent() {
    let server = TestServer::with(|s| {
        s.limits.messages_per_second = 1;
        s.heartbeat.interval = Duration::from_millis(200);
    })
    .await;
    let mut slow = server.member("a", "slow").await;
    let mut other = server.member("a", "other").await;
    slow.send([data("1"), data("2"), data("3"), data("4"), ping("last")].concat()).await;
    // Its burst was the join: it is not read from any more when this comes.
    other.say("news").await;
    let (mut heard, mut pings) = (Vec::new(), 0);
    loop {
        let frame = slow.next().await;
        match frame.tag {
            0x02 => heard.push(String::from_utf8(frame.payload).unwrap()),
            0x03 if frame.is_ping() => pings += 1,
            0x03 => break,
            _ => {}
        }
    }
    let at = |word: &str| heard.iter().position(|heard| heard == word).unwrap();
    assert!(at("news") < at("4"), "{heard:?}");
    assert!(at("1") < at("2") && at("2") < at("3") && at("3") < at("4"), "{heard:?}");
    // Five times as long as who is read from may be silent.
    assert!(pings >= 5, "{pings}");
}

#[tokio::test]
async fn a_user_has_one_rate_on_all_connections_and_a_guest_its_own() {
    let server = server(|limits| limits.user_messages_per_second = 50).await;
    let named = async |room: &str| {
        let mut peer = server.peer().await;
        let hello = serde_json::json!({"op": "hello", "user_id": "ann"});
        peer.request(hello, "welcome").await;
        peer.join(room, "ann").await;
        peer
    };
    let (mut first, mut second) = (named("a").await, named("b").await);
    let (mut guest, start) = (server.member("c", "ann").await, Instant::now());
    let (_, _, free) =
        tokio::join!(flood(&mut first, 100), flood(&mut second, 100), flood(&mut guest, 40));
    // Each may be one ahead.
    assert!(start.elapsed() >= SECOND * 147 / 50, "{:?}", start.elapsed());
    assert!(free < SECOND * 2, "{free:?}: only the name in that room is the same");
}

#[tokio::test]
async fn lines_have_rates_too() {
    let server = server(|limits| limits.messages_per_second = 10).await;
    let mut person = server.connect().alpn(&[]).open().await;
    let start = Instant::now();
    let lines: String = (0..30).map(|n| format!("{n}\n")).collect();
    person.send("/join a bob\n".to_owned() + &lines).await;
    assert_eq!(person.line().await, "bob joined the room\n");
    for n in 0..30 {
        assert_eq!(person.line().await, format!("bob: {n}\n"));
    }
    assert!(start.elapsed() >= SECOND * 20 / 10, "{:?}", start.elapsed());
}
