//! Goal: every row of the protocol's table of errors (docs/protocol.md, section 2) can be provoked, with
//! its code, what it carries, and fatal or not as the table says.
//! Method: a table here with one provocation a row, compared with the table in the protocol's document.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tagwire::handler::{Context, HandlerError};
use tagwire::limits::{Settings, SlowPolicy};

use crate::support::{
    DEADLINE, RawPeer, TestServer, body, call, control, data, eventually, frame, publish,
};

/// What is provoked here.
const PROVOKED: [&str; 21] = [
    "bad_control",
    "bad_heartbeat",
    "bad_message",
    "bad_room",
    "bad_user",
    "forbidden",
    "frame_too_large",
    "handler_failed",
    "idle",
    "invalid_tag",
    "not_joined",
    "rate_limited",
    "session_taken",
    "shutting_down",
    "slow_consumer",
    "too_many_errors",
    "too_many_rooms",
    "unavailable",
    "unknown_op",
    "unknown_tag",
    "user_taken",
];

/// What is not: no credential can be required yet.
const NOT_YET: [&str; 1] = ["unauthorized"];

/// The codes of the document's table, and whether they are fatal.
fn document() -> BTreeMap<String, bool> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| code | when | fatal |"));
    let mut table = BTreeMap::new();
    for row in rows.skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        for code in cells[1].split(", ") {
            table.insert(code.trim_matches('`').to_owned(), cells[3].starts_with("yes"));
        }
    }
    table
}

#[test]
fn the_tables_are_the_documents() {
    let codes: Vec<_> = document().into_keys().collect();
    let mut here: Vec<_> = PROVOKED.iter().chain(&NOT_YET).copied().collect();
    here.sort_unstable();
    assert_eq!(codes, here);
}

/// A server on which every error is near.
async fn server() -> TestServer {
    async fn handler(_: Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
        match &payload[..] {
            b"forbidden" => Err(HandlerError::Forbidden),
            b"hang" => std::future::pending().await,
            _ => Err(HandlerError::failed("as asked")),
        }
    }
    let near = |s: &mut Settings| {
        s.limits.rooms_per_connection = 2;
        s.limits.members_per_room = 3;
        s.limits.unfinished = 512 << 10;
        s.timeouts.identify = Duration::from_secs(1);
        s.timeouts.drain = Duration::from_millis(100);
        s.timeouts.handler = DEADLINE * 2;
        s.rooms.keep_bytes = 64 << 10;
        s.rooms.slow = SlowPolicy::Disconnect;
        s.socket.send_buffer = Some(32 << 10);
        s.socket.receive_buffer = Some(32 << 10);
    };
    TestServer::build(near, |builder| builder.route(0x20, handler)).await
}

