//! Goal: a connection may be dropped at any moment, and cut into pieces of any size, and nobody else
//! notices more than that it left (reliability C05).
//! Method: connections over in-memory pipes, polled by hand k times and dropped, for every k that changes
//! something; and the same session through a pipe of one byte and through a large one.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use serde_json::{Value, json};
use tagwire::connection::{Connection, Frames, Plain};
use tagwire::id::NodeId;
use tagwire::limits::Settings;
use tagwire::peer::{PeerInfo, Speaks, Vitals};
use tagwire::room::{Memory, WorkerId};
use tagwire::router::Router;
use tagwire::session::{Closed, Node, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::support::{DEADLINE, Frame, body, control, data, frame, ping};

type Pipe = Connection<Plain<DuplexStream>, Frames>;

fn node() -> Arc<Node> {
    Arc::new(Node::new(NodeId::new(1), Settings::default(), 1, Box::new(Memory)))
}

/// A connection of that server, and the peer's end of its pipe.
fn connection(node: &Arc<Node>, pipe: usize) -> (Pipe, DuplexStream) {
    let (ours, theirs) = duplex(pipe);
    let now = Instant::now();
    let settings = node.settings();
    let vitals = Vitals::new(now, true, &settings.timeouts, &settings.heartbeat);
    let info = Arc::new(PeerInfo {
        address: ([127, 0, 0, 1], 1).into(),
        tls: None,
        speaks: Speaks::Frames,
    });
    let mailbox = node.mailbox();
    let session = Session::new(node.clone(), WorkerId(0), mailbox, info, vitals, now);
    let frames = Frames::new(Arc::new(Router::new()), settings.limits.frame);
    (Connection::new(Plain::new(ours), frames, session), theirs)
}

fn drive(connection: Pipe) -> JoinHandle<Closed> {
    tokio::spawn(connection)
}

/// Polls a future once.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// A peer at its end of a pipe.
struct Peer {
    pipe: DuplexStream,
    read: Vec<u8>,
}

impl Peer {
    async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = Frame::take(&mut self.read) {
                return frame;
            }
            let read = timeout(DEADLINE, self.pipe.read_buf(&mut self.read)).await;
            assert_ne!(read.expect("a frame in time").unwrap(), 0, "the end");
        }
    }

    /// Everything that the room had before a record that is published now: whole frames, or this never
    /// ends.
    async fn until_now(&mut self) -> Vec<Frame> {
        self.pipe.write_all(&data("mark")).await.unwrap();
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            if (frame.tag, &frame.payload[..]) == (0x02, b"mark") {
                return frames;
            }
            frames.push(frame);
        }
    }
}

#[tokio::test]
async fn a_flood_of_small_frames_is_many_turns() {
    let node = node();
    let (flood, mut pipe) = connection(&node, 1 << 20);
    let mut flood = pin!(flood);
    let frames: Vec<_> = (0..10_000).flat_map(|_| data("")).collect();
    pipe.write_all(&frames).await.unwrap();
    let mut turns = 0;
    let mut before = 0;
    while node.tally().published < 10_000 {
        assert!(poll_once(flood.as_mut()).await.is_pending());
        let published = node.tally().published;
        assert!(published > before && published - before <= 512, "{before} {published}");
        (turns, before) = (turns + 1, published);
    }
    assert!(turns >= 20, "{turns}");
}

fn join(room: &str, user: &str) -> Vec<u8> {
    control(json!({"op": "join", "room_id": room, "user_id": user}))
}

/// What the one that is dropped says: into two rooms, records small and large, out of one room.
fn script() -> Vec<u8> {
    let leave = control(json!({"op": "leave", "room_id": "other"}));
    let large = data(body(1, 100 << 10));
    [join("other", "ann"), join("r", "ann"), data("first"), large, leave, data("last")].concat()
}

#[tokio::test]
async fn a_connection_dropped_after_any_number_of_polls_leaves_nothing_behind() {
    // More polls than the script needs, by pieces of every size.
    for piece in [1, 7, 64, 1500, 64 << 10] {
        for polls in (0..24).chain([40, 80, 160]) {
            let node = node();
            let (watching, pipe) = connection(&node, 1 << 20);
            let watching = drive(watching);
            let mut watcher = Peer { pipe, read: Vec::new() };
            watcher.pipe.write_all(&join("r", "watcher")).await.unwrap();
            watcher.until_now().await;

            let (dropped, mut theirs) = connection(&node, piece);
            let script = script();
            let mut left = &script[..];
            {
                let mut dropped = pin!(dropped);
                for _ in 0..polls {
                    // As much as fits, then one turn.
                    while !left.is_empty() {
                        let write = pin!(theirs.write(left));
                        let Poll::Ready(taken) = poll_once(write).await else { break };
                        left = &left[taken.unwrap()..];
                    }
                    assert!(poll_once(dropped.as_mut()).await.is_pending());
                }
            }
            let frames = watcher.until_now().await;
            expect_whole(&frames, &format!("pieces of {piece}, {polls} polls"));
            let room = node.rooms().get("r").unwrap();
            let (members, more) = room.members(None, 10);
            let names: Vec<_> = members.iter().map(|(user, _)| user.as_str()).collect();
            assert_eq!((&names[..], more), (&["watcher"][..], false));
            let other = node.rooms().get("other");
            assert!(other.is_none_or(|room| room.members(None, 10).0.is_empty()));
            assert_eq!(node.tally().unfinished, 0, "{piece} {polls}");
            watching.abort();
        }
    }
}

