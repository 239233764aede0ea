//! Very many handshakes that come to nothing: each is counted, and they do not fill the log (O03).

use crate::support::http::Scrape;
use crate::support::{Binary, ClientHello, PlainPeer, alone};

/// What the log may say of all of them, however many there are.
const LINES: usize = 100;

/// Connections that end with a bad handshake each, 200 at a time.
async fn bad_handshakes(count: u32) {
    let _alone = alone().await;
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &[]);
    let foreign = ClientHello::new().extension(16, b"\0\x04\x03foo").records();
    let cut = &ClientHello::new().records()[..50];
    let said = [b"GET / HTTP/1.1\r\n\r\n", &foreign[..], &[0; 100], cut, b""];
    let closed = "tagwire_connections_closed_total{reason=\"handshake\"}";
    for done in (0..count).step_by(200) {
        let mut peers = Vec::new();
        for number in 0..200 {
            let mut peer = PlainPeer::connect(server.address).await;
            peer.send(said[number % said.len()]).await;
            peers.push(peer);
        }
        drop(peers);
        Scrape::until(&server, "all of them end", |scrape| {
            scrape.value(closed) >= f64::from(done + 200)
        })
        .await;
    }
    let scrape = Scrape::of(&server).await;
    for counter in ["connections_accepted", "handshake_failures", "connections_closed"] {
        assert_eq!(scrape.sum(&format!("tagwire_{counter}_total")), f64::from(count), "{counter}");
    }
    let reasons = scrape.0.iter().filter(|(series, value)| {
        series.starts_with("tagwire_handshake_failures_total") && **value > 0.0
    });
    assert!(reasons.count() >= 3, "{scrape:#?}");
    assert_eq!(scrape.value("tagwire_connections"), 0.0);
    assert_eq!(scrape.sum("tagwire_connections_refused_total"), 0.0);
    server.peer().await.expect_alive().await;
    let lines = server.stderr().lines().count();
    println!("{lines} lines about {count} handshakes");
    assert!(lines <= LINES, "{}", server.stderr());
}

#[tokio::test]
async fn a_thousand_bad_handshakes_are_counted_exactly_and_fill_no_log() {
    bad_handshakes(1000).await;
}

#[tokio::test]
#[ignore = "long: 10,000 connections"]
async fn ten_thousand_bad_handshakes_are_counted_exactly_and_fill_no_log() {
    bad_handshakes(10_000).await;
}
