//! Goal: the codec reads and writes the bytes that tests/vectors/ promises to clients in any language.
//! Method: each vector goes through a decoder as one piece and byte by byte, with the decisions that a
//! server makes about what to skip; what was read is compared as JSON, and encoded again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use serde::Deserialize;
use serde_json::{Value, json};
use tagwire::limits::CONTROL_BYTES;
use tagwire::wire::{
    Admit, Answer, Call, Code, DecodeError, Decoded, Decoder, Frame, Header, Heartbeat,
    HeartbeatKind, Publish, Record, RecordHead, Request, Status, Tag,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    section: String,
    direction: Direction,
    hex: String,
    repeat: Option<Repeat>,
    expect: Vec<Value>,
    #[serde(default = "yes")]
    canonical: bool,
    #[serde(rename = "note")]
    _note: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Direction {
    ToServer,
    ToClient,
    Both,
}

#[derive(Deserialize)]
struct Repeat {
    hex: String,
    times: usize,
}

fn yes() -> bool {
    true
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors/frames.json")).unwrap()
}

impl Vector {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = unhex(&self.hex);
        if let Some(repeat) = &self.repeat {
            bytes.extend(unhex(&repeat.hex).repeat(repeat.times));
        }
        bytes
    }

    /// What the vector expects, with long bodies written out.
    fn expected(&self) -> Vec<Value> {
        let mut expected = self.expect.clone();
        for entry in &mut expected {
            let Some(repeat) = entry.as_object_mut().unwrap().remove("body_repeat") else {
                continue;
            };
            let Repeat { hex, times } = serde_json::from_value(repeat).unwrap();
            entry["body"] = hex.repeat(times).into();
        }
        expected
    }
}

#[test]
fn every_vector_means_what_it_says_however_it_is_cut() {
    for vector in vectors() {
        let (bytes, expected) = (vector.bytes(), vector.expected());
        for piece in [bytes.len().max(1), 1] {
            let read = read(&bytes, piece, vector.direction);
            assert!(read == expected, "{}, read by {piece}: {read:#?}", vector.name);
        }
    }
}

#[test]
fn what_was_read_is_written_as_the_same_bytes() {
    for vector in vectors().iter().filter(|vector| vector.canonical) {
        let expected = vector.expected();
        let frames = expected.iter().map(write).collect::<Option<Vec<_>>>();
        let Some(frames) = frames else { continue };
        assert!(frames.concat() == vector.bytes(), "{}", vector.name);
    }
}

#[test]
fn vectors_have_unique_names_and_name_sections_of_the_protocol() {
    let vectors = vectors();
    let mut names: Vec<_> = vectors.iter().map(|vector| &vector.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), vectors.len());
    for vector in &vectors {
        assert!((1..=10).contains(&vector.section.parse().unwrap_or(0)), "{}", vector.name);
    }
}

#[test]
fn every_code_of_the_parsers_has_a_vector() {
    let vectors = vectors();
    let codes: Vec<_> =
        vectors.iter().flat_map(|v| &v.expect).filter_map(|e| e["error"].as_str()).collect();
    for code in [
        Code::InvalidTag,
        Code::UnknownTag,
        Code::FrameTooLarge,
        Code::BadControl,
        Code::UnknownOp,
        Code::BadHeartbeat,
        Code::BadMessage,
        Code::BadRoom,
        Code::BadUser,
    ] {
        assert!(codes.contains(&code.as_str()), "{code}");
    }
}

/// Reads `bytes` in pieces as their receiver would.
fn read(bytes: &[u8], piece: usize, direction: Direction) -> Vec<Value> {
    let max_frame = if direction == Direction::ToClient { 1 << 21 } else { 1 << 20 };
    let (mut decoder, mut read) = (Decoder::new(max_frame), Vec::new());
    for mut input in bytes.chunks(piece) {
        loop {
            match decoder.decode(&mut input, |header| admit(header, direction)) {
                Ok(None) => break,
                Ok(Some(Decoded::Frame(frame))) => read.push(meaning(frame, direction)),
                Ok(Some(Decoded::Refused(header))) => read.push(refusal(header)),
                Err(error) => {
                    let code = match error {
                        DecodeError::InvalidTag => Code::InvalidTag,
                        DecodeError::FrameTooLarge { .. } => Code::FrameTooLarge,
                        other => panic!("{other}"),
                    };
                    assert!(code.is_fatal());
                    read.push(json!({ "error": code }));
                    return read;
                }
            }
        }
    }
    if let Some((received, announced)) = decoder.pending() {
        read.push(json!({ "unfinished": [received, announced] }));
    }
    read
}

fn admit(header: Header, direction: Direction) -> Admit {
    let known = match header.tag {
        Tag::CONTROL => direction == Direction::ToClient || header.length <= CONTROL_BYTES,
        Tag::HEARTBEAT => header.length as usize <= Heartbeat::MAX_LEN,
        Tag::DATA | Tag::MESSAGE | Tag::CALL | Tag::ANSWER => true,
        tag => tag.as_byte() == 0x20,
    };
    if known { Admit::Take } else { Admit::Skip }
}

