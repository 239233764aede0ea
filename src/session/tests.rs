//! Sessions without connections: requests go in by calls, what the peer is owed comes out as frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::seat::Seat;
use super::{Node, Problem, Session};
use crate::id::{Channel, ClientId, NodeId, PublishId, RoomName, Seq, UserId};
use crate::limits::{Settings, SlowPolicy};
use crate::peer::{Mail, PeerInfo, Speaks, Vitals};
use crate::room::{Entered, Memory, WorkerId};
use crate::wire::{Code, Deliver, Header, Hello, Join, Record, RequestId, Start, Tag};

const NOW: u64 = 1_700_000_000_000;

fn node(change: impl FnOnce(&mut Settings)) -> Arc<Node> {
    let mut settings = Settings::default();
    change(&mut settings);
    Arc::new(Node::new(NodeId::new(7), settings, 1, Box::new(Memory)))
}

fn session(node: &Arc<Node>) -> Session {
    let settings = node.settings();
    let now = Instant::now();
    let vitals = Vitals::new(now, true, &settings.timeouts, &settings.heartbeat);
    let info = PeerInfo {
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        tls: None,
        speaks: Speaks::Frames,
    };
    let (worker, mailbox) = (WorkerId(0), node.mailbox());
    let mut session = Session::new(node.clone(), worker, mailbox, Arc::new(info), vitals, now);
    session.begin(NOW);
    session
}

fn name(room: &str) -> RoomName {
    RoomName::new(room).unwrap()
}

fn as_data(room: &str) -> Join {
    let (room_id, deliver, start) = (name(room), Deliver::Data, Start::Live);
    Join { room_id, user_id: None, deliver, start, echo: true }
}

fn as_message(room: &str) -> Join {
    Join { deliver: Deliver::Message, ..as_data(room) }
}

fn join(session: &mut Session, join: &Join) -> Entered {
    session.join(join).unwrap().1
}

fn channel(session: &mut Session, room: &str) -> Channel {
    session.node().rooms().get(room).unwrap().channel()
}

fn code<T: std::fmt::Debug>(result: Result<T, Problem>) -> Code {
    result.unwrap_err().code
}

/// What a peer reads, in words.
fn words(bytes: &[u8]) -> Vec<String> {
    let (mut rest, mut words) = (bytes, Vec::new());
    while let Some(header) = Header::parse(rest) {
        let (frame, after) = rest.split_at(Header::LEN + header.length as usize);
        let payload = &frame[Header::LEN..];
        rest = after;
        words.push(match header.tag {
            Tag::DATA => String::from_utf8(payload.to_vec()).unwrap(),
            Tag::CONTROL => {
                let event: Value = serde_json::from_slice(payload).unwrap();
                let op = event["op"].as_str().unwrap();
                match event["user_id"].as_str().filter(|_| op.starts_with("member")) {
                    Some(user) => format!("{op} {user}"),
                    None => op.to_string(),
                }
            }
            _ => {
                let record = Record::parse(payload).unwrap();
                format!("{}: {}", record.user_id, String::from_utf8_lossy(record.body))
            }
        });
    }
    assert!(rest.is_empty(), "half a frame");
    words
}

/// All that a session is owed of its rooms.
fn pull(session: &mut Session) -> Vec<String> {
    let mut out = Vec::new();
    while session.is_due() {
        session.pull(1000, &mut out).unwrap();
    }
    words(&out.concat())
}

fn outbox(session: &mut Session) -> Vec<String> {
    words(&session.take_outbox().unwrap_or_default())
}

/// Only the bodies of it.
fn bodies(words: Vec<String>) -> Vec<String> {
    words.into_iter().filter(|word| !word.starts_with("member_")).collect()
}

fn hello(session: &mut Session, user: Option<&str>, client: Option<&str>) -> Result<(), Problem> {
    let user_id = user.map(|user| UserId::new(user).unwrap());
    let client_id = client.map(|client| ClientId::new(client).unwrap());
    session.hello(None, Hello { user_id, client_id, ..Hello::default() })
}

