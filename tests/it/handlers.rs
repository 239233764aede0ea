//! Goal: a handler of an application's own, whatever it does, costs its request and nothing else
//! (docs/protocol.md, sections 2, "Order", and 10).
//! Method: handlers that panic, block, never return or answer too much, on a real server; gates that the
//! test opens say how far a handler may go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tagwire::handler::{Context, Handler, HandlerError};
use tagwire::router::Route;
use tagwire::wire::Tag;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::support::{
    DEADLINE, QUIET, RawPeer, TestServer, alone, call, control, data, eventually, frame, ping,
};

type Answered = Result<Option<Bytes>, HandlerError>;

async fn echo(_: Context, payload: Bytes) -> Answered {
    Ok(Some(payload))
}

/// A handler whose requests wait until the test lets one through, then echoes.
fn gated() -> (impl Handler, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let handler = move |_: Context, payload: Bytes| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.map_err(HandlerError::failed)?.forget();
            Ok(Some(payload))
        }
    };
    (handler, opened)
}

async fn with_route(tag: u8, route: impl Into<Route>) -> TestServer {
    TestServer::build(|_| {}, |builder| builder.route(tag, route)).await
}

/// The next ANSWER: its call, status and the rest.
async fn answer(peer: &mut RawPeer) -> (u32, u8, Vec<u8>) {
    let frame = peer.frame().await;
    let (call_id, status, rest) = frame.answer();
    (call_id, status, rest.to_vec())
}

#[tokio::test]
async fn a_thousand_panics_end_a_thousand_requests_and_nothing_else() {
    // Unwinds like a panic, without a thousand backtraces on standard error.
    async fn panics(_: Context, payload: Bytes) -> Answered {
        if payload.is_empty() {
            std::panic::resume_unwind(Box::new("as asked"));
        }
        Ok(Some(payload))
    }
    let server = with_route(0x20, panics).await;
    let mut other = server.member("r", "other").await;
    let mut peer = server.member("r", "ann").await;
    for id in 0..1000 {
        peer.send(call(id, 0x20, "")).await;
        let (call_id, status, text) = answer(&mut peer).await;
        assert_eq!((call_id, status), (id, 1));
        assert_eq!(text, b"the handler panicked");
        if id % 100 == 0 {
            peer.say(id.to_string()).await;
            assert_eq!(peer.hear().await, id.to_string().into_bytes());
            assert_eq!(other.hear().await, id.to_string().into_bytes());
            other.expect_alive().await;
        }
    }
    // The bare form too, and the handler itself is as it was.
    peer.send(frame(0x20, "")).await;
    assert_eq!(peer.expect_error("handler_failed").await["tag"], 0x20);
    peer.send(call(1, 0x20, "fine")).await;
    assert_eq!(answer(&mut peer).await, (1, 0, b"fine".to_vec()));
    assert_eq!(server.tally().published, 10);
    assert_eq!(server.tally().open, 2);
}

#[tokio::test]
async fn a_handler_that_blocks_its_thread_holds_up_no_heartbeat_and_no_data() {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let begun = Arc::new(AtomicUsize::new(0));
    let count = begun.clone();
    let blocks = move |_: Context, payload: Bytes| {
        count.fetch_add(1, Ordering::SeqCst);
        let _ = blocked.lock().unwrap().recv_timeout(DEADLINE * 2);
        async move { Ok(Some(payload)) }
    };
    let server = with_route(0x20, blocks).await;
    let mut other = server.member("r", "other").await;
    let mut peer = server.member("r", "ann").await;
    peer.send(call(1, 0x20, "late")).await;
    eventually("the handler blocks", || begun.load(Ordering::SeqCst) == 1).await;
    for number in 0..100 {
        let body = number.to_string().into_bytes();
        peer.expect_alive().await;
        peer.say(&body).await;
        assert_eq!(peer.hear().await, body);
        assert_eq!(other.hear().await, body);
        other.expect_alive().await;
    }
    release.send(()).unwrap();
    assert_eq!(answer(&mut peer).await, (1, 0, b"late".to_vec()));
}

