//! Goal: a server that ends tells everyone, delivers what it owes, and ends in time (docs/protocol.md,
//! section 3, `goaway`; reliability: drain).
//! Method: the library's server by its shutdown future, the binary by signals.

use std::time::Duration;

use tagwire::session::Closed;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

#[cfg(feature = "cli")]
use crate::support::{Binary, alone, eventually};
use crate::support::{DEADLINE, End, RawPeer, TestServer, body};

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

/// A member that does not read, and what it is owed.
async fn owed(connect: impl AsyncFn(bool) -> RawPeer, count: usize) -> RawPeer {
    let mut slow = connect(true).await;
    slow.join("r", "slow").await;
    let mut fast = connect(false).await;
    fast.join("r", "fast").await;
    for number in 0..count {
        fast.say(body(number, 16 << 10)).await;
        fast.hear().await;
    }
    slow
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
    let mut slow = owed(connect, 200).await;
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
async fn who_takes_nothing_is_left_at_the_deadline() {
    let mut server = TestServer::with(|s| {
        s.socket.send_buffer = Some(32 << 10);
        s.timeouts.write = DEADLINE * 2;
        s.timeouts.drain = Duration::from_millis(500);
    })
    .await;
    let connect = async |slow| match slow {
        true => server.connect().small_buffer().open().await,
        false => server.peer().await,
    };
    let _slow = owed(connect, 200).await;
    let start = Instant::now();
    server.shut_down();
    server.ended().await.unwrap();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_connection_that_is_being_made_ends_too() {
    let mut server = TestServer::start().await;
    let mut silent = server.plain().await;
    let mut undecided = server.connect().alpn(&[]).open().await;
    server.wait_open(2).await;
    server.shut_down();
    timeout(DEADLINE * 2, server.ended()).await.unwrap().unwrap();
    let _ = silent.rest().await;
    let _ = undecided.rest().await;
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

#[cfg(feature = "cli")]
#[tokio::test]
async fn a_second_sigint_ends_at_once_with_130() {
    let mut binary = Binary::with(&["timeouts.write=60s"]);
    let _alone = alone().await;
    // Who is owed much and takes nothing holds up the end.
    let connect = async |slow| match slow {
        true => binary.connect().small_buffer().open().await,
        false => binary.peer().await,
    };
    let _slow = owed(connect, 600).await;
    let mut peer = binary.peer().await;
    peer.expect_alive().await;
    binary.signal("INT");
    peer.expect("goaway").await;
    eventually("it says so", || binary.stderr().contains("ending")).await;
    binary.signal("INT");
    assert_eq!(binary.ended().await.code(), Some(130), "{}", binary.stderr());
}
