//! Goal: a server that ends tells everyone, delivers what it owes, and ends in time (docs/protocol.md,
//! section 3, `goaway`; reliability: drain).
//! Method: the library's server by its shutdown future or its handle, the binary by signals. Who reads nothing
//! keeps a server in its drain for as long as a test looks at it.

#[cfg(feature = "cli")]
mod binary;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tagwire::id::{Seq, UserId};
use tagwire::room::{Engine, Record, Room, Stamp, Submission, Submitted, Ticket};
use tagwire::session::{Closed, Refused};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

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
    assert_eq!(server.refused(Refused::Draining), 2);
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
