//! Goal: the wire format holds whatever a peer sends (docs/protocol.md, sections 1, 2, 4 and 5).
//! Method: a raw peer sends the bytes of each case; the answers are read as bytes.

use std::time::Duration;

use serde_json::{Value, json};
use tagwire::session::Closed;
use tokio::time::Instant;

#[cfg(feature = "cli")]
use crate::support::{Binary, alone};
use crate::support::{
    DEADLINE, End, Frame, QUIET, RawPeer, TestServer, body, control, data, frame, ping,
};

const MAX: u32 = 1 << 20;

#[tokio::test]
async fn a_frame_of_4_gib_is_refused_before_its_payload() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    peer.send([0x01, 0xff, 0xff, 0xff, 0xff]).await;
    let error = peer.expect_fatal("frame_too_large").await;
    assert_eq!(error["max_frame"], MAX);
    server.wait_closed(Closed::Refused, 1).await;
    assert_eq!(server.tally().unfinished, 0);
}

#[tokio::test]
async fn one_byte_more_than_a_frame_may_have_is_refused() {
    let server = TestServer::start().await;
    let mut peer = server.member("r", "ann").await;
    peer.send([0x02, 0x00, 0x10, 0x00, 0x01]).await;
    assert_eq!(peer.expect_fatal("frame_too_large").await["max_frame"], MAX);
}

#[tokio::test]
async fn the_largest_frame_reaches_every_subscriber_unchanged() {
    let server = TestServer::start().await;
    let mut peers = Vec::new();
    for user in ["a", "b", "c"] {
        peers.push(server.member("r", user).await);
    }
    let body = body(1, MAX as usize);
    peers[0].say(&body).await;
    for peer in &mut peers {
        assert!(peer.hear().await == body);
    }
}

#[tokio::test]
async fn tag_0_ends_the_connection() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    peer.send([0; 5]).await;
    peer.expect_fatal("invalid_tag").await;
}

#[tokio::test]
async fn reserved_tags_are_skipped() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    for tag in 0x07..=0x0f {
        peer.send(frame(tag, "")).await;
        assert_eq!(peer.expect_error("unknown_tag").await["tag"], tag);
    }
    peer.expect_alive().await;
}

#[tokio::test]
async fn a_tag_without_handler_is_skipped_with_its_payload() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    peer.send([0x80, 0, 0, 0, 4, 0xde, 0xad, 0xbe, 0xef]).await;
    assert_eq!(peer.expect_error("unknown_tag").await["tag"], 0x80);
    peer.expect_alive().await;
}

#[tokio::test]
async fn a_hundred_errors_are_too_many_and_99_are_not() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    peer.send(frame(0x80, "").repeat(99)).await;
    for _ in 0..99 {
        peer.expect_error("unknown_tag").await;
    }
    peer.expect_alive().await;
    peer.send(frame(0x80, "")).await;
    peer.expect_error("unknown_tag").await;
    peer.expect_fatal("too_many_errors").await;
}

#[tokio::test]
async fn a_pong_has_the_bytes_of_its_ping_and_no_others() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    peer.send(b"\x03\0\0\0\x08\0abcdefg").await;
    assert_eq!(peer.next().await, Frame { tag: 3, payload: b"\x01abcdefg".to_vec() });
    // More is announced than was sent: it is refused by its header, and skipped as it arrives.
    peer.send(b"\x03\0\0\x40\0abcd").await;
    peer.expect_error("bad_heartbeat").await;
    peer.expect_quiet(QUIET).await;
    peer.send(vec![0; 0x4000 - 4]).await;
    peer.expect_alive().await;
}

#[tokio::test]
async fn an_empty_heartbeat_is_a_ping() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    peer.send(frame(0x03, "")).await;
    assert_eq!(peer.next().await, Frame { tag: 3, payload: vec![1] });
}

