//! Goal: what the server counts is exact, and what it says of connections and rooms is so.
//! Method: the library's server, peers that follow a script or break off in every way, and its handle.

use std::sync::{Arc, mpsc};
use std::thread;

use serde_json::json;
use tagwire::handler::{Context, HandlerError};
use tagwire::id::UserId;
use tagwire::room::{Engine, Record, Room, Stamp, Submission, Submitted, Ticket};
use tagwire::router::Route;
use tagwire::session::{Closed, Delivery, Flow, Metered, Timings};
use tagwire::wire::{Code, Tag};

use crate::support::{
    DEADLINE, End, TestServer, alone, body, call, control, data, eventually, frame, ping, publish,
};

/// What was counted of a tag: frames and bytes in, frames and bytes out.
fn counted(metered: &Metered, tag: u8) -> [u64; 4] {
    let tally = metered.tags[&Tag::from_byte(tag)];
    [tally.received.frames, tally.received.bytes, tally.sent.frames, tally.sent.bytes]
}

async fn echo(_cx: Context, payload: bytes::Bytes) -> Result<Option<bytes::Bytes>, HandlerError> {
    match &payload[..] {
        b"no" => Err(HandlerError::Forbidden),
        _ => Ok(Some(payload)),
    }
}

#[tokio::test]
async fn frames_and_bytes_are_counted_by_tag_and_direction() {
    let server = TestServer::build(|_| {}, |builder| builder.route(0x20, Route::new(echo))).await;
    let mut reader = server.peer().await;
    reader.join_for_messages("r", "bob").await;
    let mut peer = server.peer().await;
    let joined = peer.join("r", "ann").await;
    let channel = joined["channel"].as_u64().unwrap();
    peer.send([data("hello"), publish(channel, 7, "hi")].concat()).await;
    let (mut bodies, mut acked) = (Vec::new(), false);
    while bodies.len() < 2 || !acked {
        let frame = peer.next().await;
        acked |= frame.op() == "ack";
        if frame.tag == 0x02 {
            bodies.push(frame.payload);
        }
    }
    assert_eq!(bodies, [&b"hello"[..], b"hi"]);
    for body in ["hello", "hi"] {
        assert_eq!(reader.frame().await.record().2, body.as_bytes());
    }
    peer.send([ping("x"), call(1, 0x20, "yes"), call(2, 0x20, "no"), call(3, 0x77, "")].concat())
        .await;
    let mut answers = Vec::new();
    while answers.len() < 3 {
        let frame = peer.next().await;
        if frame.tag == 0x06 {
            answers.push((frame.answer().0, frame.answer().1));
        }
    }
    answers.sort_unstable();
    assert_eq!(answers, [(1, 0), (2, 5), (3, 3)]);
    peer.send([frame(0x20, "bare"), frame(0x66, "unknown")].concat()).await;
    let mut seen = (false, false);
    while seen != (true, true) {
        let frame = peer.next().await;
        seen = (seen.0 || frame.tag == 0x20, seen.1 || frame.op() == "error");
    }

    let metered = server.handle().metered();
    assert_eq!(counted(&metered, 0x02), [1, 10, 2, 17], "DATA: one in, two out to ann");
    // 30 bytes of head and the user's name, then the body.
    let message = |body: u64| 5 + 30 + 3 + body;
    let [frames, bytes, out, out_bytes] = counted(&metered, 0x04);
    assert_eq!((frames, out, out_bytes), (1, 2, message(5) + message(2)));
    assert_eq!(bytes, publish(channel, 7, "hi").len() as u64);
    assert_eq!(counted(&metered, 0x03), [1, 6 + 1, 1, 6 + 1], "one ping, one pong");
    assert_eq!(counted(&metered, 0x05), [3, 3 * 10 + 5, 0, 0]);
    assert_eq!(counted(&metered, 0x06), [0, 0, 3, 3 * 10 + 3]);
    assert_eq!(counted(&metered, 0x20), [1, 9, 1, 9], "a bare frame and its reply");
    assert_eq!(metered.tags[&Tag::from_byte(0x20)].results, [2, 0, 0, 0, 0, 1]);
    let other = metered.tags[&Metered::OTHER];
    assert_eq!(other.received, Flow { frames: 1, bytes: 5 }, "refused by its header");
    assert_eq!(other.results, [0, 0, 0, 1, 0, 0], "no handler for 0x77");
    assert_eq!(metered.error(Code::UnknownTag), 1);
    let delivered = |how: Delivery| metered.delivered[how as usize];
    assert_eq!(delivered(Delivery::Data), Flow { frames: 2, bytes: 17 });
    assert_eq!(delivered(Delivery::Message), Flow { frames: 2, bytes: message(5) + message(2) });
    // Two joins in; out: two `joined`, bob hears himself and ann, ann herself, an ack and an error.
    let [frames, _, out, _] = counted(&metered, 0x01);
    assert_eq!((frames, out), (2, 2 + 3 + 1 + 1));
    assert_eq!(server.tally().published, 2);
}

