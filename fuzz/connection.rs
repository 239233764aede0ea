//! Any bytes as all that one or two peers ever say, from the first byte to the end of their connections, while two
//! others listen in the room `lobby`.

use std::collections::BTreeMap;
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Cx, Poll, Wake, Waker};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use serde_json::Value;
use tagwire::connection::{Connection, Frames, Plain, Protocol, farewell};
use tagwire::handler::{Context, HandlerError};
use tagwire::http;
use tagwire::id::NodeId;
use tagwire::limits::{FRAME_EXTRA, Settings, UNREAD_BYTES};
use tagwire::lines::Lines;
use tagwire::peer::{PeerInfo, Speaks, Vitals};
use tagwire::room::{Memory, WorkerId};
use tagwire::router::{Route, Router};
use tagwire::session::{Node, Session};
use tagwire::wire::{Answer, Header, Heartbeat, HeartbeatKind, Record, Tag};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep};

use super::SLACK;
use crate::meter::measured;

/// More than a CONTROL payload may have, and less than a short list takes: all bounds can be reached.
const MAX_FRAME: [u32; 2] = [20_000, 1_500];
/// What connections may hold besides what they were sent: rooms, and replies that nobody reads, in buffers that
/// double. The largest of the corpus is 240 KiB.
const STATE: usize = 5 * UNREAD_BYTES;
/// A step of time: longer than a handler may take.
const STEP: Duration = Duration::from_secs(5);
/// Steps until whatever ends by itself has ended, if no handler holds it up.
const STEPS: usize = 60;
/// Turns without new input, more than 32 KiB of it can cause; then it would turn forever.
const TURNS: usize = 20_000;

/// How the bytes come, and what becomes of the answer: the first two bytes of an input.
#[derive(Clone, Copy)]
struct Plan {
    alpn: Option<Speaks>,
    cut: Cut,
    /// The second half of the input is another peer's, who speaks in turns with the first.
    two: bool,
    /// Time passes between the pieces.
    slow: bool,
    max_frame: u32,
    reads: Reads,
    /// The peers end their side at last, or fall silent.
    ends: bool,
}

/// How long the pieces are in which the input comes.
#[derive(Clone, Copy)]
enum Cut {
    Whole,
    Bytes(usize),
    /// As long as the first byte of each says.
    Uneven,
}

/// What a peer takes of what it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    All,
    /// So many bytes for each piece that it sends, and all at last.
    Little(usize),
    Nothing,
}

impl Plan {
    fn of(first: u8, second: u8) -> Self {
        let alpn = match first & 3 {
            0 | 1 => None,
            2 => Some(Speaks::Frames),
            _ => Some(Speaks::Http),
        };
        let cut = match first >> 2 & 3 {
            0 => Cut::Whole,
            1 => Cut::Bytes(1),
            2 => Cut::Bytes(7),
            _ => Cut::Uneven,
        };
        let reads = match second & 3 {
            0 => Reads::All,
            1 => Reads::Little(1),
            2 => Reads::Little(100),
            _ => Reads::Nothing,
        };
        let (two, slow, ends) = (first & 16 != 0, first & 32 != 0, second & 4 == 0);
        let max_frame = MAX_FRAME[usize::from(second & 8 != 0)];
        Self { alpn, cut, two, slow, max_frame, reads, ends }
    }

    /// The same bytes at once, to somebody who reads.
    fn whole(self) -> Self {
        Self { cut: Cut::Whole, reads: Reads::All, ..self }
    }

    /// Whether the replies depend on nothing but the bytes.
    fn is_certain(self) -> bool {
        !self.two && !self.slow && self.ends && self.reads != Reads::Nothing
    }

    /// The length of the next piece.
    fn piece(self, rest: &[u8]) -> usize {
        let most = match self.cut {
            Cut::Whole => rest.len(),
            Cut::Bytes(bytes) => bytes,
            Cut::Uneven => rest.first().map_or(0, |&first| usize::from(first) + 1),
        };
        most.min(rest.len())
    }
}

/// What is made once.
struct Bench {
    /// Its clock stands still unless it is told to go on.
    runtime: Runtime,
    router: Arc<Router>,
}

thread_local! {
    static BENCH: Bench = Bench::new();
}

