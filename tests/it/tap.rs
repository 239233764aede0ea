//! Goal: whoever asks sees the frames that come and go, those that the filter names and no others, and
//! hears how many there were too many of.
//! Method: a server with peers that follow a script, and taps on it.

use std::num::NonZeroU32;

use serde_json::json;
use tagwire::id::RoomName;
use tagwire::session::{Tap, TapFilter, Tapped, Timings, Way};
use tagwire::wire::Tag;
use tokio::time::timeout;

use crate::support::{DEADLINE, TestServer, control, data};

async fn next(tap: &mut Tap) -> Tapped {
    timeout(DEADLINE, tap.next()).await.expect("a frame is shown in time")
}

#[tokio::test]
async fn a_tap_shows_what_comes_and_goes_in_order() {
    let server = TestServer::start().await;
    let mut ann = server.peer().await;
    let welcome = ann.request(json!({"op": "hello"}), "welcome").await;
    let session = welcome["session"].as_str().unwrap().to_owned();
    let filter =
        TapFilter { session: Some(session.clone()), payload: true, ..TapFilter::default() };
    let mut tap = server.handle().tap(filter);
    let mut other = server.member("r", "other").await;
    ann.send(control(json!({"op": "join", "room_id": "r", "user_id": "ann"}))).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last: &Tapped| last.room.is_none()) {
        seen.push(next(&mut tap).await);
    }
    // The request, `joined`, and from the room that she came.
    let ways: Vec<_> = seen.iter().map(|frame| (frame.way, frame.tag)).collect();
    let control = Tag::CONTROL;
    assert_eq!(ways, [(Way::In, control), (Way::Out, control), (Way::Out, control)], "{seen:?}");
    assert!(seen.iter().all(|frame| frame.session.as_str() == session), "{seen:?}");
    ann.send(data("hello")).await;
    for way in [Way::In, Way::Out] {
        let Tapped { way: is, tag, length, room, payload, .. } = next(&mut tap).await;
        assert_eq!((is, tag, length), (way, Tag::DATA, 5));
        assert_eq!(room, RoomName::new("r"));
        assert_eq!(payload.as_deref(), Some(&b"hello"[..]));
    }
    other.hear().await;
}

#[tokio::test]
async fn a_filter_names_a_room_and_a_tag_and_hides_payloads() {
    let server = TestServer::start().await;
    let mut ann = server.member("a", "ann").await;
    let mut bob = server.member("b", "bob").await;
    let room = RoomName::new("b");
    let filter = TapFilter { room: room.clone(), tag: Some(Tag::DATA), ..TapFilter::default() };
    let mut tap = server.handle().tap(filter);
    ann.say("not shown").await;
    ann.hear().await;
    bob.say("shown").await;
    bob.hear().await;
    for way in [Way::In, Way::Out] {
        let frame = next(&mut tap).await;
        assert_eq!((frame.way, &frame.room, frame.length), (way, &room, 5), "{frame:?}");
        assert_eq!(frame.payload, None);
    }
}

#[tokio::test]
async fn what_is_too_much_is_counted() {
    let server = TestServer::start().await;
    let mut ann = server.member("r", "ann").await;
    let per_second = NonZeroU32::MIN;
    let filter = TapFilter { tag: Some(Tag::DATA), per_second, ..TapFilter::default() };
    let mut tap = server.handle().tap(filter);
    let burst: Vec<_> = (0..100).flat_map(|_| data("x")).collect();
    ann.send(burst).await;
    for _ in 0..100 {
        ann.hear().await;
    }
    next(&mut tap).await;
    // 100 came and 100 went; one a second is shown, and this did not take a minute.
    let missed = tap.take_missed();
    assert!((140..200).contains(&missed), "{missed}");
    assert!(tap.take_missed() <= 1);
}

#[tokio::test]
async fn lines_are_shown_as_lines() {
    let server = TestServer::start().await;
    let filter = TapFilter { payload: true, tag: Some(Timings::LINES), ..TapFilter::default() };
    let mut tap = server.handle().tap(filter);
    let mut person = server.connect().alpn(&[]).open().await;
    person.send("/join r ann\n").await;
    let frame = next(&mut tap).await;
    assert_eq!((frame.way, frame.payload.as_deref()), (Way::In, Some(&b"/join r ann"[..])));
}