#[tokio::test]
async fn a_handler_that_never_returns_is_answered_for_in_time() {
    async fn hangs(_: Context, _: Bytes) -> Answered {
        std::future::pending().await
    }
    let server = with_route(0x20, Route::new(hangs).timeout(QUIET)).await;
    let mut peer = server.peer().await;
    peer.send(call(7, 0x20, "")).await;
    peer.expect_alive().await;
    assert_eq!(answer(&mut peer).await, (7, 2, Vec::new()));
    peer.send(frame(0x20, "")).await;
    assert_eq!(peer.expect_error("handler_failed").await["tag"], 0x20);
    peer.expect_alive().await;
}

#[tokio::test]
async fn a_reply_of_100_mib_fails_its_request() {
    async fn talks(_: Context, payload: Bytes) -> Answered {
        let len: usize = String::from_utf8_lossy(&payload).parse().map_err(HandlerError::failed)?;
        Ok(Some(vec![0; len].into()))
    }
    let server = with_route(0x20, talks).await;
    let mut peer = server.peer().await;
    let len = 100 << 20;
    peer.send(call(1, 0x20, len.to_string())).await;
    let (call_id, status, text) = answer(&mut peer).await;
    assert_eq!((call_id, status), (1, 1));
    assert!(text.len() < 200, "{} bytes", text.len());
    peer.send(frame(0x20, len.to_string())).await;
    peer.expect_error("handler_failed").await;
    // The most that fits: 1 KiB over the largest frame of a client, with the five bytes of an ANSWER.
    let most = (1 << 20) + 1024 - 5;
    peer.send(call(2, 0x20, most.to_string())).await;
    let (_, status, reply) = answer(&mut peer).await;
    assert_eq!((status, reply.len()), (0, most));
    peer.send(call(3, 0x20, (most + 1).to_string())).await;
    assert_eq!(answer(&mut peer).await.1, 1);
    peer.expect_alive().await;
}

#[tokio::test]
async fn replies_of_a_tag_come_in_the_order_of_its_requests() {
    // The later a request comes, the sooner it would be done.
    async fn later(_: Context, payload: Bytes) -> Answered {
        sleep(Duration::from_millis(u64::from(20 - payload[0]))).await;
        Ok(Some(payload))
    }
    let server = with_route(0x20, later).await;
    let mut peer = server.peer().await;
    let numbers = || 0_u8..20;
    peer.send(numbers().flat_map(|n| frame(0x20, [n])).collect::<Vec<_>>()).await;
    for n in numbers() {
        let reply = peer.frame().await;
        assert_eq!((reply.tag, &reply.payload[..]), (0x20, &[n][..]));
    }
    // By CALL and bare is one order.
    let mixed = [call(1, 0x20, [0]), frame(0x20, [9]), call(2, 0x20, [19])];
    peer.send(mixed.concat()).await;
    assert_eq!(answer(&mut peer).await.0, 1);
    assert_eq!(peer.frame().await.payload, [9]);
    assert_eq!(answer(&mut peer).await.0, 2);
}

#[tokio::test]
async fn tags_do_not_wait_for_each_other() {
    let (slow, gate) = gated();
    let server =
        TestServer::build(|_| {}, |builder| builder.route(0x20, slow).route(0x21, echo)).await;
    let mut peer = server.peer().await;
    peer.send([call(1, 0x20, "slow"), call(2, 0x21, "fast"), frame(0x21, "bare")].concat()).await;
    assert_eq!(answer(&mut peer).await, (2, 0, b"fast".to_vec()));
    assert_eq!(peer.frame().await.payload, b"bare");
    peer.join("r", "ann").await;
    gate.add_permits(1);
    assert_eq!(answer(&mut peer).await, (1, 0, b"slow".to_vec()));
}