impl Bench {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let mut router = Router::new();
        for (tag, at_once) in [(0x20, 1), (0x21, 3)] {
            let route = Route::from(handle).inline().concurrency(at_once);
            assert_eq!(router.route(Tag::from_byte(tag), route), Ok(()));
        }
        let runtime = runtime.unwrap_or_else(|error| unreachable!("{error}"));
        let bench = Self { runtime, router: Arc::new(router) };
        // The buffers of a thread are no connection's: they are there before anything is measured.
        bench.run(Speaks::Frames, Plan::of(0, 0), b"\x01\0\0\0\x02{}");
        bench
    }

    /// All that the first peer was told, in words.
    fn run(&self, speaks: Speaks, plan: Plan, said: &[u8]) -> Heard {
        self.runtime.block_on(converse(&self.router, speaks, plan, said))
    }
}

/// Does what its payload says.
async fn handle(cx: Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
    match payload.first() {
        Some(b'z') => sleep(Duration::from_secs(3600)).await,
        Some(b'!') => return Err(HandlerError::failed(String::from_utf8_lossy(&payload))),
        Some(b'>') => cx.publish("lobby", &payload).map_err(HandlerError::failed)?,
        Some(b'-') => return Ok(None),
        _ => {}
    }
    Ok(Some(payload))
}

/// Does what a server does with the input, as its first two bytes say.
pub(super) fn serve(data: &[u8]) {
    let [first, second, said @ ..] = data else { return };
    let plan = Plan::of(*first, *second);
    let speaks = plan.alpn.or_else(|| Speaks::by_first_byte(*said.first()?));
    BENCH.with(|bench| match speaks {
        Some(Speaks::Http) => http(bench, plan, said),
        Some(speaks) => {
            let (heard, heap) = measured(|| bench.run(speaks, plan, said));
            assert!(heap <= said.len() * 4 + STATE, "{heap} bytes of heap for {}", said.len());
            if plan.is_certain() {
                assert_eq!(heard, bench.run(speaks, plan.whole(), said), "at once, on the right");
            }
        }
        None => {}
    });
}

/// A request: it is answered, by the same in whatever pieces it comes, and with little memory.
fn http(bench: &Bench, plan: Plan, said: &[u8]) {
    let answer = |plan: Plan| {
        let wire = Wire::new(said);
        let mut tasks = [Task::new(wire.clone(), http::serve(Pipe(wire.clone())))];
        let (answer, heap) = measured(|| bench.runtime.block_on(exchange(&mut tasks, 0, plan)));
        assert!(heap <= said.len() + SLACK, "{heap} bytes of heap for {}", said.len());
        assert!(answer.is_continue(), "it ended");
        wire.lock().output.clone()
    };
    let output = answer(plan);
    // Who takes a part of it in a second has no more of it.
    if plan.reads == Reads::Nothing || (plan.slow && plan.reads != Reads::All) {
        return;
    }
    let text = String::from_utf8_lossy(&output);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let lengths = [400, 501, 505].map(|status| head.starts_with(&format!("HTTP/1.1 {status} ")));
    assert!(lengths.contains(&true), "{text}");
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{text}");
    assert!(serde_json::from_str::<Value>(body).is_ok(), "{text}");
    // Where the head is longer than it may be, the cut decides how much of it is read.
    if plan.is_certain() && said.len() < 8 << 10 {
        assert_eq!(text, String::from_utf8_lossy(&answer(plan.whole())));
    }
}

/// What a server does with what its peers say, up to the end of all of them.
async fn converse(router: &Arc<Router>, speaks: Speaks, plan: Plan, said: &[u8]) -> Heard {
    let node = Arc::new(Node::new(NodeId::new(1), settings(plan), 1, Box::new(Memory)));
    let visit = |speaks, said: &[u8]| {
        let wire = Wire::new(said);
        match speaks {
            Speaks::Lines => Task::new(wire.clone(), service(&node, &wire, Lines::new())),
            _ => {
                let frames = Frames::new(router.clone(), plan.max_frame);
                Task::new(wire.clone(), service(&node, &wire, frames))
            }
        }
        .hearing(Ear::of(speaks, plan))
    };
    let join = br#"{"op":"join","room_id":"lobby","user_id":"ear","deliver":"message"}"#;
    let header = Header { tag: Tag::CONTROL, length: join.len() as u32 };
    let join = [&header.encode()[..], &join[..]].concat();
    let mut tasks = vec![visit(Speaks::Frames, &join), visit(Speaks::Lines, b"/join lobby eye\n")];
    for task in &mut tasks {
        task.wire.lock().arrive(usize::MAX);
        task.wire.lock().take(usize::MAX);
        task.listens = true;
    }
    settle(&mut tasks).await;
    let (ours, theirs) = said.split_at(if plan.two { said.len() / 2 } else { said.len() });
    tasks.push(visit(speaks, ours));
    let other =
        theirs.first().and_then(|&first| plan.alpn.or_else(|| Speaks::by_first_byte(first)));
    if let Some(other) = other {
        tasks.push(visit(other, theirs));
    }
    let done = exchange(&mut tasks, 2, plan).await;
    assert!(done.is_continue(), "a connection that does not end");
    let tally = node.tally();
    assert_eq!((tally.unfinished, tally.unsent), (0, 0), "held for nobody");
    // Who listens has outlived them all, and is alone.
    let guests = node.rooms().list(None, 1000).0.iter().map(|room| room.summary().0).sum::<usize>();
    assert_eq!(guests, 2, "members who have gone");
    node.sweep(u64::MAX);
    tasks.truncate(3);
    let heard = tasks.pop().and_then(|task| task.ear).map(Ear::heard);
    for task in &mut tasks {
        assert!(task.work.is_some(), "a listener was closed");
        task.wire.lock().end();
    }
    settle(&mut tasks).await;
    assert!(tasks.iter().all(|task| task.work.is_none()), "a listener does not end");
    // Handlers of connections that have gone end too.
    advance(STEP).await;
    heard.unwrap_or_default()
}

