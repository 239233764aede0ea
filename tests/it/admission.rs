//! Goal: who is not let in is told so before any cryptography, by bounds that hold exactly, and costs those
//! who are in nothing (reliability R02, R03; docs/protocol.md, section 1).
//! Method: a real server and many addresses of loopback, each a source of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tagwire::limits::Limits;
use tagwire::session::Refused;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{Instant, interval};

#[cfg(feature = "cli")]
use crate::support::Binary;
use crate::support::{ClientHello, DEADLINE, PlainPeer, TestServer, alone, eventually};

/// A server that leaves no source alone.
async fn server(change: impl FnOnce(&mut Limits)) -> TestServer {
    TestServer::with(|s| {
        s.limits.exempt = Vec::new();
        s.timeouts.handshake = DEADLINE * 2;
        change(&mut s.limits);
    })
    .await
}

/// So many connections, one after the other, from addresses by number.
async fn connect(
    server: &TestServer,
    count: u16,
    source: impl Fn(u16) -> [u8; 4],
) -> Vec<PlainPeer> {
    let mut peers = Vec::new();
    for number in 0..count {
        peers.push(PlainPeer::connect_from(source(number), server.address).await);
    }
    peers
}

/// Addresses by number: 127.1.0.0 and on.
fn many(number: u16) -> [u8; 4] {
    let [high, low] = number.to_be_bytes();
    [127, 1, high, low]
}

#[tokio::test]
async fn a_source_has_exactly_as_many_connections_as_it_may() {
    let _alone = alone().await;
    let server = server(|l| l.connections_per_ip = 20).await;
    let mut other = server.connect().source([127, 0, 0, 2]).open().await;
    // As exact the second time: every place came back.
    for round in 1..=2 {
        let mut greedy = connect(&server, 20 + 50, |_| [127, 0, 0, 3]).await;
        for refused in &mut greedy[20..] {
            refused.expect_refusal().await;
        }
        assert!(greedy[..20].iter().all(PlainPeer::is_open));
        assert_eq!(server.refused(Refused::ConnectionsPerIp), round * 50);
        assert_eq!((server.tally().open, server.tally().accepted), (21, round * 21));
        other.expect_alive().await;
        let mut another = server.connect().source([127, 0, 0, 4]).open().await;
        another.expect_alive().await;
        drop((greedy, another));
        server.wait_open(1).await;
    }
    let tally = server.tally();
    assert_eq!(tally.refused.iter().sum::<u64>(), 100);
    assert_eq!(tally.accepted, tally.open + tally.closed.iter().sum::<u64>());
}

#[tokio::test]
async fn all_sources_together_have_exactly_as_many_as_there_may_be() {
    let _alone = alone().await;
    let server = server(|l| l.connections = 300).await;
    let mut other = server.connect().source([127, 0, 0, 2]).open().await;
    let mut all = connect(&server, 299 + 50, many).await;
    for refused in &mut all[299..] {
        refused.expect_refusal().await;
    }
    assert!(all[..299].iter().all(PlainPeer::is_open));
    assert_eq!((server.refused(Refused::Connections), server.tally().open), (50, 300));
    other.expect_alive().await;
    drop(all);
    server.wait_open(1).await;
    server.connect().source(many(0)).open().await.expect_alive().await;
}

#[tokio::test]
async fn connections_per_second_are_bounded_by_source_and_in_all() {
    let _alone = alone().await;
    let server = server(|l| {
        l.accepts_per_second_per_ip = 5;
        l.accepts_per_second = 30;
    })
    .await;
    let start = Instant::now();
    let _greedy = connect(&server, 50, |_| [127, 0, 0, 3]).await;
    let _many = connect(&server, 100, many).await;
    let let_in_or_not =
        || server.tally().accepted + server.tally().refused.iter().sum::<u64>() == 150;
    eventually("all are let in or not", let_in_or_not).await;
    let by_source = server.refused(Refused::AcceptsPerSecondPerIp);
    let in_all = server.refused(Refused::AcceptsPerSecond);
    // More come in only as time goes by.
    let seconds = start.elapsed().as_secs() + 1;
    assert!(by_source <= 45 && by_source + 5 * seconds >= 45, "{by_source} in {seconds} s");
    assert!(in_all <= 75 && in_all + 35 * seconds >= 75, "{in_all} in {seconds} s");
    // A second makes room for more.
    let accepted = server.tally().accepted;
    eventually("somebody is let in", || {
        let _ = std::net::TcpStream::connect(server.address);
        server.tally().accepted > accepted
    })
    .await;
}

#[tokio::test]
async fn limits_on_trial_count_and_refuse_nobody_but_in_all() {
    let server = server(|l| {
        l.dry_run = true;
        l.connections = 12;
        l.connections_per_ip = 2;
        l.accepts_per_second_per_ip = 4;
    })
    .await;
    let mut peers = connect(&server, 13, |_| [127, 0, 0, 3]).await;
    peers.pop().unwrap().expect_refusal().await;
    assert_eq!((server.refused(Refused::Connections), server.tally().open), (1, 12));
    let tally = server.tally();
    assert_eq!(tally.refused.iter().sum::<u64>(), 1);
    let index = Refused::ALL.iter().position(|&why| why == Refused::ConnectionsPerIp).unwrap();
    assert_eq!((tally.would_refuse[index], tally.would_refuse.iter().sum::<u64>()), (10, 10));
    drop(peers);
    server.wait_open(0).await;
    server.peer().await.expect_alive().await;
}

