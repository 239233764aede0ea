//! Very many connections that say nothing but pongs: they cost little memory, little of the processor, and
//! none is dropped (R01).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use crate::support::http::Scrape;
use crate::support::{Binary, alone, median};

/// Bytes of a connection: the goal is 10,000, and a tenth for noise.
const EACH: u64 = 11_000;

/// What idle connections cost.
#[derive(Debug)]
struct Cost {
    /// Bytes of one.
    each: u64,
    /// Processor time of a second, for all of them.
    processor: Duration,
}

async fn idle(count: usize, heartbeat: &str, time: Duration) -> Cost {
    let _alone = alone().await;
    let heartbeat = format!("heartbeat.interval={heartbeat}");
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &[&heartbeat]);
    let ended = Arc::new(AtomicUsize::new(0));
    let (mut peers, mut coming) = (JoinSet::new(), JoinSet::new());
    let mut before = 0;
    // The first ones show what is taken once.
    for number in 0..50 + count {
        if number == 50 {
            before = server.rss() << 10;
        }
        // One address has too few ports for all tests of a run.
        let source = [127, 0, 2, (number / 2000) as u8 + 1];
        let connect = server.connect().source(source);
        coming.spawn(async move {
            let mut peer = connect.open().await;
            peer.expect_alive().await;
            peer
        });
        if coming.len() < 50 && number + 1 < 50 + count {
            continue;
        }
        while let Some(peer) = coming.join_next().await {
            let (mut peer, ended) = (peer.unwrap(), ended.clone());
            peers.spawn(async move {
                let end = peer.stay().await;
                ended.fetch_add(1, Ordering::Relaxed);
                end
            });
        }
    }
    let (start, cpu) = (Instant::now(), server.cpu());
    let (mut tick, mut memory) = (interval(time / 30), Vec::new());
    while start.elapsed() < time {
        tick.tick().await;
        memory.push((server.rss() << 10).saturating_sub(before) / count as u64);
    }
    let processor = (server.cpu() - cpu).div_f64(start.elapsed().as_secs_f64());
    let scrape = Scrape::of(&server).await;
    assert_eq!(
        ended.load(Ordering::Relaxed),
        0,
        "{:?}",
        timeout(Duration::ZERO, peers.join_next()).await
    );
    assert_eq!(scrape.value("tagwire_connections"), (50 + count) as f64);
    let pongs = scrape.value("tagwire_round_trip_seconds_count");
    assert!(pongs >= (50 + count) as f64, "{pongs} pongs: nothing happened");
    println!("{memory:?} bytes each; {processor:?} of each second; {pongs} pongs");
    Cost { each: median(memory), processor }
}

#[tokio::test]
async fn five_hundred_that_idle_stay_and_cost_little() {
    let cost = idle(500, "1s", Duration::from_secs(3)).await;
    assert!(cost.each <= 2 * EACH, "{cost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: 10,000 connections for five minutes"]
async fn ten_thousand_that_idle_stay_and_cost_little() {
    let cost = idle(10_000, "15s", Duration::from_secs(300)).await;
    println!("{cost:?}");
    assert!(cost.each <= EACH, "{cost:?}");
    assert!(cost.processor <= Duration::from_millis(100), "{cost:?}");
}