/// What a session of three frames is answered, as far as it is the same each time: what CONTROL, DATA
/// and MESSAGE bring, and what HEARTBEAT brings.
async fn three_frames(server: &TestServer, room: &str, send: Cut) -> (Vec<Value>, Vec<Frame>) {
    let join = json!({"op": "join", "room_id": room, "user_id": "ann", "id": 7});
    let bytes = [control(join), data("hello"), ping("1234")].concat();
    let mut peer = server.peer().await;
    match send {
        Cut::Bytes => {
            for byte in &bytes {
                peer.send([*byte]).await;
            }
        }
        Cut::At(at) => {
            peer.send(&bytes[..at]).await;
            peer.send(&bytes[at..]).await;
        }
    }
    let (mut sequence, mut beats) = (Vec::new(), Vec::new());
    while sequence.len() + beats.len() < 4 {
        let frame = peer.next().await;
        if frame.tag == 0x03 {
            beats.push(frame);
            continue;
        }
        let mut json = frame.json();
        for changing in ["session", "epoch", "channel", "room_id"] {
            json.as_object_mut().and_then(|json| json.remove(changing));
        }
        sequence.push(json!([frame.tag, json, (frame.tag == 2).then_some(frame.payload)]));
    }
    (sequence, beats)
}

#[derive(Clone, Copy)]
enum Cut {
    At(usize),
    /// Each byte is a TLS record.
    Bytes,
}

#[tokio::test]
async fn it_does_not_matter_where_bytes_are_cut() {
    let server = TestServer::start().await;
    let whole = three_frames(&server, "r-000", Cut::At(0)).await;
    assert_eq!((whole.0.len(), whole.1.len()), (3, 1));
    let room = json!({"op": "join", "room_id": "r-000", "user_id": "ann", "id": 7});
    let len = control(room).len() + data("hello").len() + ping("1234").len();
    for at in 1..len {
        let cut = three_frames(&server, &format!("r-{at:03}"), Cut::At(at)).await;
        assert_eq!(cut, whole, "cut at {at}");
    }
    assert_eq!(three_frames(&server, "r-all", Cut::Bytes).await, whole);
}

/// A peer that has begun a DATA frame in a room, and one that would hear of it.
async fn begun(server: &TestServer, part: &[u8]) -> (RawPeer, RawPeer) {
    let mut watcher = server.peer().await;
    watcher.join_for_messages("r", "watcher").await;
    let mut cut = server.member("r", "cut").await;
    cut.send(part).await;
    (cut, watcher)
}

/// The next record is the first of all: nothing was published before it.
async fn expect_nothing_published(server: &TestServer, watcher: &mut RawPeer) {
    watcher.expect_presence("member_left", "cut").await;
    assert_eq!(server.tally().published, 0);
    watcher.say("sentinel").await;
    let record = watcher.frame().await;
    assert_eq!(record.record(), (1, 0, &b"sentinel"[..]));
}

#[tokio::test]
async fn a_header_that_never_ends_publishes_nothing() {
    let server = TestServer::with(|s| s.timeouts.frame = Duration::from_millis(500)).await;
    let (mut cut, mut watcher) = begun(&server, &[0x02, 0, 0]).await;
    cut.expect_fatal("idle").await;
    expect_nothing_published(&server, &mut watcher).await;
    server.wait_closed(Closed::Idle, 1).await;
}

const BEGUN: &[u8] = b"\x02\0\0\0\x10AB";

#[tokio::test]
async fn a_frame_cut_by_a_goodbye_publishes_nothing() {
    let server = TestServer::start().await;
    let (mut cut, mut watcher) = begun(&server, BEGUN).await;
    cut.say_goodbye().await;
    expect_nothing_published(&server, &mut watcher).await;
    server.wait_closed(Closed::ByPeer, 1).await;
}

#[tokio::test]
async fn a_frame_cut_by_a_bare_fin_publishes_nothing_and_counts_as_truncated() {
    let server = TestServer::start().await;
    let (mut cut, mut watcher) = begun(&server, BEGUN).await;
    cut.fin().await;
    expect_nothing_published(&server, &mut watcher).await;
    server.wait_closed(Closed::Truncated, 1).await;
}

#[tokio::test]
async fn a_frame_cut_by_a_reset_publishes_nothing() {
    let server = TestServer::start().await;
    let (cut, mut watcher) = begun(&server, BEGUN).await;
    cut.reset();
    expect_nothing_published(&server, &mut watcher).await;
    server.wait_closed(Closed::Broken, 1).await;
}

#[tokio::test]
async fn http_on_tagwire_is_a_bad_frame_and_nothing_of_it_comes_back() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    peer.send(b"GET / HTTP/1.1\r\n\r\n").await;
    let error = peer.expect_fatal("frame_too_large").await.to_string();
    assert!(!error.contains("GET") && !error.contains("HTTP"), "{error}");
}

