//! The steps that every message takes, each many times: decode, publish, append, read; and the whole way of
//! a message through sessions, with all that is counted on it, but for sockets and encryption.
//!
//! `scripts/count` runs it under callgrind and prints instructions per step, which repeat exactly, whatever
//! else the machine does. Run by hand: `cargo bench --bench hot -- decode 1000000`.

use std::hint::black_box;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tagwire::connection::{Frames, Protocol};
use tagwire::id::{Channel, ConnectionId, NodeId, PublishId, RoomName, Seq, UserId};
use tagwire::limits::{Live, Settings};
use tagwire::peer::{PeerInfo, Speaks, Vitals};
use tagwire::room::{Form, Keep, Log, Memory, PublisherId, Rooms, RoomsConfig, Ticket, WorkerId};
use tagwire::router::Router;
use tagwire::session::{Node, Session};
use tagwire::wire::{Admit, Decoder, Deliver, Header, Join, RecordHead, Start, Tag};
use tokio::time::Instant;

/// Bytes of a body: what the fan-out benchmarks call small.
const BODY: usize = 128;
/// Messages of a batch: what one read brings under load.
const BATCH: usize = 64;

fn main() {
    // Cargo adds `--bench`.
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let step = args.next().unwrap_or_default();
    let batches = args.next().and_then(|n| n.parse().ok()).unwrap_or(1000);
    match step.as_str() {
        "decode" => decode(batches),
        "publish" => publish(batches),
        "append" => append(batches),
        "read_data" => read(batches, Form::Data),
        "read_message" => read(batches, Form::Message),
        "handle" => deliver(batches, 0),
        "deliver" => deliver(batches, 100),
        _ => {
            let steps = "decode|publish|append|read_data|read_message|handle|deliver";
            eprintln!("usage: hot {steps} [BATCHES]");
        }
    }
}

/// A batch of DATA frames.
fn input() -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..BATCH {
        input.extend_from_slice(&Header { tag: Tag::DATA, length: BODY as u32 }.encode());
        input.extend_from_slice(&[7; BODY]);
    }
    input
}

/// Frames out of one buffer, as one read brings them.
fn decode(batches: usize) {
    let input = input();
    let mut decoder = Decoder::new(1 << 20);
    for _ in 0..batches {
        let mut rest = black_box(&input[..]);
        while let Ok(Some(frame)) = decoder.decode(&mut rest, |_| Admit::Take) {
            black_box(&frame);
        }
    }
}

/// Bodies into a room in memory: its lock, the engine, the log, what it keeps.
fn publish(batches: usize) {
    let settings = Arc::new(Live::new(Settings::default()));
    let node = NodeId::new(7);
    let rooms = Rooms::new(RoomsConfig { node, settings, workers: 1, engine: Box::new(Memory) });
    let (Some(name), Some(user)) = (RoomName::new("room"), UserId::new("ann")) else { return };
    let Ok(room) = rooms.open(&name) else { return };
    let ticket = Ticket {
        publisher: PublisherId(1),
        connection: ConnectionId(1),
        publish_id: PublishId(0),
        channel: room.channel(),
    };
    for message in 0..batches * BATCH {
        let _ = black_box(room.publish(None, ticket, &user, &[7; BODY], message as u64));
    }
}

/// Records into a log that keeps 4 MiB.
fn append(batches: usize) {
    let mut log = Log::new();
    for batch in 0..batches {
        fill(&mut log, batch);
    }
    black_box(log.last());
}

/// Batches of records, each read by 100 cursors.
fn read(batches: usize, form: Form) {
    let mut log = Log::new();
    let mut cursors: Vec<_> = (0..100).map(|_| log.end(form, None)).collect();
    let mut out: Vec<Bytes> = Vec::new();
    for batch in 0..batches {
        fill(&mut log, batch);
        for cursor in &mut cursors {
            let _ = black_box(log.read(cursor, 64 << 10, &mut out));
            out.clear();
        }
    }
}

fn fill(log: &mut Log, batch: usize) {
    let keep = Keep { bytes: 4 << 20, count: 100_000, since_ms: 0 };
    let body = BytesMut::zeroed(BODY);
    for message in 0..BATCH {
        let seq = Seq((batch * BATCH + message + 1) as u64);
        let head = RecordHead {
            channel: Channel(1),
            seq,
            prev: Seq(seq.0 - 1),
            time_ms: seq.0,
            user_id: "ann",
            body_len: BODY,
        };
        log.append(&head, &body, ConnectionId(1));
        log.trim(&keep);
    }
}

/// Batches of DATA frames through the protocol of one session, each delivered to so many others.
fn deliver(batches: usize, readers: usize) {
    let settings = Settings::default();
    let node = Arc::new(Node::new(NodeId::new(1), settings, 1, Box::new(Memory)));
    let router = Arc::new(Router::new());
    let now = Instant::now();
    let session = |deliver| {
        let settings = node.settings();
        let vitals = Vitals::new(now, true, &settings.timeouts, &settings.heartbeat);
        let address = ([127, 0, 0, 1], 1).into();
        let info = Arc::new(PeerInfo { address, tls: None, speaks: Speaks::Frames });
        let (worker, mailbox) = (WorkerId(0), node.mailbox());
        let mut session = Session::new(node.clone(), worker, mailbox, info, vitals, now);
        session.begin(1);
        let (room_id, start) = (RoomName::new("r").unwrap_or_else(|| unreachable!()), Start::Live);
        let join = Join { room_id, user_id: None, deliver, start, echo: true };
        assert!(session.join(&join).is_ok());
        session
    };
    let mut publisher = session(Deliver::None);
    let mut readers: Vec<_> = (0..readers).map(|_| session(Deliver::Message)).collect();
    let mut frames = Frames::new(router, 1 << 20);
    let input = input();
    let mut out = Vec::new();
    for _ in 0..batches {
        let mut rest = black_box(&input[..]);
        assert!(frames.receive(&mut publisher, &mut rest, now, u64::MAX).is_ok());
        publisher.wake_rooms();
        for reader in &mut readers {
            assert!(reader.pull(64 << 10, &mut out).is_ok());
            black_box(&out);
            out.clear();
        }
    }
}
