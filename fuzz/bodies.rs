//! What each fuzz target does with its input: tests/corpus.rs does the same with the corpus, on stable.

#![allow(dead_code, reason = "each target uses one of them")]

use tagwire::wire::{
    Admit, Answer, Call, Decoded, Decoder, Header, Heartbeat, Publish, Record, RecordHead, Request,
};

const MAX_FRAME: u32 = 1 << 16;

/// Any bytes as a stream of frames: however they are cut, the frames are the same.
pub(crate) fn decode(data: &[u8]) {
    let whole = frames(data, data.len().max(1));
    assert_eq!(frames(data, 1), whole);
    assert_eq!(frames(data, 7), whole);
}

/// Any bytes as the payload of a CONTROL frame: what an error says is short and safe to print.
pub(crate) fn control(data: &[u8]) {
    if let Err(error) = Request::parse(data) {
        let text = error.to_string();
        assert!(text.len() < 512 && !text.contains(char::is_control), "{text:?}");
    }
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

/// The headers, payloads and the error that a stream gives, read in pieces.
fn frames(data: &[u8], piece: usize) -> Vec<String> {
    let (mut decoder, mut seen) = (Decoder::new(MAX_FRAME), Vec::new());
    // Which frames are refused must not depend on the cut, only on the header.
    let admit = |header: Header| if header.tag.is_reserved() { Admit::Skip } else { Admit::Take };
    let mut arrived = 0;
    for mut input in data.chunks(piece) {
        arrived += input.len();
        loop {
            match decoder.decode(&mut input, admit) {
                Ok(None) => break,
                Ok(Some(Decoded::Frame(frame))) => seen.push(format!("{frame:?}")),
                Ok(Some(Decoded::Refused(header))) => seen.push(format!("{header:?}")),
                Err(error) => {
                    seen.push(error.to_string());
                    return seen;
                }
            }
        }
        assert!(decoder.held() <= arrived * 2);
    }
    seen
}

fn assert_payload(frame: &mut Vec<u8>, payload: &[u8]) {
    let header = Header::parse(frame).map(|header| header.length as usize);
    assert_eq!(header, Some(payload.len()));
    assert!(frame.ends_with(payload));
    assert_eq!(frame.len(), Header::LEN + payload.len());
    frame.clear();
}