#[tokio::test]
async fn a_frame_on_http_is_a_bad_request() {
    let server = TestServer::start().await;
    let mut peer = server.connect().alpn(&["http/1.1"]).open().await;
    peer.send(b"\x01\0\0\0\x02{}").await;
    peer.say_goodbye().await;
    let (answer, _) = peer.rest().await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn the_preface_of_http_2_is_told_which_version_there_is() {
    let server = TestServer::start().await;
    let mut peer = server.connect().alpn(&[]).open().await;
    peer.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let (answer, end) = peer.rest().await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
    assert!(!answer.contains("PRI"), "{answer}");
    assert_eq!(end, End::Goodbye);
}

#[tokio::test]
async fn without_alpn_a_wrong_first_byte_closes_without_a_word() {
    let server = TestServer::start().await;
    for first in [0x00, 0x10, b'a', 0x80, 0xff] {
        let mut peer = server.connect().alpn(&[]).open().await;
        peer.send([first, 0, 0, 0, 0]).await;
        assert_eq!(peer.rest().await, (Vec::new(), End::Goodbye), "{first:#x}");
    }
    server.wait_closed(Closed::Refused, 5).await;
}

#[tokio::test]
async fn without_tls_there_is_an_alert_at_most() {
    let server = TestServer::with(|s| s.timeouts.handshake = DEADLINE * 2).await;
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x01, 0, 0, 0, 0],
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02",
    ] {
        let mut peer = server.plain().await;
        peer.send(bytes).await;
        // Sooner than the handshake's time.
        let (answer, _) = peer.rest().await;
        assert!(answer.is_empty() || answer.len() == 7 && answer[0] == 0x15, "{answer:x?}");
    }
    server.wait_closed(Closed::Handshake, 4).await;
}

#[tokio::test]
async fn hostile_room_names_are_refused() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    let long = "a".repeat(65);
    let names = [
        "",
        &long,
        "*",
        ">",
        "a.>",
        "$JS",
        "a b",
        "a\tb",
        "a\r\nb",
        "a\0b",
        "../a",
        "a/b",
        "a\\b",
        "\u{430}",
        "a\u{200b}",
        "\u{202e}a",
        "r\u{e9}",
        "%2e",
    ];
    for name in names {
        peer.send(control(json!({"op": "join", "room_id": name, "id": name}))).await;
        let error = peer.expect("error").await;
        // An `id` has at most 64 bytes, which is judged first.
        let code = if name.len() > 64 { "bad_control" } else { "bad_room" };
        assert_eq!(error["code"], code, "{name:?}");
    }
    peer.send(control(json!({"op": "join", "room_id": long}))).await;
    peer.expect_error("bad_room").await;
    peer.send(frame(1, b"{\"op\":\"join\",\"room_id\":\"\xff\xc0\x80\"}")).await;
    peer.expect_error("bad_control").await;
    assert_eq!(server.handle().rooms(), Default::default());
    // What is allowed is allowed whole.
    peer.join("AZaz09._-:", "ann").await;
    peer.join(&long[..64], "ann").await;
}

