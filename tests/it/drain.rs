//! Goal: a server that ends tells everyone, delivers what it owes, and ends in time (docs/protocol.md,
//! section 3, `goaway`; reliability: drain).
//! Method: the library's server by its shutdown future or its handle, the binary by signals. Who reads nothing
//! keeps a server in its drain for as long as a test looks at it.

#[cfg(feature = "cli")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[cfg(feature = "cli")]
use serde_json::Value;
use tagwire::id::{Seq, UserId};
use tagwire::room::{Engine, Record, Room, Stamp, Submission, Submitted, Ticket};
use tagwire::session::Closed;
use tokio::net::TcpStream;
#[cfg(feature = "cli")]
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

#[cfg(feature = "cli")]
use crate::support::{Binary, alone, eventually};
use crate::support::{ClientHello, DEADLINE, End, QUIET, RawPeer, TestServer, body, publish};

#[tokio::test]
async fn everyone_is_told_when_to_come_back() {
    let mut server = TestServer::start().await;
    let mut peers = Vec::new();
    for user in 0..20 {
        peers.push(server.member("r", &user.to_string()).await);
    }
    let mut person = server.connect().alpn(&[]).open().await;
    person.send("/join other ann\n").await;
    while person.line().await != "ann joined the room\n" {}
    let handle = server.handle().clone();
    let address = server.address;
    server.shut_down();
    let mut times = Vec::new();
    for peer in &mut peers {
        let goaway = peer.expect("goaway").await;
        assert_eq!(goaway["reason"], "shutting_down");
        times.push(goaway["reconnect_ms"].as_u64().unwrap());
        while let Ok(frame) = peer.poll().await {
            assert!(frame.is_presence(), "{frame:?}");
        }
        peer.expect_fin().await;
    }
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 15 && *times.last().unwrap() <= 5000, "not spread out: {times:?}");
    assert!(times.last().unwrap() - times[0] > 2500, "not spread out: {times:?}");
    let (said, end) = person.rest().await;
    assert!(!said.is_empty());
    assert_eq!(end, End::Goodbye);
    server.ended().await.unwrap();
    let tally = handle.tally();
    let index = Closed::ALL.iter().position(|&each| each == Closed::Drained).unwrap();
    assert_eq!((tally.open, tally.closed[index]), (0, 21), "{tally:?}");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

/// A member that does not read and is owed much, and one that reads.
async fn owed(connect: impl AsyncFn(bool) -> RawPeer, count: usize) -> (RawPeer, RawPeer) {
    let mut slow = connect(true).await;
    slow.join("r", "slow").await;
    let mut fast = connect(false).await;
    fast.join("r", "fast").await;
    for number in 0..count {
        fast.say(body(number, 16 << 10)).await;
        fast.hear().await;
    }
    (slow, fast)
}

/// A server that drains until its deadline, and who keeps it there.
async fn draining(drain: Duration) -> (TestServer, RawPeer, RawPeer) {
    let server = TestServer::with(|s| {
        s.socket.send_buffer = Some(32 << 10);
        s.timeouts.write = DEADLINE * 2;
        s.timeouts.handshake = DEADLINE * 2;
        s.timeouts.drain = drain;
    })
    .await;
    let connect = async |slow| match slow {
        true => server.connect().small_buffer().open().await,
        false => server.peer().await,
    };
    let (slow, mut fast) = owed(connect, 200).await;
    server.handle().drain();
    fast.expect("goaway").await;
    (server, slow, fast)
}

#[tokio::test]
async fn what_was_published_before_the_end_is_delivered_before_it() {
    let mut server = TestServer::with(|s| {
        s.socket.send_buffer = Some(32 << 10);
        s.timeouts.write = DEADLINE * 2;
    })
    .await;
    let connect = async |slow| match slow {
        true => server.connect().small_buffer().open().await,
        false => server.peer().await,
    };
    let (mut slow, _fast) = owed(connect, 200).await;
    server.shut_down();
    let (mut records, mut told) = (0, false);
    let end = loop {
        match slow.poll().await {
            Ok(frame) if frame.tag == 0x02 => {
                assert!(frame.payload == body(records, 16 << 10), "record {records}");
                records += 1;
            }
            Ok(frame) => told |= frame.op() == "goaway",
            Err(end) => break end,
        }
    };
    assert_eq!((records, told, end), (200, true, End::Goodbye));
    server.ended().await.unwrap();
}