#[tokio::test]
async fn a_tag_may_answer_several_at_once() {
    async fn either(_: Context, payload: Bytes) -> Answered {
        match &payload[..] {
            b"hang" => std::future::pending().await,
            _ => Ok(Some(payload)),
        }
    }
    let server = with_route(0x20, Route::new(either).concurrency(2).timeout(QUIET)).await;
    let mut peer = server.peer().await;
    peer.send([call(1, 0x20, "hang"), call(2, 0x20, "a"), call(3, 0x20, "b")].concat()).await;
    assert_eq!(answer(&mut peer).await, (2, 0, b"a".to_vec()));
    assert_eq!(answer(&mut peer).await, (3, 0, b"b".to_vec()));
    assert_eq!(answer(&mut peer).await, (1, 2, Vec::new()));
}

#[tokio::test]
async fn work_in_flight_is_bounded_and_then_reading_pauses() {
    let (slow, gate) = gated();
    let few = |s: &mut tagwire::limits::Settings| s.limits.in_flight = 4;
    let server = TestServer::build(few, |builder| builder.route(0x20, slow)).await;
    let mut peer = server.peer().await;
    let calls = (0..4).flat_map(|id| call(id, 0x20, ""));
    peer.send(calls.chain(ping("behind")).collect::<Vec<_>>()).await;
    peer.expect_quiet(QUIET).await;
    // What comes later is not read either.
    peer.send(ping("later")).await;
    peer.expect_quiet(QUIET).await;
    gate.add_permits(1);
    assert_eq!(answer(&mut peer).await.0, 0);
    assert_eq!(peer.frame().await.payload, b"\x01behind");
    assert_eq!(peer.frame().await.payload, b"\x01later");
    gate.add_permits(3);
    for id in 1..4 {
        assert_eq!(answer(&mut peer).await.0, id);
    }
    peer.expect_alive().await;
}

#[tokio::test]
async fn one_below_the_bound_everything_goes_on() {
    let (slow, gate) = gated();
    let few = |s: &mut tagwire::limits::Settings| s.limits.in_flight = 4;
    let server = TestServer::build(few, |builder| builder.route(0x20, slow)).await;
    let mut peer = server.peer().await;
    peer.send((0..3).flat_map(|id| call(id, 0x20, "")).collect::<Vec<_>>()).await;
    peer.expect_alive().await;
    gate.add_permits(3);
    for id in 0..3 {
        assert_eq!(answer(&mut peer).await.0, id);
    }
}

#[tokio::test]
async fn each_status_of_an_answer_can_be_had() {
    async fn by_name(_: Context, payload: Bytes) -> Answered {
        match &payload[..] {
            b"done" => Ok(Some("reply".into())),
            b"nothing" => Ok(None),
            b"failed" => Err(HandlerError::failed("why")),
            b"hang" => std::future::pending().await,
            _ => Err(HandlerError::Forbidden),
        }
    }
    let (slow, gate) = gated();
    let more = |builder: tagwire::server::Builder| {
        builder
            .route(0x20, Route::new(by_name).timeout(QUIET))
            .route(0x21, Route::new(slow).in_flight(1))
    };
    let server = TestServer::build(|_| {}, more).await;
    let mut busy = server.peer().await;
    busy.send(call(0, 0x21, "")).await;
    busy.expect_alive().await;
    let mut peer = server.peer().await;
    for (tag, payload, status, rest) in [
        (0x20, "done", 0, "reply"),
        (0x20, "nothing", 0, ""),
        (0x20, "failed", 1, "why"),
        (0x20, "hang", 2, ""),
        (0x22, "", 3, ""),
        (0x02, "no handler of an application's", 3, ""),
        (0x21, "", 4, ""),
        (0x20, "forbidden", 5, ""),
    ] {
        peer.send(call(9, tag, payload)).await;
        let want = (9, status, rest.as_bytes().to_vec());
        assert_eq!(answer(&mut peer).await, want, "{tag:#x} {payload}");
    }
    gate.add_permits(1);
    assert_eq!(answer(&mut busy).await.1, 0);
}

#[tokio::test]
async fn a_call_too_short_to_be_one_is_an_error() {
    let server = TestServer::start().await;
    let mut peer = server.peer().await;
    peer.send(frame(0x05, [0; 4])).await;
    assert_eq!(peer.expect_error("bad_message").await["tag"], 5);
    peer.expect_alive().await;
}