/// Bounds that a short input can reach.
fn settings(plan: Plan) -> Settings {
    let mut settings = Settings::default();
    settings.limits.frame = plan.max_frame;
    settings.limits.in_flight = 4;
    settings.limits.rooms_per_connection = 4;
    settings.timeouts.handler = Duration::from_secs(1);
    settings.rooms.keep_count = 16;
    settings.rooms.keep_bytes = 8 << 10;
    settings.rooms.keep_total = 16 << 10;
    settings
}

/// A connection and its goodbye, as server::serve has them.
fn service<P: Protocol>(
    node: &Arc<Node>,
    wire: &Wire,
    protocol: P,
) -> impl Future<Output = ()> + use<P> {
    let (now, settings) = (Instant::now(), node.settings());
    let vitals = Vitals::new(now, P::PINGS, &settings.timeouts, &settings.heartbeat);
    let speaks = if P::PINGS { Speaks::Frames } else { Speaks::Lines };
    let info = Arc::new(PeerInfo { address: ([127, 0, 0, 1], 1).into(), tls: None, speaks });
    let session = Session::new(node.clone(), WorkerId(0), node.mailbox(), info, vitals, now);
    let mut connection = Connection::new(Plain::new(Pipe(wire.clone())), protocol, session);
    let within = settings.timeouts.write;
    async move {
        let why = (&mut connection).await;
        farewell(connection.into_transport(), why, within).await;
    }
}

/// Lets the peers behind the first few say what they have to say, piece by piece, and whatever comes of it
/// happen. Breaks if one of them does not end.
async fn exchange(tasks: &mut [Task], listeners: usize, plan: Plan) -> ControlFlow<()> {
    let wires: Vec<_> = tasks.iter().skip(listeners).map(|task| task.wire.clone()).collect();
    let speak = |wire: &Wire| wire.lock().arrive_next(plan);
    while wires.iter().map(speak).fold(false, |any, spoke| any | spoke) {
        if plan.slow {
            advance(STEP).await;
        }
        settle(tasks).await;
    }
    for wire in &wires {
        if plan.reads != Reads::Nothing {
            wire.lock().take(usize::MAX);
        }
        if plan.ends {
            wire.lock().end();
        }
    }
    // A handler that is too slow holds up one request for a step.
    let steps = STEPS + wires.iter().map(|wire| wire.lock().input.len()).sum::<usize>();
    for step in 0..steps * 2 {
        settle(tasks).await;
        if tasks.iter().skip(listeners).all(|task| task.work.is_none()) {
            return ControlFlow::Continue(());
        }
        if step == steps {
            // A person may be silent for as long as he likes.
            wires.iter().for_each(|wire| wire.lock().end());
        }
        advance(STEP).await;
    }
    ControlFlow::Break(())
}

/// Lets everything happen that is about to happen.
async fn settle(tasks: &mut [Task]) {
    for _ in 0..TURNS {
        let turned = tasks.iter_mut().map(Task::turn).fold(false, |any, turned| any | turned);
        // Handlers have tasks of their own.
        yield_now().await;
        if !turned && !tasks.iter().any(Task::is_woken) {
            return;
        }
    }
    unreachable!("a connection that turns and turns");
}