#[tokio::test]
async fn lines_are_counted_as_their_own() {
    let server = TestServer::start().await;
    let mut person = server.connect().alpn(&[]).open().await;
    person.send("/join r ann\nhello\r\n/ping\n").await;
    for line in ["ann joined the room\n", "ann: hello\n"] {
        while person.line().await != line {}
    }
    let metered = server.handle().metered();
    let lines = metered.tags[&Timings::LINES];
    assert_eq!(lines.received, Flow { frames: 3, bytes: 12 + 7 + 6 });
    assert_eq!(lines.sent.frames, 3, "{lines:?}");
    assert_eq!(metered.delivered[Delivery::Line as usize], Flow { frames: 1, bytes: 11 });
    let framed = metered.tags.iter().filter(|(tag, _)| **tag != Timings::LINES);
    assert!(framed.into_iter().all(|(_, tally)| *tally == Default::default()), "{metered:?}");
}

#[tokio::test]
async fn what_was_accepted_is_open_or_closed_for_one_reason() {
    let mut server = TestServer::with(|s| s.timeouts.handshake = DEADLINE / 20).await;
    let handle = server.handle().clone();
    let mut good = server.member("r", "good").await;
    good.say_goodbye().await;
    let mut cut = server.member("r", "cut").await;
    cut.fin().await;
    server.member("r", "reset").await.reset();
    server.connect().alpn(&["h2"]).try_open().await.err().unwrap();
    server.plain().await.send(b"GET / HTTP/1.1\r\n\r\n").await;
    let silent = server.plain().await;
    let mut wrong = server.peer().await;
    wrong.send([0; 5]).await;
    wrong.expect_fatal("invalid_tag").await;
    let mut kicked = server.member("r", "kicked").await;
    let session = kicked_session(&handle, "kicked").await;
    assert!(handle.kick(&session));
    assert_eq!(kicked.expect("goaway").await["reason"], "kicked");
    assert!(!handle.kick("nobody-1"));
    let _stays = server.member("r", "stays").await;
    for (why, count) in [
        (Closed::ByPeer, 1),
        (Closed::Truncated, 1),
        (Closed::Broken, 1),
        (Closed::Handshake, 3),
        (Closed::Refused, 1),
        (Closed::Kicked, 1),
    ] {
        server.wait_closed(why, count).await;
    }
    drop(silent);
    let tally = server.tally();
    assert_eq!((tally.accepted, tally.open), (9, 1), "{tally:?}");
    let failures = handle.metered().failures;
    // Timed out, no_protocol, not_tls.
    assert_eq!(failures, [1, 0, 0, 1, 0, 1, 0, 0, 0], "{failures:?}");
    server.shut_down();
    server.ended().await.unwrap();
    let tally = handle.tally();
    assert_eq!((tally.open, tally.closed.iter().sum::<u64>()), (0, 9), "{tally:?}");
    assert_eq!((tally.unsent, tally.unfinished, tally.blocked), (0, 0, 0));
    assert_eq!(handle.rooms(), Default::default());
}