#[tokio::test]
async fn whole_hellos_that_go_no_further_hold_up_nobody() {
    let server = server(|l| l.handshakes = 2).await;
    let hello = ClientHello::new().records();
    let mut silent = connect(&server, 50, |_| [127, 0, 0, 3]).await;
    for peer in &mut silent {
        peer.send(&hello).await;
        assert_eq!(peer.some().await[0], 0x16, "it is answered");
    }
    // Their handshakes are all under way, and so long that nobody could wait for their end.
    let mut peer = server.peer().await;
    peer.expect_alive().await;
    assert_eq!(server.tally().open, 51);
}

/// So many ClientHellos at once, while somebody who is connected pings: how long until all of them were
/// answered, and the longest that a pong took meanwhile.
async fn burst(server: &TestServer, count: u16) -> (Duration, Duration) {
    let hello = ClientHello::new().records();
    let mut peers = connect(server, count, many).await;
    server.wait_open(u64::from(count)).await;
    let (inside, is_over) = (server.connect(), Arc::new(AtomicBool::new(false)));
    let over = is_over.clone();
    let (ready, begun) = oneshot::channel();
    // On a thread of its own, so that it waits for the server alone.
    let pings = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut peer = inside.open().await;
            peer.expect_alive().await;
            ready.send(()).unwrap();
            let mut worst = Duration::ZERO;
            while !over.load(Ordering::SeqCst) {
                let start = Instant::now();
                peer.expect_alive().await;
                worst = worst.max(start.elapsed());
            }
            worst
        })
    });
    begun.await.unwrap();
    let start = Instant::now();
    for peer in &mut peers {
        peer.send(&hello).await;
    }
    for peer in &mut peers {
        assert_eq!(peer.some().await[0], 0x16);
    }
    let all = start.elapsed();
    is_over.store(true, Ordering::SeqCst);
    (all, pings.join().unwrap())
}

#[tokio::test]
async fn who_is_connected_does_not_wait_for_all_who_come_at_once() {
    let _alone = alone().await;
    let server = server(|_| {}).await;
    let mut seen = Vec::new();
    // A machine that is busy with something else may spoil one attempt, or some.
    for _ in 0..10 {
        let (all, worst) = burst(&server, 200).await;
        if worst < all / 5 {
            return;
        }
        seen.push((all, worst));
        server.wait_open(0).await;
    }
    panic!("the time of all handshakes, and the longest wait for a pong: {seen:?}");
}

/// A server that runs out of descriptors, for so long.
#[cfg(feature = "cli")]
async fn without_descriptors(time: Duration) {
    let _alone = alone().await;
    // Nobody is given up meanwhile.
    let binary = Binary::with(&["timeouts.handshake=10m", "heartbeat.interval=10m"]);
    let mut inside = Vec::new();
    for _ in 0..20 {
        inside.push(binary.peer().await);
    }
    binary.limit_open_files(256);
    let mut peers = Vec::new();
    for _ in 0..400 {
        peers.push(PlainPeer::connect(binary.address).await);
    }
    // Whoever came before the last one is let in or refused by now.
    peers.pop().unwrap().expect_refusal().await;
    let (open, mut refused): (Vec<_>, Vec<_>) = peers.into_iter().partition(PlainPeer::is_open);
    for peer in &mut refused {
        peer.expect_refusal().await;
    }
    assert!(open.len() > 200 && refused.len() > 100, "{} and {}", open.len(), refused.len());
    // They come again and again, and are told each time.
    let (start, before) = (Instant::now(), binary.cpu_time());
    let mut tick = interval(Duration::from_millis(20));
    while start.elapsed() < time {
        for peer in &mut inside {
            tick.tick().await;
            PlainPeer::connect(binary.address).await.expect_refusal().await;
            peer.expect_alive().await;
        }
    }
    let (cpu, elapsed) = (binary.cpu_time() - before, start.elapsed());
    assert!(cpu <= elapsed / 10, "{cpu:?} in {elapsed:?}");
    let lines = binary.stderr().lines().filter(|line| line.contains("WARN")).count();
    assert!((1..=elapsed.as_secs() as usize + 3).contains(&lines), "{}", binary.stderr());
    drop(open);
    eventually("descriptors come back", || binary.descriptors() < 100).await;
    let mut back = binary.peer().await;
    back.expect_alive().await;
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn without_descriptors_peers_are_refused_and_nobody_inside_notices() {
    without_descriptors(Duration::from_secs(3)).await;
}

#[cfg(feature = "cli")]
#[tokio::test]
#[ignore = "long: a minute without descriptors"]
async fn a_minute_without_descriptors_costs_little() {
    without_descriptors(Duration::from_secs(60)).await;
}