/// One connection, the peer's end of its pipe, and what the peer makes of what it is told.
struct Task {
    work: Option<Pin<Box<dyn Future<Output = ()>>>>,
    woken: Arc<Woken>,
    wire: Wire,
    ear: Option<Ear>,
    /// It answers pings, and so lives as long as the others.
    listens: bool,
}

impl Task {
    fn new(wire: Wire, work: impl Future<Output = ()> + 'static) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self { work: Some(Box::pin(work)), woken, wire, ear: None, listens: false }
    }

    fn hearing(self, ear: Ear) -> Self {
        Self { ear: Some(ear), ..self }
    }

    fn is_woken(&self) -> bool {
        self.work.is_some() && self.woken.0.load(Ordering::Relaxed)
    }

    /// Goes on if there is reason to; whether there was.
    fn turn(&mut self) -> bool {
        if !self.is_woken() {
            return false;
        }
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(self.woken.clone());
        if let Some(work) = &mut self.work
            && work.as_mut().poll(&mut Cx::from_waker(&waker)).is_ready()
        {
            self.work = None;
        }
        if let Some(ear) = &mut self.ear {
            let mut ends = self.wire.lock();
            let pongs = ear.hear(&mem::take(&mut ends.output));
            if self.listens && !pongs.is_empty() {
                ends.input.extend(pongs);
                ends.arrive(usize::MAX);
            }
        }
        true
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is between a peer and a connection.
#[derive(Clone)]
struct Wire(Arc<Mutex<Ends>>);

/// Both directions.
struct Ends {
    input: Vec<u8>,
    /// How much of it has arrived, and how much was read.
    arrived: usize,
    read: usize,
    ended: bool,
    output: Vec<u8>,
    /// How much more the peer takes.
    space: usize,
    wakers: Vec<Waker>,
}

impl Wire {
    fn new(said: &[u8]) -> Self {
        let (input, output, wakers) = (said.to_vec(), Vec::new(), Vec::new());
        let (arrived, read, ended, space) = (0, 0, false, 0);
        Self(Arc::new(Mutex::new(Ends { input, arrived, read, ended, output, space, wakers })))
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    /// Lets the next piece arrive; whether there was one.
    fn arrive_next(&mut self, plan: Plan) -> bool {
        let piece = plan.piece(self.input.get(self.arrived..).unwrap_or_default());
        if piece == 0 {
            return false;
        }
        self.arrive(piece);
        match plan.reads {
            Reads::All => self.take(usize::MAX),
            Reads::Little(bytes) => self.take(bytes),
            Reads::Nothing => {}
        }
        true
    }

    fn arrive(&mut self, bytes: usize) {
        self.arrived = self.arrived.saturating_add(bytes).min(self.input.len());
        self.wake();
    }

    fn take(&mut self, bytes: usize) {
        self.space = self.space.saturating_add(bytes);
        self.wake();
    }

    fn end(&mut self) {
        self.ended = true;
        self.wake();
    }

    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn wait(&mut self, cx: &Cx<'_>) {
        if !self.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.wakers.push(cx.waker().clone());
        }
    }
}

/// The connection's end of a wire.
struct Pipe(Wire);

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut ends = self.0.lock();
        let arrived = ends.input.get(ends.read..ends.arrived).unwrap_or_default();
        if arrived.is_empty() && !ends.ended {
            ends.wait(cx);
            return Poll::Pending;
        }
        let read = arrived.len().min(buffer.remaining());
        buffer.put_slice(&arrived[..read]);
        ends.read += read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Cx<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut ends = self.0.lock();
        let taken = bytes.len().min(ends.space);
        if taken == 0 {
            ends.wait(cx);
            return Poll::Pending;
        }
        ends.output.extend_from_slice(&bytes[..taken]);
        ends.space -= taken;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What a peer was told that must not depend on how its bytes came.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    /// In their order.
    replies: Vec<String>,
    /// Of handlers, in any order.
    answers: Vec<String>,
}

/// A peer that understands the protocol, and insists on it.
enum Ear {
    Frames { rest: Vec<u8>, heard: Heard, most: u32, is_over: bool, numbers: BTreeMap<u32, u64> },
    Lines { rest: Vec<u8>, heard: Heard },
}

impl Ear {
    fn of(speaks: Speaks, plan: Plan) -> Self {
        let (rest, heard) = (Vec::new(), Heard::default());
        match speaks {
            Speaks::Lines => Self::Lines { rest, heard },
            _ => {
                let (most, numbers) = (plan.max_frame + FRAME_EXTRA, BTreeMap::new());
                Self::Frames { rest, heard, most, is_over: false, numbers }
            }
        }
    }