/// Does with mail what a connection does.
fn read_mail(session: &mut Session) {
    for mail in session.mailbox().collect() {
        match mail {
            Mail::Taken(by) => {
                session.end();
                by.post(Mail::Vacated);
            }
            Mail::Vacated => session.handle_vacated(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_current_room_is_the_one_joined_last_of_those_still_joined() {
    let node = node(|_| {});
    let mut session = session(&node);
    let current = |session: &Session| session.current_room().map(|room| room.to_string());
    assert_eq!(current(&session), None);
    assert_eq!(code(session.leave(&name("a"))), Code::NotJoined);
    for room in ["a", "b", "c"] {
        join(&mut session, &as_data(room));
    }
    assert_eq!(current(&session).unwrap(), "c");
    session.leave(&name("c")).unwrap();
    assert_eq!(current(&session).unwrap(), "b");
    join(&mut session, &as_data("a"));
    assert_eq!(current(&session).unwrap(), "a");
    assert_eq!(session.rooms().map(|room| room.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    session.leave(&name("a")).unwrap();
    session.publish(b"x").unwrap();
    assert_eq!(node.rooms().get("b").unwrap().summary().1, Seq(2));
    // Rooms that nobody is in and that never had a record are gone.
    assert!(node.rooms().get("a").is_none());
}

#[test]
fn who_comes_and_goes_is_announced_in_order() {
    let node = node(|_| {});
    let (mut ann, mut bob) = (session(&node), session(&node));
    hello(&mut ann, Some("ann"), None).unwrap();
    hello(&mut bob, Some("bob"), None).unwrap();
    join(&mut ann, &as_data("a"));
    ann.publish(b"1").unwrap();
    assert_eq!(join(&mut bob, &as_message("a")).members, 2);
    bob.publish(b"2").unwrap();
    bob.leave(&name("a")).unwrap();
    ann.publish(b"3").unwrap();
    let all = ["member_joined ann", "1", "member_joined bob", "2", "member_left bob", "3"];
    assert_eq!(pull(&mut ann), all);
    assert_eq!(pull(&mut bob), [""; 0]);
}

#[test]
fn joining_again_changes_how_and_announces_nothing() {
    let node = node(|_| {});
    let (mut ann, mut bob) = (session(&node), session(&node));
    let named = |join: Join, user| Join { user_id: UserId::new(user), ..join };
    join(&mut ann, &named(as_data("a"), "ann"));
    join(&mut bob, &named(as_data("a"), "bob"));
    assert_eq!(pull(&mut ann).len(), 2);
    // The name that is known in the room stays.
    join(&mut bob, &named(as_message("a"), "other"));
    bob.publish(b"x").unwrap();
    assert_eq!(bob.user_in("a").unwrap().as_str(), "bob");
    assert_eq!(pull(&mut bob), ["bob: x"]);
    join(&mut bob, &Join { start: Start::Earliest, ..as_data("a") });
    assert_eq!(pull(&mut bob), ["x"]);
    join(&mut bob, &Join { echo: false, ..as_data("a") });
    bob.publish(b"own").unwrap();
    ann.publish(b"y").unwrap();
    assert_eq!(pull(&mut bob), ["y"]);
    join(&mut bob, &Join { deliver: Deliver::None, ..as_data("a") });
    bob.publish(b"z").unwrap();
    assert!(!bob.is_due());
    assert_eq!(pull(&mut bob), [""; 0]);
    assert_eq!(pull(&mut ann), ["x", "own", "y", "z"]);
    join(&mut bob, &as_data("a"));
    ann.publish(b"last").unwrap();
    assert_eq!(pull(&mut bob), ["last"]);
}

#[test]
fn the_first_publish_joins_the_default_room() {
    let node_ = node(|_| {});
    let mut ann = session(&node_);
    ann.publish(b"x").unwrap();
    assert_eq!(ann.current_room().unwrap().as_str(), "lobby");
    assert_eq!(bodies(pull(&mut ann)), ["x"]);
    assert_eq!(outbox(&mut ann), [""; 0], "nobody asked to join");
    let node = node(|settings| settings.rooms.default = None);
    assert_eq!(code(session(&node).publish(b"x")), Code::NotJoined);
}

#[test]
fn a_channel_that_is_not_joined_is_refused_with_the_publish() {
    let node = node(|_| {});
    let (mut ann, mut bob) = (session(&node), session(&node));
    join(&mut ann, &as_data("a"));
    let channel = channel(&mut ann, "a");
    let problem = bob.publish_numbered(channel, PublishId(7), b"x").unwrap_err();
    assert_eq!(problem.code, Code::BadMessage);
    assert_eq!((problem.publish_id, problem.channel), (Some(PublishId(7)), Some(channel)));
    ann.leave(&name("a")).unwrap();
    assert_eq!(code(ann.publish_numbered(channel, PublishId(1), b"x")), Code::BadMessage);
}

#[test]
fn bounds_and_names_are_kept() {
    let node = node(|settings| {
        settings.limits.rooms_per_connection = 2;
        settings.limits.members_per_room = 2;
        settings.limits.rooms = 3;
    });
    let mut ann = session(&node);
    join(&mut ann, &as_data("a"));
    join(&mut ann, &as_data("b"));
    assert_eq!(code(ann.join(&as_data("c"))), Code::TooManyRooms);
    // One may change how one is in a room at the limit.
    join(&mut ann, &as_message("a"));
    let mut bob = session(&node);
    let taken = Join { user_id: Some(ann.user_id()), ..as_data("a") };
    assert_eq!(code(bob.join(&taken)), Code::UserTaken);
    assert_eq!(bob.current_room(), None);
    join(&mut bob, &as_data("a"));
    let full = session(&node).join(&as_data("a")).unwrap_err();
    assert_eq!((full.code, full.reason), (Code::Unavailable, Some("room_full")));
    join(&mut bob, &as_data("c"));
    assert_eq!(code(session(&node).join(&as_data("d"))), Code::TooManyRooms);
}

#[test]
fn two_rooms_share_what_a_connection_can_take() {
    let node = node(|_| {});
    let mut reader = session(&node);
    let mut writer = session(&node);
    for room in ["a", "b"] {
        join(&mut reader, &as_data(room));
        join(&mut writer, &Join { deliver: Deliver::None, ..as_data(room) });
    }
    let (a, b) = (channel(&mut writer, "a"), channel(&mut writer, "b"));
    pull(&mut reader);
    for n in 0..100 {
        for (channel, letter) in [(a, 'a'), (b, 'b')] {
            let body = format!("{letter}{n:094}");
            writer.publish_numbered(channel, PublishId(0), body.as_bytes()).unwrap();
        }
    }
    let (mut seen, mut turns) = (Vec::new(), 0);
    while reader.is_due() {
        let mut out = Vec::new();
        reader.pull(1000, &mut out).unwrap();
        let words = words(&out.concat());
        assert!(words.len() <= 11, "over budget");
        seen.extend(words.into_iter().map(|word| word.as_bytes()[0]));
        turns += 1;
        // Neither is ever ahead by more than one turn.
        let of = |letter| seen.iter().filter(|&&seen| seen == letter).count();
        assert!(of(b'a').abs_diff(of(b'b')) <= 11, "turn {turns}");
    }
    assert_eq!(seen.len(), 200);
}

#[test]
fn a_gap_is_told_before_the_records_that_follow_it() {
    let node = node(|settings| settings.rooms.keep_count = 2);
    let mut ann = session(&node);
    join(&mut ann, &as_data("a"));
    (0..5).for_each(|n| ann.publish(&[b'0' + n]).unwrap());
    let mut bob = session(&node);
    let entered = join(&mut bob, &Join { start: Start::Seq(Seq(1)), ..as_data("a") });
    assert!(entered.gap.is_some());
    // Also where the budget ends with it.
    let mut out = Vec::new();
    bob.pull(1, &mut out).unwrap();
    assert_eq!(words(&out.concat()), ["gap"]);
    assert_eq!(bodies(pull(&mut bob)), ["3", "4"]);
}

#[test]
fn who_falls_behind_is_told_and_goes_on_or_is_cut() {
    for slow in [SlowPolicy::Gap, SlowPolicy::Disconnect] {
        let node = node(|settings| {
            (settings.rooms.slow, settings.rooms.keep_bytes) = (slow, 1 << 16);
        });
        let (mut ann, mut bob) = (session(&node), session(&node));
        join(&mut bob, &as_data("a"));
        pull(&mut bob);
        join(&mut ann, &Join { deliver: Deliver::None, ..as_data("a") });
        let last = vec![b'x'; 1000];
        (0..1000).for_each(|_| ann.publish(&last).unwrap());
        if slow == SlowPolicy::Disconnect {
            assert_eq!(code(bob.pull(1000, &mut Vec::new())), Code::SlowConsumer);
        } else {
            let words = pull(&mut bob);
            assert_eq!(words[0], "gap");
            assert_eq!(words.iter().filter(|word| *word == "gap").count(), 1);
            assert!(words.len() > 10 && words.len() < 100);
        }
        // Who is cut is told why, not what it missed.
        assert_eq!(node.tally().gaps, u64::from(slow == SlowPolicy::Gap));
    }
}

#[test]
fn who_missed_presence_alone_is_told_and_not_cut() {
    let node = node(|settings| settings.rooms.slow = SlowPolicy::Disconnect);
    let (mut ann, mut bob) = (session(&node), session(&node));
    join(&mut bob, &as_data("a"));
    pull(&mut bob);
    // More coming and going than a room holds for readers that lag.
    for _ in 0..3000 {
        join(&mut ann, &as_data("a"));
        ann.leave(&name("a")).unwrap();
    }
    join(&mut ann, &as_data("a"));
    ann.publish(b"x").unwrap();
    let words = pull(&mut bob);
    assert_eq!((words[0].as_str(), words.last().unwrap().as_str()), ("gap", "x"));
}

#[test]
fn nothing_is_due_where_nothing_is_new() {
    let node = node(|_| {});
    let (mut ann, mut bob) = (session(&node), session(&node));
    join(&mut ann, &as_data("a"));
    join(&mut bob, &as_data("b"));
    assert!(ann.is_due());
    pull(&mut ann);
    assert!(!ann.is_due());
    bob.publish(b"x").unwrap();
    assert!(!ann.is_due());
    ann.publish(b"x").unwrap();
    assert!(ann.is_due());
}

#[test]
fn acknowledgements_of_one_read_are_one_and_the_highest() {
    let node = node(|_| {});
    let mut ann = session(&node);
    for room in ["a", "b"] {
        join(&mut ann, &Join { deliver: Deliver::None, ..as_data(room) });
    }
    let (a, b) = (channel(&mut ann, "a"), channel(&mut ann, "b"));
    (1..=3).for_each(|n| ann.publish_numbered(a, PublishId(n), b"x").unwrap());
    ann.publish_numbered(b, PublishId(4), b"x").unwrap();
    ann.publish_numbered(b, PublishId(0), b"x").unwrap();
    // An old one comes again: it must not hide the newest.
    ann.publish_numbered(a, PublishId(1), b"x").unwrap();
    let (a_name, b_name) = (name("a"), name("b"));
    let owed = vec![(a_name.clone(), PublishId(3), Seq(3)), (b_name, PublishId(4), Seq(1))];
    assert_eq!(ann.take_acks(), owed);
    assert_eq!(ann.take_acks(), vec![]);
    // Alone, it is acknowledged with its own number.
    ann.publish_numbered(a, PublishId(2), b"x").unwrap();
    assert_eq!(ann.take_acks(), vec![(a_name.clone(), PublishId(2), Seq(2))]);
    assert_eq!(node.tally().published, 5, "what was there already is not counted");
    // Also where one joins again, or leaves, before it is sent.
    ann.publish_numbered(a, PublishId(5), b"x").unwrap();
    join(&mut ann, &as_data("a"));
    ann.publish_numbered(b, PublishId(6), b"x").unwrap();
    ann.leave(&name("b")).unwrap();
    let mut acks = ann.take_acks();
    acks.sort();
    let owed = vec![(a_name, PublishId(5), Seq(4)), (name("b"), PublishId(6), Seq(3))];
    assert_eq!(acks, owed);
}

#[test]
fn a_hundred_errors_within_ten_seconds_are_too_many() {
    let node = node(|_| {});
    let mut ann = session(&node);
    let start = Instant::now();
    assert!((0..99).all(|_| !ann.handle_error(start)));
    assert!(ann.handle_error(start + Duration::from_secs(9)));
    let mut bob = session(&node);
    for second in 0..60 {
        assert!((0..9).all(|_| !bob.handle_error(start + Duration::from_secs(second))));
    }
    assert_eq!(bob.traffic.errors, 540);
}

#[test]
fn a_hundred_errors_within_any_ten_seconds_are_too_many() {
    // Sixty before a round number of seconds and forty behind it are a hundred, too.
    let start = Instant::now();
    let mut ann = session(&node(|_| {}));
    assert!((0..60).all(|_| !ann.handle_error(start + Duration::from_secs(9))));
    assert!((0..39).all(|_| !ann.handle_error(start + Duration::from_secs(11))));
    assert!(ann.handle_error(start + Duration::from_secs(18)));
    // Once they are older than that, they no longer count.
    let mut bob = session(&node(|_| {}));
    assert!((0..99).all(|_| !bob.handle_error(start)));
    assert!((0..99).all(|_| !bob.handle_error(start + Duration::from_secs(11))));
}

#[test]
fn rates_follow_the_settings_and_a_user_is_known_while_one_of_its_connections_is() {
    let limited = |rate| {
        let mut settings = Settings::default();
        settings.limits.user_messages_per_second = rate;
        settings
    };
    // How many messages pass before it has to wait.
    let burst = |session: &mut Session| {
        session.settle_rates();
        let mut passed = 0;
        while passed < 1000 && !session.is_over_rate() {
            session.handle_frame();
            passed += 1;
        }
        passed
    };
    let node = node(|_| {});
    let (mut ann, mut guest) = (session(&node), session(&node));
    assert_eq!(burst(&mut ann), 1000, "off by default");
    node.set_settings(limited(10));
    hello(&mut ann, Some("ann"), None).unwrap();
    let mut again = session(&node);
    hello(&mut again, Some("ann"), None).unwrap();
    assert_eq!((burst(&mut ann), burst(&mut again), burst(&mut guest)), (11, 1, 11));
    assert_eq!(node.users().len(), 1, "guests are not in the table");
    node.set_settings(limited(20));
    assert_eq!((burst(&mut again), burst(&mut ann)), (21, 1), "the rate is new, and still one");
    drop(ann);
    assert_eq!(node.users().len(), 1);
    drop(again);
    assert_eq!(node.users().len(), 0);
    node.set_settings(Settings::default());
    assert_eq!(burst(&mut guest), 1000);
}

#[test]
fn hello_comes_once_and_names_the_connection() {
    let node = node(|_| {});
    let mut ann = session(&node);
    assert!(ann.user_id().as_str().starts_with("guest-"));
    let id = Some(RequestId::Number(5));
    let user_id = UserId::new("ann");
    ann.hello(id, Hello { user_id, ..Hello::default() }).unwrap();
    assert_eq!(ann.user_id().as_str(), "ann");
    assert_eq!(outbox(&mut ann), ["welcome"]);
    assert_eq!(code(hello(&mut ann, Some("bob"), None)), Code::BadControl);
    assert_eq!(ann.user_id().as_str(), "ann");
}

#[test]
fn a_client_that_comes_back_gets_its_place_when_the_old_one_has_left() {
    let node = node(|_| {});
    let mut old = session(&node);
    hello(&mut old, Some("ann"), Some("run-1")).unwrap();
    assert_eq!(outbox(&mut old), ["welcome"]);
    join(&mut old, &as_message("a"));
    let a = channel(&mut old, "a");
    old.publish_numbered(a, PublishId(3), b"x").unwrap();

    let mut new = session(&node);
    hello(&mut new, Some("ann"), Some("run-1")).unwrap();
    assert!(new.is_waiting());
    assert_eq!(outbox(&mut new), [""; 0], "no welcome while the name is taken");
    assert_eq!(code(new.join(&as_message("a"))), Code::UserTaken);
    read_mail(&mut old);
    assert_eq!(old.rooms().len(), 0);
    assert!(new.is_waiting(), "its mail is not read yet");
    read_mail(&mut new);
    assert!(!new.is_waiting());
    assert_eq!(outbox(&mut new), ["welcome"]);
    assert_eq!(join(&mut new, &as_message("a")).last_publish_id, PublishId(3));
    // Another run of it is another client.
    let mut other = session(&node);
    hello(&mut other, None, Some("run-2")).unwrap();
    assert!(!other.is_waiting());
    assert_eq!(join(&mut other, &as_message("a")).last_publish_id, PublishId(0));
}

#[test]
fn nobody_waits_for_a_connection_that_has_ended() {
    let node = node(|_| {});
    let mut old = session(&node);
    hello(&mut old, None, Some("run-1")).unwrap();
    // It ends without having read its mail.
    let mut new = session(&node);
    hello(&mut new, None, Some("run-1")).unwrap();
    old.end();
    read_mail(&mut new);
    assert_eq!(outbox(&mut new), ["welcome"]);
    // It had ended before.
    new.end();
    let mut last = session(&node);
    hello(&mut last, None, Some("run-1")).unwrap();
    assert_eq!(outbox(&mut last), ["welcome"]);
}

#[test]
fn who_takes_over_from_one_that_waits_waits_for_both() {
    let node = node(|_| {});
    let [mut first, mut second, mut third] = [(); 3].map(|()| session(&node));
    hello(&mut first, Some("ann"), Some("run-1")).unwrap();
    join(&mut first, &as_data("a"));
    hello(&mut second, Some("ann"), Some("run-1")).unwrap();
    hello(&mut third, Some("ann"), Some("run-1")).unwrap();
    // The second ends at once: it had nothing. The first is still in its room.
    read_mail(&mut second);
    assert_eq!(outbox(&mut second), [""; 0]);
    read_mail(&mut third);
    assert!(third.is_waiting());
    assert_eq!(outbox(&mut third), [""; 0]);
    read_mail(&mut first);
    read_mail(&mut third);
    assert_eq!(outbox(&mut third), ["welcome"]);
    join(&mut third, &as_data("a"));
    // The same, with the second cut off in the meantime.
    let [mut fourth, mut fifth] = [(); 2].map(|()| session(&node));
    hello(&mut fourth, Some("ann"), Some("run-1")).unwrap();
    drop(fourth);
    hello(&mut fifth, Some("ann"), Some("run-1")).unwrap();
    read_mail(&mut fifth);
    assert!(fifth.is_waiting());
    read_mail(&mut third);
    read_mail(&mut fifth);
    assert_eq!(outbox(&mut fifth), ["welcome"]);
    join(&mut fifth, &as_data("a"));
}

#[test]
fn a_session_that_ends_leaves_its_rooms_and_frees_what_it_had() {
    let node = node(|_| {});
    let mut ann = session(&node);
    let mut bob = session(&node);
    hello(&mut bob, Some("bob"), Some("run-1")).unwrap();
    join(&mut ann, &as_data("a"));
    join(&mut bob, &as_data("a"));
    for n in 0..10 {
        join(&mut bob, &as_data(&format!("room{n}")));
    }
    pull(&mut ann);
    assert_eq!(node.rooms().totals().0, 11);
    let mailbox = bob.mailbox().clone();
    drop(bob);
    assert!(mailbox.is_closed());
    assert_eq!(pull(&mut ann), ["member_left bob"]);
    assert_eq!(node.rooms().totals().0, 1);
    ann.end();
    ann.end();
    assert_eq!(node.rooms().totals(), (0, 0));
    drop(ann);
    let mut again = session(&node);
    hello(&mut again, Some("bob"), Some("run-1")).unwrap();
    assert!(!again.is_waiting());
    // Nothing but the client's name is left, and the last holder of its mailbox is this test.
    drop(again);
    node.sweep(NOW + 1_000_000);
    assert_eq!(Arc::strong_count(&mailbox), 1);
}

#[test]
fn a_frame_from_a_handler_waits_for_space_and_ends_with_the_connection() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    let mailbox = node(|_| {}).mailbox();
    let mut cx = Context::from_waker(Waker::noop());
    let frame = Bytes::from(vec![0; 60_000]);
    for _ in 0..2 {
        assert_eq!(pin!(mailbox.send(frame.clone())).poll(&mut cx), Poll::Ready(Ok(())));
    }
    let mut third = pin!(mailbox.send(frame.clone()));
    assert_eq!(third.as_mut().poll(&mut cx), Poll::Pending);
    mailbox.handle_sent(60_000);
    assert_eq!(third.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    let mut fourth = pin!(mailbox.send(frame.clone()));
    assert_eq!(fourth.as_mut().poll(&mut cx), Poll::Pending);
    mailbox.close();
    assert_eq!(fourth.as_mut().poll(&mut cx), Poll::Ready(Err(frame)));
    assert!(mailbox.collect().is_empty());
}

#[test]
fn what_a_session_takes() {
    for (name, size, bound) in [
        ("Seat", size_of::<Seat>(), 272),
        ("Session", size_of::<Session>(), 768),
        ("Vitals", size_of::<Vitals>(), 264),
    ] {
        println!("{name}: {size} bytes");
        assert!(size <= bound, "{name}: {size} bytes");
    }
}