fn refusal(header: Header) -> Value {
    match header.tag {
        Tag::CONTROL => json!({ "error": Code::BadControl }),
        Tag::HEARTBEAT => json!({ "error": Code::BadHeartbeat }),
        tag => json!({ "error": Code::UnknownTag, "tag": tag }),
    }
}

fn meaning(frame: Frame<'_>, direction: Direction) -> Value {
    let payload = frame.payload;
    match frame.tag {
        Tag::CONTROL => control(payload, direction),
        Tag::DATA => json!({ "frame": "data", "body": hex(payload) }),
        Tag::HEARTBEAT => match Heartbeat::parse(payload) {
            Ok(Heartbeat { kind, opaque }) => {
                let kind = if kind == HeartbeatKind::Ping { "ping" } else { "pong" };
                json!({ "frame": "heartbeat", "kind": kind, "opaque": hex(opaque) })
            }
            Err(_) => json!({ "error": Code::BadHeartbeat }),
        },
        Tag::MESSAGE if direction == Direction::ToClient => {
            let Record { channel, flags, seq, prev, time_ms, user_id, body } =
                Record::parse(payload).unwrap();
            json!({ "frame": "record", "channel": channel.0, "flags": flags, "seq": seq.0,
                "prev": prev.0, "time_ms": time_ms, "user_id": user_id, "body": hex(body) })
        }
        Tag::MESSAGE => match Publish::parse(payload) {
            Ok(Publish { channel, publish_id, body }) => json!({ "frame": "publish",
                "channel": channel.0, "publish_id": publish_id.0, "body": hex(body) }),
            Err(bad) => {
                let mut error = json!({ "error": Code::BadMessage });
                bad.channel.inspect(|channel| error["channel"] = channel.0.into());
                bad.publish_id.inspect(|id| error["publish_id"] = id.0.into());
                error
            }
        },
        Tag::CALL => {
            let Call { call_id, tag, payload } = Call::parse(payload).unwrap();
            json!({ "frame": "call", "call_id": call_id, "tag": tag, "payload": hex(payload) })
        }
        Tag::ANSWER => {
            let Answer { call_id, status, payload } = Answer::parse(payload).unwrap();
            let status = STATUS[usize::from(status.as_byte())];
            json!({ "frame": "answer", "call_id": call_id, "status": status, "payload": hex(payload) })
        }
        tag => json!({ "frame": "application", "tag": tag, "payload": hex(payload) }),
    }
}

fn control(payload: &[u8], direction: Direction) -> Value {
    let json =
        || json!({ "frame": "control", "json": serde_json::from_slice::<Value>(payload).unwrap() });
    if direction == Direction::ToClient {
        return json();
    }
    match Request::parse(payload) {
        Ok(_) => json(),
        Err(error) => {
            let mut value = json!({ "error": error.code() });
            error.id().inspect(|id| value["id"] = json!(id));
            value
        }
    }
}

const STATUS: [&str; 6] = ["done", "failed", "timed_out", "no_handler", "busy", "forbidden"];

/// The frame of an entry, if it is one that this crate encodes from its fields.
fn write(entry: &Value) -> Option<Vec<u8>> {
    let bytes = |field: &str| unhex(entry[field].as_str().unwrap());
    let number = |field: &str| entry[field].as_u64().unwrap();
    let short = |field: &str| u32::try_from(number(field)).unwrap();
    let tag = |field: &str| Tag::from_byte(u8::try_from(number(field)).unwrap());
    let bare = |tag: Tag, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap();
        [&Header { tag, length }.encode()[..], payload].concat()
    };
    let mut out = Vec::new();
    match entry["frame"].as_str()? {
        "data" => out = bare(Tag::DATA, &bytes("body")),
        "application" => out = bare(tag("tag"), &bytes("payload")),
        "heartbeat" => {
            let ping = entry["kind"] == "ping";
            let kind = if ping { HeartbeatKind::Ping } else { HeartbeatKind::Pong };
            Heartbeat { kind, opaque: &bytes("opaque") }.encode(&mut out);
        }
        "publish" => {
            let channel = tagwire::id::Channel(short("channel"));
            let publish_id = tagwire::id::PublishId(number("publish_id"));
            Publish { channel, publish_id, body: &bytes("body") }.encode(&mut out);
        }
        "record" => {
            let body = bytes("body");
            let head = RecordHead {
                channel: tagwire::id::Channel(short("channel")),
                seq: tagwire::id::Seq(number("seq")),
                prev: tagwire::id::Seq(number("prev")),
                time_ms: number("time_ms"),
                user_id: entry["user_id"].as_str().unwrap(),
                body_len: body.len(),
            };
            head.encode(&mut out);
            out.extend(body);
            assert_eq!(out.len(), head.frame_len());
        }
        "call" => Call { call_id: short("call_id"), tag: tag("tag"), payload: &bytes("payload") }
            .encode(&mut out),
        "answer" => {
            let status = STATUS.iter().position(|name| entry["status"] == *name).unwrap();
            let status = Status::from_byte(u8::try_from(status).unwrap()).unwrap();
            let payload = &bytes("payload");
            Answer { call_id: short("call_id"), status, payload }.encode(&mut out);
        }
        _ => return None,
    }
    Some(out)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("hexadecimal") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