    fn heard(self) -> Heard {
        match self {
            Self::Lines { heard, .. } => heard,
            Self::Frames { mut heard, is_over, .. } => {
                heard.answers.sort();
                // After a fatal error, what was under way is not answered.
                let answers = if is_over { Vec::new() } else { heard.answers };
                Heard { answers, ..heard }
            }
        }
    }

    /// Takes what it is told, and gives its answer to pings.
    fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (Self::Frames { rest, .. } | Self::Lines { rest, .. }) = self;
        rest.extend_from_slice(bytes);
        let told = mem::take(rest);
        let (mut left, mut pongs) = (&told[..], Vec::new());
        match self {
            Self::Frames { heard, most, is_over, numbers, .. } => {
                while let Some(header) = Header::parse(left) {
                    assert!(header.length <= *most, "{header:?}");
                    let end = Header::LEN + header.length as usize;
                    let Some(payload) = left.get(Header::LEN..end) else { break };
                    assert!(!*is_over, "after the fatal error: {header:?}");
                    if let (Tag::HEARTBEAT, [0, opaque @ ..]) = (header.tag, payload) {
                        Heartbeat { kind: HeartbeatKind::Pong, opaque }.encode(&mut pongs);
                    }
                    *is_over = hear_frame(heard, numbers, header.tag, payload);
                    left = &left[end..];
                }
            }
            Self::Lines { heard, .. } => {
                while let Some(end) = left.iter().position(|&b| b == b'\n') {
                    hear_line(heard, &left[..end]);
                    left = &left[end + 1..];
                }
            }
        }
        let (Self::Frames { rest, .. } | Self::Lines { rest, .. }) = self;
        *rest = left.to_vec();
        pongs
    }
}

/// Whether it says that nothing else follows.
fn hear_frame(
    heard: &mut Heard,
    numbers: &mut BTreeMap<u32, u64>,
    tag: Tag,
    payload: &[u8],
) -> bool {
    match tag {
        Tag::CONTROL => {
            let Ok(Value::Object(said)) = serde_json::from_slice(payload) else {
                unreachable!("not an object: {payload:?}")
            };
            let op = said.get("op").and_then(Value::as_str).unwrap_or_default();
            match op {
                "ack" | "member_joined" | "member_left" => {}
                "gap" => numbers.clear(),
                "" => unreachable!("no op: {said:?}"),
                _ => {
                    if op == "joined" {
                        numbers.clear();
                    }
                    let fields = ["id", "code", "room_id", "tag", "publish_id"];
                    let fields = fields.map(|field| said.get(field));
                    let is_answer = fields[1].is_some_and(|code| code == "handler_failed");
                    let list = if is_answer { &mut heard.answers } else { &mut heard.replies };
                    list.push(format!("{op} {fields:?}"));
                }
            }
            return said.get("fatal") == Some(&Value::Bool(true));
        }
        Tag::DATA => {}
        Tag::MESSAGE => {
            let record = Record::parse(payload).unwrap_or_else(|error| no(payload, &error));
            let before = numbers.insert(record.channel.0, record.seq.0);
            assert!(before.is_none_or(|before| before == record.prev.0), "{before:?} {record:?}");
            assert!(record.prev < record.seq && record.flags == 0, "{record:?}");
            assert!(!record.user_id.contains(char::is_control), "{record:?}");
        }
        Tag::HEARTBEAT => {
            let heartbeat = Heartbeat::parse(payload).unwrap_or_else(|error| no(payload, &error));
            if heartbeat.kind == HeartbeatKind::Pong {
                heard.replies.push(format!("{heartbeat:?}"));
            }
        }
        Tag::ANSWER => {
            let answer = Answer::parse(payload).unwrap_or_else(|error| no(payload, &error));
            heard.answers.push(format!("{answer:?}"));
        }
        tag => {
            assert!([0x20, 0x21].contains(&tag.as_byte()), "{tag:?}");
            heard.answers.push(format!("{tag:?} {payload:?}"));
        }
    }
    false
}

fn no(payload: &[u8], error: &dyn fmt::Display) -> ! {
    unreachable!("{error}: {payload:?}")
}

/// A line for a person: text that leaves the terminal alone.
fn hear_line(heard: &mut Heard, line: &[u8]) {
    let Ok(line) = str::from_utf8(line) else { unreachable!("not text: {line:?}") };
    let turns = |c| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!line.contains(|c: char| c.is_control() || turns(c)), "{line:?}");
    if line.starts_with("error: ") || line == "User ID already taken" {
        heard.replies.push(line.to_owned());
    }
}
