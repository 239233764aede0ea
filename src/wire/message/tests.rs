//! Both meanings of a MESSAGE: round trips, and every way to be refused.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;

use super::*;
use crate::id::Seq;
use crate::wire::{Header, Tag};

/// A publish of `a` to channel 7 with number 9; the tests spoil a byte of it each.
fn publish() -> Vec<u8> {
    let mut frame = Vec::new();
    Publish { channel: Channel(7), publish_id: PublishId(9), body: b"a" }.encode(&mut frame);
    frame.split_off(Header::LEN)
}

#[test]
fn a_server_takes_no_flags_and_no_fields_of_its_own() {
    for (at, word) in [(4, "flags"), (20, "prev"), (28, "time_ms"), (29, "user_id")] {
        let mut payload = publish();
        payload[at] = 1;
        let bad = Publish::parse(&payload).unwrap_err();
        assert!(bad.reason.contains(word), "{bad}");
        assert_eq!((bad.channel, bad.publish_id), (Some(Channel(7)), Some(PublishId(9))));
    }
}

#[test]
fn a_publish_id_is_below_2_to_the_53() {
    let mut payload = publish();
    payload[5..13].copy_from_slice(&(NUMBER_END - 1).to_be_bytes());
    assert_eq!(Publish::parse(&payload).unwrap().publish_id, PublishId(NUMBER_END - 1));
    payload[5..13].copy_from_slice(&NUMBER_END.to_be_bytes());
    let bad = Publish::parse(&payload).unwrap_err();
    assert_eq!((bad.channel, bad.publish_id), (Some(Channel(7)), None));
    assert!(bad.reason.contains("publish_id"), "{bad}");
}

#[test]
fn a_message_cut_short_says_what_it_could_read() {
    let payload = publish();
    for len in 0..HEAD_LEN {
        let bad = Publish::parse(&payload[..len]).unwrap_err();
        assert_eq!(bad.channel, (len >= 4).then_some(Channel(7)), "{len} bytes");
        assert_eq!(bad.publish_id, (len >= 13).then_some(PublishId(9)), "{len} bytes");
        assert_eq!(Record::parse(&payload[..len]), Err(bad));
    }
    assert_eq!(Publish::parse(&payload[..HEAD_LEN]).unwrap().body, b"");
}

#[test]
fn a_user_id_longer_than_the_rest_is_cut_short() {
    let mut payload = publish();
    payload[HEAD_LEN - 1] = 2;
    assert!(Record::parse(&payload).is_err());
    payload[HEAD_LEN - 1] = 1;
    let record = Record::parse(&payload).unwrap();
    assert_eq!((record.user_id, record.body), ("a", &b""[..]));
}

#[test]
fn a_publish_without_a_number_is_not_named_by_its_error() {
    let mut payload = publish();
    (payload[4], payload[12]) = (1, 0);
    assert_eq!(Publish::parse(&payload).unwrap_err().publish_id, None);
}

#[test]
fn a_client_ignores_flags_and_refuses_a_user_id_that_is_no_text() {
    let mut payload = publish();
    payload[4] = 0xFF;
    assert_eq!(Record::parse(&payload).unwrap().flags, 0xFF);
    payload[HEAD_LEN - 1] = 1;
    payload[HEAD_LEN] = 0xFF;
    assert_eq!(Record::parse(&payload).unwrap_err().reason, "user_id is not UTF-8");
}

proptest! {
    #[test]
    fn a_publish_comes_back(channel: u32, number in 0..NUMBER_END, body: Vec<u8>) {
        let publish = Publish { channel: Channel(channel), publish_id: PublishId(number), body: &body };
        let mut frame = Vec::new();
        publish.encode(&mut frame);
        prop_assert_eq!(Header::parse(&frame), Some(Header::of(Tag::MESSAGE, frame.len() - Header::LEN)));
        prop_assert_eq!(Publish::parse(&frame[Header::LEN..]), Ok(publish));
    }

    #[test]
    fn a_record_comes_back(
        channel: u32, seq: u64, prev: u64, time_ms: u64, user_id in "\\PC{0,16}", body: Vec<u8>,
    ) {
        let (channel, seq, prev) = (Channel(channel), Seq(seq), Seq(prev));
        let (user_id, body) = (user_id.as_str(), body.as_slice());
        let head = RecordHead { channel, seq, prev, time_ms, user_id, body_len: body.len() };
        let mut frame = Vec::new();
        head.encode(&mut frame);
        frame.extend_from_slice(body);
        prop_assert_eq!(frame.len(), head.frame_len());
        prop_assert_eq!(Header::parse(&frame), Some(Header::of(Tag::MESSAGE, frame.len() - Header::LEN)));
        let record = Record { channel, flags: 0, seq, prev, time_ms, user_id, body };
        prop_assert_eq!(Record::parse(&frame[Header::LEN..]), Ok(record));
    }

    #[test]
    fn arbitrary_bytes_never_panic(payload: Vec<u8>) {
        let _ = (Publish::parse(&payload), Record::parse(&payload));
    }
}