#[tokio::test]
async fn each_error_is_provoked_as_the_table_says() {
    let document = document();
    for code in PROVOKED {
        let mut server = server().await;
        let (error, mut peer) = provoke(&mut server, code).await;
        assert_eq!((&error["op"], &error["code"]), (&json!("error"), &json!(code)), "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        let fatal = error["fatal"].as_bool().unwrap_or(false);
        // Out of the memory for unfinished frames, no connection can be gone on with.
        let want = document[code] || code == "rate_limited";
        assert_eq!(fatal, want, "{error}");
        match fatal {
            true => peer.expect_end().await,
            false => peer.expect_alive().await,
        }
    }
}

async fn answered(server: &TestServer, bytes: Vec<u8>) -> (Value, RawPeer) {
    let mut peer = server.peer().await;
    peer.send(bytes).await;
    (peer.frame().await.json(), peer)
}

async fn requested(server: &TestServer, request: Value) -> (Value, RawPeer) {
    let mut with_id = request;
    with_id["id"] = json!("mine");
    let (error, peer) = answered(server, control(&with_id)).await;
    assert_eq!(error["id"], "mine", "{error}");
    (error, peer)
}

/// Provokes an error; it, and who got it.
async fn provoke(server: &mut TestServer, code: &str) -> (Value, RawPeer) {
    match code {
        "invalid_tag" => answered(server, frame(0, "")).await,
        "unknown_tag" => {
            let (error, peer) = answered(server, frame(0x77, "x")).await;
            assert_eq!(error["tag"], 0x77);
            (error, peer)
        }
        "frame_too_large" => {
            let (error, peer) = answered(server, vec![2, 0xff, 0, 0, 0]).await;
            assert_eq!(error["max_frame"], 1 << 20);
            (error, peer)
        }
        "bad_control" => requested(server, json!({"op": "join", "room_id": 1})).await,
        "unknown_op" => requested(server, json!({"op": "dance"})).await,
        "bad_heartbeat" => answered(server, frame(3, [7])).await,
        "bad_message" => {
            let (error, peer) = answered(server, publish(9, 5, "x")).await;
            assert_eq!((&error["channel"], &error["publish_id"]), (&json!(9), &json!(5)));
            (error, peer)
        }
        "bad_room" => requested(server, json!({"op": "join", "room_id": "a b"})).await,
        "bad_user" => {
            requested(server, json!({"op": "join", "room_id": "r", "user_id": "\n"})).await
        }
        "user_taken" => {
            let _ann = server.member("r", "ann").await;
            requested(server, json!({"op": "join", "room_id": "r", "user_id": "ann"})).await
        }
        "not_joined" => requested(server, json!({"op": "leave", "room_id": "r"})).await,
        "too_many_rooms" => {
            let mut peer = server.member("a", "ann").await;
            peer.join("b", "ann").await;
            peer.send(control(json!({"op": "join", "room_id": "c"}))).await;
            (peer.frame().await.json(), peer)
        }
        "forbidden" => {
            let (error, peer) = answered(server, frame(0x20, "forbidden")).await;
            assert_eq!(error["tag"], 0x20);
            (error, peer)
        }
        "handler_failed" => {
            let (error, peer) = answered(server, frame(0x20, "")).await;
            assert_eq!((&error["tag"], &error["message"]), (&json!(0x20), &json!("as asked")));
            (error, peer)
        }
        "session_taken" => {
            let hello = json!({"op": "hello", "client_id": "one run"});
            let mut old = server.peer().await;
            old.request(hello.clone(), "welcome").await;
            server.peer().await.request(hello, "welcome").await;
            (old.frame().await.json(), old)
        }
        "slow_consumer" => {
            let mut slow = server.connect().small_buffer().open().await;
            slow.join("r", "slow").await;
            let mut fast = server.member("r", "fast").await;
            for number in 0..400 {
                fast.say(body(number, 16 << 10)).await;
                fast.hear().await;
            }
            loop {
                let frame = slow.frame().await;
                if frame.tag == 1 {
                    return (frame.json(), slow);
                }
            }
        }
        "idle" => answered(server, Vec::new()).await,
        "unavailable" => {
            let mut members = Vec::new();
            for user in ["a", "b", "c"] {
                members.push(server.member("r", user).await);
            }
            let (error, peer) = requested(server, json!({"op": "join", "room_id": "r"})).await;
            assert_eq!(error["reason"], "room_full");
            (error, peer)
        }
        "rate_limited" => {
            let unfinished = data(vec![0; 400 << 10]);
            let mut first = server.peer().await;
            first.send(&unfinished[..390 << 10]).await;
            eventually("the first is held", || server.tally().unfinished > 300 << 10).await;
            let (error, peer) = answered(server, unfinished[..390 << 10].to_vec()).await;
            assert!(error["retry_ms"].is_u64(), "{error}");
            (error, peer)
        }
        "too_many_errors" => {
            let mut peer = server.peer().await;
            peer.send(frame(0x77, "").repeat(100)).await;
            for _ in 0..100 {
                peer.expect_error("unknown_tag").await;
            }
            (peer.frame().await.json(), peer)
        }
        "shutting_down" => {
            let mut peer = server.peer().await;
            // What is owed to it never comes, so that only the deadline ends this.
            peer.send([call(1, 0x20, "hang"), control(json!({"op": "stats"}))].concat()).await;
            peer.expect("stats").await;
            server.shut_down();
            peer.expect("goaway").await;
            (peer.frame().await.json(), peer)
        }
        other => panic!("{other} is not provoked"),
    }
}
