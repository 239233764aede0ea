//! What each fuzz target does with its input: tests/corpus.rs does the same with the corpus, on stable.

#![allow(dead_code, reason = "each target uses one of them")]

use tagwire::wire::{
    Admit, Answer, Call, DecodeError, Decoded, Decoder, ErrorEvent, Event, Header, Heartbeat,
    Publish, Record, RecordHead, Request, Tag, encode_event,
};

use crate::meter::measured;

mod connection;

/// What a server allows unless configured: more than [`SLACK`], so that memory for a length that was only
/// announced is noticed.
const MAX_FRAME: u32 = 1 << 20;
/// Heap that may be held beyond the size of the input (reliability W22).
const SLACK: usize = 64 << 10;

/// Any bytes as a stream of frames: however they are cut, the frames are the same.
pub(crate) fn decode(data: &[u8]) {
    let whole = frames(data, |_| data.len());
    assert_eq!(frames(data, |_| 1), whole);
    assert_eq!(frames(data, |_| 7), whole);
    assert_eq!(frames(data, |first| usize::from(first) + 1), whole);
}

/// Any bytes as the payload of a CONTROL frame: what an error says is short and safe to print.
pub(crate) fn control(data: &[u8]) {
    let Err(error) = bounded(data, || Request::parse(data)) else { return };
    let text = error.to_string();
    assert!(text.len() < 512 && !text.contains(char::is_control), "{text:?}");
    let mut out = Vec::new();
    encode_event(&mut out, error.id(), &Event::Error(ErrorEvent::new(error.code(), &text)));
    let payload = out.get(Header::LEN..).unwrap_or_default().to_vec();
    assert!(
        serde_json::from_slice::<serde_json::Value>(&payload).is_ok_and(|json| json.is_object())
    );
    assert_payload(&mut out, &payload);
}

/// Any bytes as all that one or two peers say; what must hold is in fuzz/README.md.
pub(crate) fn connection(data: &[u8]) {
    connection::serve(data);
}

/// Any bytes as the payload of each binary frame: what is read and written again is the same.
pub(crate) fn message_call(data: &[u8]) {
    let mut out = Vec::new();
    if let Ok(publish) = Publish::parse(data) {
        publish.encode(&mut out);
        assert_payload(&mut out, data);
    }
    if let Ok(Record { channel, flags: 0, seq, prev, time_ms, user_id, body }) = Record::parse(data)
    {
        let head = RecordHead { channel, seq, prev, time_ms, user_id, body_len: body.len() };
        head.encode(&mut out);
        out.extend_from_slice(body);
        assert_eq!(out.len(), head.frame_len());
        assert_payload(&mut out, data);
    }
    if let Ok(call) = Call::parse(data) {
        call.encode(&mut out);
        assert_payload(&mut out, data);
    }
    if let Ok(answer) = Answer::parse(data) {
        answer.encode(&mut out);
        assert_payload(&mut out, data);
    }
    if let Ok(heartbeat) = Heartbeat::parse(data)
        && !data.is_empty()
    {
        heartbeat.encode(&mut out);
        assert_payload(&mut out, data);
    }
}

/// What a stream gives, with the bytes of each payload.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Frame(Tag, Vec<u8>),
    Refused(Header),
    Error(DecodeError),
}

/// What a stream gives, read in pieces: `cut` is asked how long the next one is, by its first byte.
fn frames(data: &[u8], cut: impl Fn(u8) -> usize) -> Vec<Seen> {
    // What is noted down is as large as the input, so it is no part of what is measured.
    bounded(data, || read(data, &cut, |_| {}));
    let mut seen = Vec::new();
    read(data, &cut, |next| {
        seen.push(match next {
            Ok(Decoded::Frame(frame)) => Seen::Frame(frame.tag, frame.payload.to_vec()),
            Ok(Decoded::Refused(header)) => Seen::Refused(header),
            Err(error) => Seen::Error(error),
        });
    });
    seen
}

/// Reads a stream in pieces, up to its end or to an error.
fn read(
    data: &[u8],
    cut: impl Fn(u8) -> usize,
    mut see: impl FnMut(Result<Decoded<'_>, DecodeError>),
) {
    // Which frames are refused must not depend on the cut, only on the header.
    let admit = |header: Header| if header.tag.is_reserved() { Admit::Skip } else { Admit::Take };
    let mut decoder = Decoder::new(MAX_FRAME);
    let (mut rest, mut arrived) = (data, 0);
    while let Some(&first) = rest.first() {
        let (mut input, behind) = rest.split_at(cut(first).min(rest.len()));
        rest = behind;
        arrived += input.len();
        loop {
            match decoder.decode(&mut input, admit) {
                Ok(None) => break,
                Ok(Some(decoded)) => see(Ok(decoded)),
                Err(error) => return see(Err(error)),
            }
        }
        assert!(decoder.held() <= arrived * 2);
    }
}

/// Does some work, which must not need much more heap than its input is long.
fn bounded<T>(data: &[u8], work: impl FnOnce() -> T) -> T {
    let (done, heap) = measured(work);
    assert!(heap <= data.len() + SLACK, "{heap} bytes of heap for {} bytes of input", data.len());
    done
}

fn assert_payload(frame: &mut Vec<u8>, payload: &[u8]) {
    let header = Header::parse(frame).map(|header| header.length as usize);
    assert_eq!(header, Some(payload.len()));
    assert!(frame.ends_with(payload));
    assert_eq!(frame.len(), Header::LEN + payload.len());
    frame.clear();
}