/// It came, said a beginning of what it had to say, each part whole, and left; or it never came.
fn expect_whole(frames: &[Frame], what: &str) {
    let large = body(1, 100 << 10);
    let bodies: [&[u8]; 3] = [b"first", &large, b"last"];
    let mut said = 0;
    let mut presence = Vec::new();
    for frame in frames {
        match frame.tag {
            0x02 => {
                assert!(frame.payload == bodies[said], "{what}: {frame:?}");
                said += 1;
            }
            _ => presence.push(frame.op()),
        }
    }
    match &presence[..] {
        [] => assert_eq!(said, 0, "{what}"),
        [came, left] => assert_eq!((&came[..], &left[..]), ("member_joined", "member_left")),
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn a_connection_that_waits_for_its_reader_can_be_dropped_too() {
    let node = node();
    let (watching, pipe) = connection(&node, 1 << 20);
    let watching = drive(watching);
    let mut watcher = Peer { pipe, read: Vec::new() };
    watcher.pipe.write_all(&join("r", "watcher")).await.unwrap();
    watcher.until_now().await;
    // Its pipe holds one byte, and nobody reads it.
    let (stuck, mut theirs) = connection(&node, 1);
    let mut stuck = Box::pin(stuck);
    for byte in join("r", "stuck") {
        // It reads on as long as what it owes is little.
        while poll_once(pin!(theirs.write(&[byte]))).await.is_pending() {
            assert!(poll_once(stuck.as_mut()).await.is_pending());
        }
    }
    assert!(poll_once(stuck.as_mut()).await.is_pending());
    let frames = watcher.until_now().await;
    assert_eq!(frames.iter().map(Frame::op).collect::<Vec<_>>(), ["member_joined"], "{frames:?}");
    assert!(poll_once(stuck.as_mut()).await.is_pending());
    drop(stuck);
    let frames = watcher.until_now().await;
    assert_eq!(frames.iter().map(Frame::op).collect::<Vec<_>>(), ["member_left"], "{frames:?}");
    // What its reader still finds is what had left: one byte, the first of a frame.
    let mut rest = Vec::new();
    theirs.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0x01]);
    watching.abort();
}

/// What a session brings: CONTROL, DATA and MESSAGE in their order, and HEARTBEAT in its own.
async fn session(pipe: usize, bytes: &[u8]) -> (Vec<Value>, Vec<Frame>, Vec<Value>) {
    let node = node();
    let (served, theirs) = connection(&node, pipe);
    let served = drive(served);
    let (mut input, mut output) = tokio::io::split(theirs);
    let write = async {
        output.write_all(bytes).await.unwrap();
        output.shutdown().await.unwrap();
    };
    let mut read = Vec::new();
    let both = async { tokio::join!(write, input.read_to_end(&mut read)).1.unwrap() };
    // The pipe ends when the connection is dropped, which is when it has said everything.
    timeout(DEADLINE, both).await.expect("the session ends");
    assert_eq!(served.await.unwrap(), Closed::ByPeer);
    let (mut replies, mut beats, mut records) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(frame) = Frame::take(&mut read) {
        let mut json = frame.json();
        json.as_object_mut().and_then(|json| json.remove("last_time_ms"));
        match frame.tag {
            0x03 => beats.push(frame),
            0x01 if !frame.is_presence() => replies.push(json),
            _ => records.push(json!([json, (frame.tag == 2).then_some(frame.payload)])),
        }
    }
    assert!(read.is_empty(), "the end of a frame is missing");
    (replies, beats, records)
}

#[tokio::test]
async fn a_pipe_of_one_byte_brings_what_a_large_one_brings() {
    let leave = control(json!({"op": "leave", "room_id": "r", "id": 3}));
    let bytes = [
        control(json!({"op": "hello", "user_id": "ann", "id": 1})),
        join("r", "ann"),
        data("one"),
        ping("a"),
        frame(0x80, "unknown"),
        data(body(2, 5000)),
        control(json!({"op": "join", "room_id": "s", "user_id": "ann", "id": 2})),
        frame(0x01, "no json"),
        data(""),
        ping("b"),
        frame(0x03, [0; 100]),
        leave,
        data("end"),
    ]
    .concat();
    let large = session(1 << 20, &bytes).await;
    // welcome, joined, unknown_tag, joined, bad_control, bad_heartbeat, left; two pongs.
    let codes: Vec<_> = large.0.iter().map(|reply| (&reply["op"], &reply["code"])).collect();
    assert_eq!((codes.len(), large.1.len()), (7, 2), "{codes:?}");
    for pipe in [1, 2, 3, 5, 16, 4096] {
        let small = session(pipe, &bytes).await;
        assert_eq!((&small.0, &small.1), (&large.0, &large.1), "a pipe of {pipe}");
        // Who leaves a room hears no more of it: what it had not been sent yet may be missing. What the
        // other room had is there.
        let bodies =
            small.2.iter().filter_map(|record| serde_json::from_value(record[1].clone()).ok());
        let bodies: Vec<Vec<u8>> = bodies.collect();
        let (left, stayed): (Vec<_>, Vec<_>) =
            bodies.into_iter().partition(|body| body == b"one" || body.len() == 5000);
        assert_eq!(stayed, [&b""[..], b"end"], "a pipe of {pipe}");
        let all = [b"one".to_vec(), body(2, 5000)];
        assert!(left[..] == all[..left.len()] || left[..] == all[1..], "a pipe of {pipe}");
    }
}
