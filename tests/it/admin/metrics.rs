//! What `/metrics` says.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::support::http::{Scrape, exchange};
use crate::support::{Binary, DEADLINE, PlainPeer, RawPeer, alone, frame};

fn closed(reason: &str) -> String {
    format!("tagwire_connections_closed_total{{reason=\"{reason}\"}}")
}

#[tokio::test]
async fn counters_balance_exactly_and_gauges_return_to_zero() {
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &["rooms.keep_age=1ms"]);
    let mut good = server.peer().await;
    good.join("r", "good").await;
    good.say("hello").await;
    assert_eq!(good.hear().await, b"hello");
    let busy = Scrape::of(&server).await;
    assert_eq!(busy.value("tagwire_connections"), 1.0);
    assert_eq!((busy.value("tagwire_rooms"), busy.value("tagwire_members")), (1.0, 1.0));
    assert_eq!(busy.value("tagwire_frames_total{tag=\"data\",direction=\"in\"}"), 1.0);
    assert_eq!(busy.value("tagwire_frame_bytes_total{tag=\"data\",direction=\"in\"}"), 10.0);
    assert_eq!(busy.value("tagwire_deliveries_total{form=\"data\"}"), 1.0);
    assert_eq!(busy.value("tagwire_publishes_total"), 1.0);
    assert_eq!(busy.value("tagwire_handle_seconds_count{tag=\"data\"}"), 1.0);

    good.say_goodbye().await;
    let mut truncated = server.peer().await;
    truncated.join("r", "truncated").await;
    truncated.fin().await;
    let mut reset = server.peer().await;
    reset.join("r", "reset").await;
    // An announced frame that never comes.
    reset.send(&frame(0x02, "0123456789")[..9]).await;
    reset.reset();
    server.connect().alpn(&["h2"]).try_open().await.err().unwrap();
    PlainPeer::connect(server.address).await.send(b"GET / HTTP/1.1\r\n\r\n").await;
    let scrape = Scrape::until(&server, "all are closed", |scrape| {
        scrape.value("tagwire_connections_accepted_total") == 5.0
            && scrape.value("tagwire_connections") == 0.0
            && scrape.value("tagwire_rooms") == 0.0
    })
    .await;
    let reasons = [("by_peer", 1.0), ("truncated", 1.0), ("broken", 1.0), ("handshake", 2.0)];
    for (reason, count) in reasons {
        assert_eq!(scrape.value(&closed(reason)), count, "{reason} {scrape:#?}");
    }
    assert_eq!(scrape.sum("tagwire_connections_closed_total"), 5.0);
    assert_eq!(scrape.sum("tagwire_handshakes_total"), 3.0);
    assert_eq!(scrape.sum("tagwire_handshake_failures_total"), 2.0);
    for gauge in ["members", "log_bytes", "unfinished_bytes", "unsent_bytes", "publishers"] {
        assert_eq!(scrape.value(&format!("tagwire_{gauge}")), 0.0, "{gauge}");
    }
    assert_eq!(scrape.value("tagwire_connections_blocked"), 0.0);
    let process = ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time_seconds"];
    for name in process {
        assert!(scrape.value(&format!("process_{name}")) > 0.0, "{name}");
    }
}

#[tokio::test]
async fn reloads_are_counted_by_what_and_result() {
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &[]);
    let reloads = |what: &str, result: &str| {
        format!("tagwire_reloads_total{{what=\"{what}\",result=\"{result}\"}}")
    };
    let good = reloads("certificate", "ok");
    let before = Scrape::of(&server).await;
    assert_eq!(before.value(&good), 0.0);
    assert!(before.value("tagwire_reload_last_success_seconds{what=\"certificate\"}") > 0.0);
    server.signal("HUP");
    Scrape::until(&server, "it is reloaded", |scrape| scrape.value(&good) >= 1.0).await;
    std::fs::write(server.path("certs/server.pem"), "no certificate").unwrap();
    server.signal("HUP");
    let bad = reloads("certificate", "failed");
    let after = Scrape::until(&server, "it fails", |scrape| scrape.value(&bad) >= 1.0).await;
    let until = "tagwire_certificate_not_after_seconds";
    assert_eq!(after.value(until), before.value(until), "what is served stays");
    assert_eq!(after.value("tagwire_log_lines_lost_total"), 0.0);
}

#[tokio::test]
async fn peers_choose_no_label_and_prometheus_gets_its_own_format() {
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &["limits.errors=1000"]);
    let mut peer = server.peer().await;
    for room in 0..60 {
        peer.join(&format!("room-{room}"), "a-name").await;
    }
    // Every tag that there is.
    peer.send((7..=0xff).flat_map(|tag| frame(tag, "")).collect::<Vec<_>>()).await;
    for _ in 7..=0xff {
        peer.expect_error("unknown_tag").await;
    }
    let scrape = Scrape::of(&server).await;
    let series = scrape.0.len();
    assert!((100..=300).contains(&series), "{series} series");
    assert!(!scrape.0.keys().any(|series| series.contains("room-") || series.contains("a-name")));
    assert_eq!(scrape.value("tagwire_frames_total{tag=\"other\",direction=\"in\"}"), 249.0);

    let stream = TcpStream::connect(server.admin.unwrap()).await.unwrap();
    let accept = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                  Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3\r\n\r\n";
    let answer = exchange(stream, accept).await;
    assert!(answer.head.contains("application/openmetrics-text; version=1.0.0"), "{}", answer.head);
    assert!(answer.body.ends_with("# EOF\n"));
    assert!(answer.body.contains("# TYPE tagwire_frames counter\n"), "{}", answer.body);
}

/// Rooms and connections, a scrape among traffic, and how long it took.
async fn crowded(count: usize) -> Duration {
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &[]);
    let mut peers: Vec<RawPeer> = Vec::new();
    for number in 0..count {
        let mut peer = server.peer().await;
        peer.join(&format!("room-{number}"), "ann").await;
        peers.push(peer);
    }
    // Everybody speaks while it is asked.
    for peer in &mut peers {
        peer.say("hello").await;
    }
    let start = Instant::now();
    let scrape = Scrape::of(&server).await;
    let took = start.elapsed();
    assert_eq!(scrape.value("tagwire_rooms"), count as f64);
    assert_eq!(scrape.value("tagwire_connections"), count as f64);
    assert!(scrape.0.len() <= 300);
    for peer in &mut peers {
        assert_eq!(peer.hear().await, b"hello");
    }
    // Who does not end its request holds up nobody.
    let mut slow = TcpStream::connect(server.admin.unwrap()).await.unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
    Scrape::of(&server).await;
    took
}

#[tokio::test]
async fn a_scrape_among_many_rooms_is_quick() {
    let _alone = alone().await;
    let took = crowded(100).await;
    assert!(took < DEADLINE, "{took:?}");
}

#[tokio::test]
#[ignore = "long: 2,000 connections"]
async fn a_scrape_among_2000_rooms_takes_less_than_a_second() {
    let _alone = alone().await;
    let took = crowded(2000).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}