#[tokio::test]
async fn data_by_a_handler_of_ones_own_keeps_its_order_with_control() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let handler = move |cx: Context, payload: Bytes| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.map_err(HandlerError::failed)?.forget();
            let rooms: Vec<_> = cx.rooms().iter().map(|room| room.as_str()).collect();
            let body = format!("{} {}", rooms.join("+"), String::from_utf8_lossy(&payload));
            cx.publish("out", body.as_bytes()).map_err(HandlerError::failed)?;
            Ok(None)
        }
    };
    let server = TestServer::build(|_| {}, |builder| builder.replace(0x02, handler)).await;
    let mut watcher = server.member("out", "watcher").await;
    let mut peer = server.peer().await;
    let join = |room| control(json!({"op": "join", "room_id": room}));
    let leave = control(json!({"op": "leave", "room_id": "a"}));
    peer.send([join("a"), data("1"), join("b"), data("2"), leave, data("3")].concat()).await;
    peer.expect("joined").await;
    peer.expect_alive().await;
    for (body, then) in [("a 1", Some("joined")), ("a+b 2", Some("left")), ("b 3", None)] {
        gate_opens(&opened, &mut watcher, body).await;
        if let Some(op) = then {
            peer.expect(op).await;
        }
    }
}

/// Lets one request through, and hears what it publishes; nothing comes before.
async fn gate_opens(gate: &Semaphore, watcher: &mut RawPeer, body: &str) {
    watcher.expect_alive().await;
    gate.add_permits(1);
    assert_eq!(String::from_utf8(watcher.hear().await).unwrap(), body);
}

#[tokio::test]
async fn what_a_handler_sends_waits_for_a_peer_that_does_not_read() {
    const FRAMES: usize = 4096;
    let _alone = alone().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let floods = move |cx: Context, _: Bytes| {
        let count = count.clone();
        async move {
            for number in 0..FRAMES {
                let payload = [&(number as u32).to_be_bytes()[..], &[0; 4092]].concat();
                cx.send(Tag::from_byte(0x21), &payload).await.map_err(HandlerError::failed)?;
                count.fetch_add(1, Ordering::SeqCst);
            }
            Ok(None)
        }
    };
    let small = |s: &mut tagwire::limits::Settings| {
        s.socket.send_buffer = Some(32 << 10);
        s.timeouts.write = DEADLINE * 2;
    };
    let server = TestServer::build(small, |builder| builder.route(0x20, floods)).await;
    let mut peer = server.connect().small_buffer().open().await;
    peer.send(call(1, 0x20, "")).await;
    // It goes on until sockets and the bound are full, and then not at all.
    let mut before = usize::MAX;
    while sent.load(Ordering::SeqCst) != before || before == 0 {
        before = sent.load(Ordering::SeqCst);
        sleep(QUIET).await;
    }
    // 64 KiB wait, 64 KiB are being sent, some more are in the sockets.
    assert!(before < FRAMES / 4, "{before} frames of 4 KiB were taken");
    for number in 0..FRAMES {
        let frame = peer.frame().await;
        assert_eq!(frame.tag, 0x21);
        assert_eq!(frame.payload[..4], (number as u32).to_be_bytes());
    }
    assert_eq!(answer(&mut peer).await, (1, 0, Vec::new()));
}

#[tokio::test]
async fn a_handler_that_sends_to_nobody_any_more_is_told() {
    let (ended, end) = mpsc::channel();
    let floods = move |cx: Context, _: Bytes| {
        let ended = ended.clone();
        async move {
            let error = loop {
                if let Err(error) = cx.send(Tag::from_byte(0x21), &[0; 4096]).await {
                    break error;
                }
            };
            let _ = ended.send(error);
            Ok(None)
        }
    };
    let server = with_route(0x20, floods).await;
    let mut peer = server.peer().await;
    peer.send(frame(0x20, "")).await;
    peer.next().await;
    peer.reset();
    let mut told = None;
    eventually("the handler is told", || {
        told = told.or_else(|| end.try_recv().ok());
        told.is_some()
    })
    .await;
    assert_eq!(told, Some(tagwire::handler::SendError::Closed));
}