async fn kicked_session(handle: &tagwire::server::Handle, user: &str) -> String {
    let members = handle.members("r", None, 100).await.unwrap().members;
    let member = members.iter().find(|member| member.user_id.as_str() == user).unwrap();
    member.session.to_string()
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_seen_and_its_lag_is_measured() {
    const RECORDS: usize = 400;
    let _alone = alone().await;
    let server = TestServer::with(|s| {
        s.socket.send_buffer = Some(32 << 10);
        s.timeouts.write = DEADLINE * 2;
        s.rooms.keep_bytes = 16 << 20;
    })
    .await;
    let mut slow = server.connect().small_buffer().open().await;
    slow.join_for_messages("r", "slow").await;
    let mut fast = server.member("r", "fast").await;
    for number in 0..RECORDS {
        fast.say(body(number, 4 << 10)).await;
        fast.hear().await;
    }
    eventually("it is seen to take nothing", || server.tally().blocked == 1).await;
    assert!(server.tally().unsent > 0);
    let all = server.handle().connections(None, 100).await;
    assert_eq!((all.reports.len(), all.silent, all.next), (2, 0, None));
    let [of_slow, of_fast] = &all.reports[..] else { panic!() };
    let lag = of_slow.rooms[0].lag.unwrap();
    assert!(of_slow.blocked && !of_fast.blocked, "{of_slow:?}");
    assert!(lag.records > 50 && lag.bytes >= lag.records * (4 << 10), "{lag:?}");
    assert_eq!(of_fast.rooms[0].lag, Some(Default::default()));
    let members = server.handle().members("r", None, 1).await.unwrap();
    assert_eq!((members.members[0].user_id.as_str(), members.more), ("fast", true));
    let members = server.handle().members("r", Some("fast"), 1).await.unwrap();
    assert!(members.members[0].lag.unwrap().records > 50, "{members:?}");
    assert!(server.handle().members("nowhere", None, 1).await.is_none());

    let mut last = 0;
    while last < RECORDS as u64 {
        let frame = slow.frame().await;
        last = frame.record().0;
    }
    eventually("it takes all", || server.tally().blocked == 0).await;
    assert_eq!(server.tally().unsent, 0);
    let lags = server.handle().timings().lags;
    assert!(lags.count() > 0, "{lags:?}");
}

#[tokio::test]
async fn connections_and_rooms_are_listed_in_pages() {
    let server = TestServer::start().await;
    let mut peers = Vec::new();
    for user in ["a", "b", "c"] {
        peers.push(server.member(user, user).await);
    }
    peers[1].say("hello").await;
    peers[1].hear().await;
    let first = server.handle().connections(None, 2).await;
    let users = |page: &tagwire::server::Connections| {
        page.reports.iter().map(|report| report.rooms[0].user_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(users(&first), ["a", "b"]);
    let report = &first.reports[1];
    assert_eq!(report.info.speaks.as_str(), "frames");
    assert_eq!((report.traffic.frames_in, report.in_flight, report.paused), (2, 0, false));
    let rest = server.handle().connections(first.next.map(|last| last.connection()), 2).await;
    assert_eq!((users(&rest), rest.next), (vec!["c".to_owned()], None));

    let (rooms, more) = server.handle().list_rooms(Some("a"), 1);
    assert_eq!((rooms.len(), more), (1, true));
    let room = &rooms[0];
    assert_eq!((room.name.as_str(), room.members, room.records, room.next_seq.0), ("b", 1, 1, 2));
    assert!(room.oldest_ms.is_some() && room.oldest_ms == room.newest_ms && room.log_bytes > 0);
    let tally = server.handle().rooms();
    assert_eq!((tally.rooms, tally.members), (3, 3));
}

/// Says `Later`, and stores on a thread of its own.
#[derive(Debug)]
struct Late(mpsc::Sender<(Arc<Room>, Ticket, UserId, Vec<u8>)>);

impl Late {
    fn new() -> Self {
        let (sender, taken) = mpsc::channel::<(Arc<Room>, Ticket, UserId, Vec<u8>)>();
        thread::spawn(move || {
            for (number, (room, ticket, user_id, body)) in (1..).zip(taken) {
                let (seq, prev) = (tagwire::id::Seq(number), tagwire::id::Seq(number - 1));
                let stamp = Stamp { seq, prev, time_ms: 1 };
                let (ticket, user_id, body) = (Some(&ticket), &user_id, &body[..]);
                room.feed(&Record { stamp, ticket, user_id, body });
            }
        });
        Self(sender)
    }
}

impl Engine for Late {
    fn submit(&self, submission: Submission<'_>) -> Submitted {
        let Submission { room, ticket, user_id, body, .. } = submission;
        self.0.send((room.clone(), ticket, user_id.clone(), body.to_vec())).unwrap();
        Submitted::Later
    }
}

#[tokio::test]
async fn what_an_engine_stores_later_is_counted_when_it_is() {
    let server = TestServer::build(|_| {}, |builder| builder.engine(Late::new())).await;
    let mut peer = server.member("r", "ann").await;
    for body in ["a", "b"] {
        peer.say(body).await;
        peer.hear().await;
    }
    server.handle().publish("r", "server", b"c").unwrap();
    assert_eq!(peer.hear().await, b"c");
    assert_eq!(server.tally().published, 3);
}

#[tokio::test]
async fn publishes_of_the_program_itself_count_too() {
    let server = TestServer::start().await;
    let mut peer = server.member("r", "ann").await;
    server.handle().publish("r", "server", b"hello").unwrap();
    assert_eq!(peer.hear().await, b"hello");
    assert_eq!(server.tally().published, 1);
    peer.send(control(json!({"op": "nonsense"}))).await;
    peer.expect_error("unknown_op").await;
    assert_eq!(server.tally().errors, 1);
    peer.say_goodbye().await;
    assert_eq!(peer.poll().await, Err(End::Goodbye));
}