/// Payloads of CONTROL that are not one JSON object, or not one that is allowed.
fn hostile_json() -> Vec<Vec<u8>> {
    let long = format!("{{\"op\":\"stats\",\"x\":\"{}\"}}", "x".repeat(16 << 10));
    let deep = format!("{{\"op\":\"stats\",\"x\":{}{}}}", "[".repeat(16), "]".repeat(16));
    [
        &b"["[..],
        &b"[".repeat(4000),
        &b"{\"a\":".repeat(3000),
        b"{\"a\":1e400}",
        b"{\"op\":\"stats\",\"op\":\"stats\"}",
        b"{\"op\":\"members\",\"room_id\":\"r\",\"room_id\":\"r\"}",
        b"{\"op\":\"members\",\"room_id\":\"r\",\"limit\":18446744073709551616}",
        b"{\"op\":\"stats\",\"group\":1}",
        b"{\"op\":18446744073709551616}",
        b"{\"op\":\"join\",\"room_id\":\"\\uD800\"}",
        b"{\"op\":\"stats\"}x",
        b"{\"op\":\"stats\"}{\"op\":\"stats\"}",
        b"",
        b"null",
        b"{}",
        b"\xff\xfe",
        long.as_bytes(),
        deep.as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

#[tokio::test]
async fn hostile_json_is_refused_and_the_connection_stays() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    for payload in hostile_json() {
        peer.send(frame(1, &payload)).await;
        let start = &payload[..payload.len().min(60)];
        let error = peer.expect("error").await;
        assert_eq!(error["code"], "bad_control", "{}", String::from_utf8_lossy(start));
    }
    peer.send(control(json!({"op": "shutdown"}))).await;
    peer.expect_error("unknown_op").await;
    peer.expect_alive().await;
}

#[cfg(feature = "cli")]
#[tokio::test]
async fn hostile_json_costs_less_than_5_ms_of_the_processor() {
    const TIMES: u32 = 50;
    let _alone = alone().await;
    let binary = Binary::with(&["limits.errors=1000000"]);
    let mut peer = binary.peer().await;
    for payload in hostile_json() {
        let before = binary.cpu();
        peer.send(frame(1, &payload).repeat(TIMES as usize)).await;
        for _ in 0..TIMES {
            peer.expect_error("bad_control").await;
        }
        let each = (binary.cpu() - before) / TIMES;
        let start = String::from_utf8_lossy(&payload[..payload.len().min(60)]);
        println!("{each:?} for {start}");
        assert!(each < Duration::from_millis(5), "{each:?} for {start}");
    }
}

#[tokio::test]
async fn a_join_is_complete_before_the_data_behind_it() {
    let server = TestServer::start().await;
    let mut watcher = server.member("there", "watcher").await;
    let mut peer = server.peer().await;
    let join = control(json!({"op": "join", "room_id": "there", "user_id": "ann"}));
    peer.send([join, data("hello")].concat()).await;
    watcher.expect_presence("member_joined", "ann").await;
    assert_eq!(watcher.hear().await, b"hello");
    peer.expect("joined").await;
    assert_eq!(peer.hear().await, b"hello");
}

#[tokio::test]
async fn a_first_data_frame_joins_the_default_room() {
    let server = TestServer::start().await;
    let mut watcher = server.member("lobby", "watcher").await;
    let mut peer = server.connect().alpn(&[]).open().await;
    peer.send(b"\x02\0\0\0\x05hello").await;
    assert_eq!(watcher.hear().await, b"hello");
    assert_eq!(peer.hear().await, b"hello", "and it hears itself, with no `joined`");
}

#[tokio::test]
async fn what_follows_a_fatal_error_is_not_acted_on_and_does_not_lose_the_reason() {
    let server = TestServer::start().await;
    let mut watcher = server.member("r", "watcher").await;
    let mut peer = server.member("r", "ann").await;
    // More than a socket holds without being read would reset the connection.
    let bytes = [frame(0x00, ""), data("after"), vec![0; 200 << 10]].concat();
    peer.send(bytes).await;
    peer.expect_fatal("invalid_tag").await;
    watcher.expect_presence("member_left", "ann").await;
    assert_eq!(server.tally().published, 0);
}

#[tokio::test]
async fn a_refused_peer_that_stays_is_left_after_a_moment() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    peer.send([0; 5]).await;
    peer.expect_fatal("invalid_tag").await;
    let fin = Instant::now();
    // It neither closes nor sends: only the server can end this.
    server.wait_open(0).await;
    let lingered = fin.elapsed();
    assert!(lingered < Duration::from_secs(4), "{lingered:?}");
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_pongs_is_not_read_until_it_does() {
    let server = TestServer::with(|s| {
        s.socket.send_buffer = Some(32 << 10);
        s.socket.receive_buffer = Some(32 << 10);
        s.heartbeat.interval = DEADLINE * 10;
    })
    .await;
    let mut peer = server.connect().small_buffer().open().await;
    let number = |n: usize| format!("{n:064}");
    let pings: Vec<_> = (0..400_000).flat_map(|n| ping(number(n))).collect();
    let stuck = peer.send_until_stuck(&pings, QUIET * 3).await;
    assert!(stuck < pings.len(), "28 MB of pings were taken");
    assert!(stuck < 16 << 20, "{stuck} bytes were taken: more than sockets hold");
    // What was cut is finished once there is room; each ping has its pong, in order.
    let count = stuck.div_ceil(70);
    let pongs = peer.exchange(&pings[stuck..count * 70], count).await;
    assert_eq!(pongs.len(), count);
    for (n, pong) in pongs.iter().enumerate() {
        assert_eq!(pong.payload[1..], *number(n).as_bytes());
    }
    peer.expect_alive().await;
}
