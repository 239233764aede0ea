//! Everything at once: connections that never speak, handshakes at a byte a second, and stopped readers of a
//! busy room, beside clients that behave. Those hear everything, and as soon as before; what the others cost
//! is bounded; and afterwards nothing is left of anybody.
//!
//! One run: the clients alone, then beside the others, then alone again, so that a machine that gets slower
//! favours neither. The p99 of windows are compared by their medians. The others live on threads that give
//! way, and come at a steady pace: what is measured is what they cost the server. How far the two parts
//! differ in which the same happens is printed: where it is much, the machine was too busy for this to tell
//! anything.

use std::time::Duration;

use tokio::task::spawn_blocking;

use super::clients::{Clients, Kind, Measured};
use super::crowd::{Burden, Crowd};
use crate::support::http::Scrape;
use crate::support::{Binary, alone, median};

/// What a silent connection may cost: the 9,700 bytes of docs/performance.md, and a tenth for noise.
const SILENT: u64 = 10_700;
const SLOW: u64 = 32 << 10;
const STOPPED: u64 = 128 << 10;

/// How many there are, and for how long it is measured.
struct Scale {
    clients: usize,
    silent: usize,
    slow: usize,
    stopped: usize,
    windows: usize,
    window: Duration,
}

/// What the crowds made of it.
struct Outcome {
    measured: Measured,
    /// Resident memory before, and with each crowd, in bytes.
    memory: [u64; 4],
}

async fn together(scale: &Scale) -> Outcome {
    let _alone = alone().await;
    // Records leave soon, so that rooms do afterwards.
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &["rooms.keep_age=5s"]);
    let memory = || server.rss() << 10;
    let clients = Clients::start(&server, scale.clients).await;
    // What is done once is done.
    clients.measure(0, 1, scale.window).await;
    clients.measure(1, scale.windows, scale.window).await;
    let before = memory();
    let pace = Duration::from_millis(10);
    let silent = Crowd::gather(&server, Burden::Silent, scale.silent, pace).await;
    let with_silent = memory();
    let slow = Crowd::gather(&server, Burden::Slow, scale.slow, pace).await;
    let with_slow = memory();
    let stopped = Crowd::gather(&server, Burden::Stopped, scale.stopped, pace).await;
    let blocked = |scrape: &Scrape| {
        scrape.value("tagwire_connections_blocked") >= (scale.stopped * 9 / 10) as f64
    };
    Scrape::until(&server, "those who read nothing are blocked", blocked).await;
    clients.measure(1 + scale.windows, 2 * scale.windows, scale.window).await;
    let all = Scrape::of(&server).await;
    let with_stopped = memory();
    println!("{silent:?}; {slow:?}; {stopped:?}");
    println!("blocked: {}", all.value("tagwire_connections_blocked"));
    assert!(silent.is_there() && slow.is_there() && stopped.is_there(), "not all were there");
    assert!(blocked(&all), "they read");
    // So many ends take a while, in which the clients go on.
    spawn_blocking(move || drop((silent, slow, stopped))).await.unwrap();
    Scrape::until(&server, "the others are gone", |scrape| {
        scrape.value("tagwire_connections") == scale.clients as f64
    })
    .await;
    clients.measure(1 + 3 * scale.windows, scale.windows, scale.window).await;
    let measured = clients.end().await;
    expect_nothing_left(&server).await;
    let memory = [before, with_silent, with_slow, with_stopped];
    Outcome { measured, memory }
}

/// Every gauge is back at zero, and whoever was accepted has ended for one reason.
async fn expect_nothing_left(server: &Binary) {
    let gauges = [
        "connections",
        "connections_blocked",
        "rooms",
        "members",
        "publishers",
        "log_bytes",
        "unfinished_bytes",
        "unsent_bytes",
    ];
    let zero = |scrape: &Scrape| {
        gauges.iter().all(|gauge| scrape.value(&format!("tagwire_{gauge}")) == 0.0)
    };
    let scrape = Scrape::until(server, "all gauges are zero", zero).await;
    let accepted = scrape.value("tagwire_connections_accepted_total");
    assert_eq!(accepted, scrape.sum("tagwire_connections_closed_total"));
    assert_eq!(scrape.sum("tagwire_connections_refused_total"), 0.0);
    println!("{accepted} connections in all");
}

#[tokio::test]
async fn clients_beside_every_burden_miss_nothing_and_nothing_is_left() {
    let scale = Scale {
        clients: 40,
        silent: 200,
        slow: 40,
        stopped: 20,
        windows: 1,
        window: Duration::from_secs(1),
    };
    together(&scale).await;
}

#[tokio::test]
#[ignore = "long: 6,000 connections beside 100 clients, for 4 minutes"]
async fn a_hundred_clients_beside_every_burden_are_as_fast_as_alone() {
    let (silent, slow, stopped, windows) = (5000, 500, 500, 4);
    let window = Duration::from_secs(10);
    let scale = Scale { clients: 100, silent, slow, stopped, windows, window };
    let Outcome { measured, memory } = together(&scale).await;
    println!("memory before, with silent, slow, stopped: {memory:?} bytes");
    let mut bad = Vec::new();
    for kind in [Kind::Busy, Kind::Calm, Kind::Heartbeat] {
        let (first, loud) = (measured.p99(kind, 1..5), measured.p99(kind, 5..13));
        let last = measured.p99(kind, 13..17);
        println!("{kind:?} p99 alone {first:?}, beside {loud:?}, alone again {last:?}");
        let alone = median([first, last].concat());
        let beside = median(loud);
        println!("{kind:?} p99 medians: {alone:?} alone, {beside:?} beside");
        if beside > alone * 2 {
            bad.push((kind, alone, beside));
        }
    }
    let [before, with_silent, _, all] = memory;
    let each = with_silent.saturating_sub(before) / silent as u64;
    println!("a silent connection: {each} bytes");
    assert!(each <= SILENT, "{each} bytes");
    let most = silent as u64 * SILENT + slow as u64 * SLOW + stopped as u64 * STOPPED;
    assert!(all <= before + most, "{before} bytes before, {all} with all, {most} more may be");
    assert_eq!(bad, [], "more than twice as slow");
}