#[tokio::test]
async fn who_takes_nothing_holds_up_nobody_and_is_left_at_the_deadline() {
    let start = Instant::now();
    let (server, _slow, mut fast) = draining(Duration::from_secs(2)).await;
    assert!(server.handle().is_draining());
    while let Ok(frame) = fast.poll().await {
        assert!(frame.is_presence(), "{frame:?}");
    }
    fast.expect_fin().await;
    drop(fast);
    server.wait_open(1).await;
    server.ended().await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn who_comes_during_the_drain_is_refused_with_a_reason() {
    let (server, slow, _fast) = draining(DEADLINE * 2).await;
    let (said, _) = server.plain().await.rest().await;
    assert_eq!(said, [0x15, 3, 3, 0, 2, 2, 0x31], "{said:x?}");
    let error = server.connect().try_open().await.err().unwrap();
    let error = error.into_inner().unwrap().downcast::<rustls::Error>().unwrap();
    let alert = rustls::AlertDescription::AccessDenied;
    assert_eq!(*error, rustls::Error::AlertReceived(alert));
    assert_eq!(server.tally().refused, 2);
    slow.reset();
    server.ended().await.unwrap();
}

#[tokio::test]
async fn handshakes_that_have_not_begun_are_refused_and_others_ended_soon() {
    let server = TestServer::with(|s| s.timeouts.handshake = DEADLINE * 2).await;
    let hello = ClientHello::new().records();
    let mut silent = server.plain().await;
    let mut begun = server.plain().await;
    begun.send(&hello[..20]).await;
    // It is answered, and says nothing more.
    let mut answered = server.plain().await;
    answered.send(&hello).await;
    answered.some().await;
    let mut undecided = server.connect().alpn(&[]).open().await;
    let mut http = server.connect().alpn(&["http/1.1"]).open().await;
    server.wait_open(5).await;
    let handle = server.handle().clone();
    handle.drain();
    for peer in [&mut silent, &mut begun] {
        let (said, _) = peer.rest().await;
        assert_eq!(said, [0x15, 3, 3, 0, 2, 2, 0x31], "{said:x?}");
    }
    assert_eq!(undecided.rest().await, (Vec::new(), End::Goodbye));
    server.ended().await.unwrap();
    let _ = (answered.rest().await, http.rest().await);
    let tally = handle.tally();
    let index = Closed::ALL.iter().position(|&each| each == Closed::Drained).unwrap();
    assert_eq!((tally.open, tally.closed[index]), (0, 5), "{tally:?}");
}

/// An engine that stores what it is given when it is told to.
#[derive(Clone, Debug, Default)]
struct Late(Arc<Mutex<Vec<Held>>>);

type Held = (Arc<Room>, Ticket, UserId, Vec<u8>, u64);

impl Engine for Late {
    fn submit(&self, submission: Submission<'_>) -> Submitted {
        let Submission { room, ticket, user_id, body, now_ms, .. } = submission;
        self.0.lock().unwrap().push((room.clone(), ticket, user_id.clone(), body.into(), now_ms));
        Submitted::Later
    }
}

impl Late {
    /// Stores all of it, as the first records of a room.
    fn store(&self) {
        let held = std::mem::take(&mut *self.0.lock().unwrap());
        for (index, (room, ticket, user_id, body, time_ms)) in held.iter().enumerate() {
            let prev = Seq(index as u64);
            let stamp = Stamp { seq: Seq(prev.0 + 1), prev, time_ms: *time_ms };
            room.feed(&Record { stamp, ticket: Some(ticket), user_id, body });
        }
    }
}

#[tokio::test]
async fn what_an_engine_still_has_is_answered_before_the_end() {
    let engine = Late::default();
    let server = TestServer::build(|_| {}, |builder| builder.engine(engine.clone())).await;
    let mut peer = server.peer().await;
    let channel = peer.join_for_messages("r", "ann").await["channel"].as_u64().unwrap();
    let publishes = (1..=3).flat_map(|id| publish(channel, id, "hello")).collect::<Vec<_>>();
    peer.send(publishes).await;
    peer.expect_alive().await;
    server.handle().drain();
    peer.expect("goaway").await;
    while timeout(QUIET, peer.poll()).await.is_ok_and(|frame| frame.unwrap().is_presence()) {}
    engine.store();
    let mut answered = 0;
    let end = loop {
        match peer.poll().await {
            Ok(frame) if frame.op() == "ack" => {
                answered = frame.json()["publish_id"].as_u64().unwrap();
            }
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    assert_eq!((answered, end), (3, End::Goodbye));
    server.ended().await.unwrap();
}

#[tokio::test]
async fn a_handle_ends_the_server_too() {
    let server = TestServer::start().await;
    let mut peer = server.member("r", "ann").await;
    server.handle().shut_down();
    peer.expect("goaway").await;
    server.ended().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_dropped_serves_nobody() {
    let server = TestServer::start().await;
    let mut peer = server.member("r", "ann").await;
    let address = server.address;
    drop(server);
    peer.expect("goaway").await;
    let gone = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(DEADLINE, gone).await.expect("nobody listens any more");
}

#[cfg(feature = "cli")]
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
#[cfg(feature = "cli")]
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

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_second_sigint_ends_at_once_with_130() {
    twice("INT", "INT", 130).await;
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_second_sigterm_ends_at_once_with_143() {
    twice("TERM", "TERM", 143).await;
}

/// What one client was brought and told until its connection ended, while it published without pause.
#[cfg(feature = "cli")]
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
#[cfg(feature = "cli")]
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

#[cfg(feature = "cli")]
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
