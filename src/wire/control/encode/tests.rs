//! Events on the wire: their fields, their order, and the bound of a fatal error.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;

use super::*;
use crate::wire::{Code, GapReason, HandleUs, MemberEntry, RoomEntry, RttUs};

fn text(id: Option<&RequestId>, event: &Event<'_>) -> String {
    let mut frame = Vec::new();
    encode_event(&mut frame, id, event);
    assert_eq!(Header::parse(&frame), Some(Header::of(Tag::CONTROL, frame.len() - Header::LEN)));
    String::from_utf8(frame.split_off(Header::LEN)).unwrap()
}

#[test]
fn each_event_has_the_fields_of_the_protocol_with_op_first() {
    let (session, user_id, room_id) = ("n-1", "ann", "lobby");
    let welcome = Event::Welcome {
        session,
        server: "tagwire",
        user_id,
        max_frame: 9,
        heartbeat_ms: 15000,
        default_room: None,
        features: &["x"],
    };
    let joined = Event::Joined {
        room_id,
        channel: 1,
        epoch: "e",
        next_seq: 5,
        last_seq: 4,
        last_time_ms: 3,
        resumed: true,
        members: 2,
        last_publish_id: 0,
    };
    let stats = Event::Stats {
        bytes_in: 1,
        bytes_out: 2,
        frames_in: 3,
        frames_out: 4,
        errors: 5,
        uptime_ms: 6,
        rtt_us: RttUs { last: Some(1), min: Some(1), smoothed: Some(1) },
        handle_us: HandleUs::default(),
    };
    let (epoch, reason) = ("e", GapReason::Trimmed);
    let gap = Event::Gap { room_id, epoch, after_seq: 1, next_seq: 3, missed: None, reason };
    let members = &[MemberEntry { user_id, session }];
    let rooms = &[RoomEntry { room_id, members: 1, next_seq: 2 }];
    for (event, json) in [
        (
            welcome,
            r#"{"op":"welcome","session":"n-1","server":"tagwire","user_id":"ann","max_frame":9,"heartbeat_ms":15000,"default_room":null,"features":["x"]}"#,
        ),
        (
            joined,
            r#"{"op":"joined","room_id":"lobby","channel":1,"epoch":"e","next_seq":5,"last_seq":4,"last_time_ms":3,"resumed":true,"members":2,"last_publish_id":0}"#,
        ),
        (Event::Left { room_id, reason: None }, r#"{"op":"left","room_id":"lobby"}"#),
        (
            Event::Left { room_id, reason: Some("r") },
            r#"{"op":"left","room_id":"lobby","reason":"r"}"#,
        ),
        (
            Event::Members { room_id, members, more: false },
            r#"{"op":"members","room_id":"lobby","members":[{"user_id":"ann","session":"n-1"}],"more":false}"#,
        ),
        (
            Event::Rooms { rooms, more: true },
            r#"{"op":"rooms","rooms":[{"room_id":"lobby","members":1,"next_seq":2}],"more":true}"#,
        ),
        (
            stats,
            r#"{"op":"stats","bytes_in":1,"bytes_out":2,"frames_in":3,"frames_out":4,"errors":5,"uptime_ms":6,"rtt_us":{"last":1,"min":1,"smoothed":1},"handle_us":{"p50":null,"p99":null}}"#,
        ),
        (
            Event::TokenRefreshed { expires_in_ms: 1 },
            r#"{"op":"token_refreshed","expires_in_ms":1}"#,
        ),
        (
            Event::MemberJoined { room_id, user_id, session },
            r#"{"op":"member_joined","room_id":"lobby","user_id":"ann","session":"n-1"}"#,
        ),
        (
            Event::MemberLeft { room_id, user_id, session },
            r#"{"op":"member_left","room_id":"lobby","user_id":"ann","session":"n-1"}"#,
        ),
        (
            gap,
            r#"{"op":"gap","room_id":"lobby","epoch":"e","after_seq":1,"next_seq":3,"missed":null,"reason":"trimmed"}"#,
        ),
        (
            Event::Ack { room_id, publish_id: 1, seq: 2 },
            r#"{"op":"ack","room_id":"lobby","publish_id":1,"seq":2}"#,
        ),
        (
            Event::GoAway { reason: "drain", reconnect_ms: 5 },
            r#"{"op":"goaway","reason":"drain","reconnect_ms":5}"#,
        ),
    ] {
        assert_eq!(text(None, &event), json);
    }
}

#[test]
fn a_reply_repeats_the_id() {
    let event = Event::Left { room_id: "a", reason: None };
    let id = RequestId::Text("\"x".into());
    assert_eq!(text(Some(&id), &event), r#"{"op":"left","room_id":"a","id":"\"x"}"#);
    let id = RequestId::Number(u64::MAX);
    assert!(text(Some(&id), &event).ends_with(r#""id":18446744073709551615}"#));
    let id = RequestId::Negative(-1);
    assert!(text(Some(&id), &event).ends_with(r#""id":-1}"#));
}

#[test]
fn an_error_says_only_what_it_has() {
    let plain = ErrorEvent::new(Code::NotJoined, "m");
    let json = r#"{"op":"error","code":"not_joined","message":"m"}"#;
    assert_eq!(text(None, &Event::Error(plain)), json);
    let full = ErrorEvent {
        tag: Some(Tag::from_byte(0x20)),
        max_frame: Some(1),
        publish_id: Some(2),
        channel: Some(3),
        room_id: Some("a"),
        reason: Some("r"),
        retry_ms: Some(4),
        ..ErrorEvent::new(Code::Idle, "m")
    };
    let json = r#"{"op":"error","code":"idle","message":"m","fatal":true,"tag":32,"max_frame":1,"publish_id":2,"channel":3,"room_id":"a","reason":"r","retry_ms":4}"#;
    assert_eq!(text(None, &Event::Error(full)), json);
}

proptest! {
    #[test]
    fn a_fatal_error_takes_at_most_256_bytes(
        code in 0..Code::ALL.len(),
        id in prop::option::of(".{0,16}|[\u{0}-\u{1f}\"]{64}"),
        message in "\\PC{0,300}|[\u{0}-\u{7f}]{0,300}",
        reason in prop::option::of("\\PC{0,300}"),
        max_frame: Option<u32>,
    ) {
        let error = ErrorEvent {
            fatal: true,
            reason: reason.as_deref(),
            max_frame,
            ..ErrorEvent::new(Code::ALL[code], &message)
        };
        let id = id.map(|id| RequestId::Text(id.into()));
        let mut frame = Vec::new();
        encode_event(&mut frame, id.as_ref(), &Event::Error(error));
        prop_assert!(frame.len() <= FATAL_LEN, "{} bytes", frame.len());
        let json: serde_json::Value = serde_json::from_slice(&frame[Header::LEN..]).unwrap();
        prop_assert_eq!(&json["code"], Code::ALL[code].as_str());
        prop_assert_eq!(&json["fatal"], true);
        prop_assert_eq!(json["max_frame"].as_u64(), max_frame.map(u64::from));
        prop_assert!(message.starts_with(json["message"].as_str().unwrap()));
    }
}

#[test]
fn an_error_that_is_not_fatal_takes_at_most_1_kib_and_loses_nothing_but_words() {
    let (id, message) = (RequestId::Text("\u{1}".repeat(64).into()), "\u{1}".repeat(1 << 20));
    let error = ErrorEvent {
        tag: Some(Tag::from_byte(0xff)),
        publish_id: Some(u64::MAX),
        channel: Some(u32::MAX),
        room_id: Some(&"a".repeat(64)),
        reason: Some("room_full"),
        ..ErrorEvent::new(Code::HandlerFailed, &message)
    };
    let json = text(Some(&id), &Event::Error(error));
    assert!((ERROR_LEN - 16..=ERROR_LEN - Header::LEN).contains(&json.len()), "{}", json.len());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["room_id"], &json["tag"]), (&"a".repeat(64).into(), &255.into()));
    assert_eq!(json["id"], "\u{1}".repeat(64));
    assert!(json.get("fatal").is_none(), "{json}");
}

#[test]
fn a_long_message_of_a_fatal_error_fills_the_frame_and_keeps_the_id() {
    let (id, message) = (RequestId::Number(7), "\u{e9}".repeat(300));
    let json = text(Some(&id), &Event::Error(ErrorEvent::new(Code::Idle, &message)));
    assert!((250..=251).contains(&json.len()), "{}", json.len());
    assert!(json.ends_with("\",\"fatal\":true,\"id\":7}"), "{json}");
    let other = text(None, &Event::Error(ErrorEvent::new(Code::NotJoined, &message)));
    assert!(other.contains(&message), "others have more room");
}
