//! Goal: Wireshark shows what is on the wire (deploy/wireshark). Method: put every vector of tests/vectors into a
//! capture, as a TCP connection of its own and cut where it hurts, and compare what `tshark` prints of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::{file, program, root, run, texts};

/// The columns that are compared: each is the name of a field, without `tagwire.`.
const FIELDS: [&str; 17] = [
    "tag",
    "payload",
    "control.op",
    "data.body",
    "heartbeat.kind",
    "heartbeat.opaque",
    "message.channel",
    "message.flags",
    "message.publish_id",
    "message.seq",
    "message.prev",
    "message.time_ms",
    "message.user_id",
    "message.body",
    "call_id",
    "call.tag",
    "answer.status",
];

/// Columns that are looked at otherwise.
const OTHERS: [&str; 3] = ["control.json", "message.time", "json.key"];

/// What is wrong with a frame, as fields that are there or not.
const FAULTS: [&str; 8] = [
    "invalid_tag",
    "frame_too_large",
    "unknown_tag",
    "bad_control",
    "bad_heartbeat",
    "bad_message",
    "bad_answer",
    "no_frame",
];

/// Between values of a field that comes more than once in a packet.
const NEXT: char = '\u{1}';

/// The values of each field of a connection, in order.
type Values = BTreeMap<String, Vec<String>>;

fn vectors() -> Vec<Value> {
    let text = fs::read_to_string(root().join("tests/vectors/frames.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The bytes of a vector.
fn bytes(vector: &Value) -> Vec<u8> {
    let hex = |text: &Value| -> Vec<u8> {
        let digits = text.as_str().unwrap().as_bytes();
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    };
    let mut bytes = hex(&vector["hex"]);
    if let Some(times) = vector["repeat"]["times"].as_u64() {
        bytes.extend(hex(&vector["repeat"]["hex"]).repeat(usize::try_from(times).unwrap()));
    }
    bytes
}

/// A packet of IPv4 and TCP with no checksums, which nobody checks.
fn packet(ports: [u16; 2], seq: usize, segment: &[u8]) -> Vec<u8> {
    let total = u16::try_from(40 + segment.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 6, 0, 0];
    packet.extend([127, 0, 0, 1, 127, 0, 0, 1]);
    packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    packet.extend(u32::try_from(seq).unwrap().to_be_bytes());
    packet.extend([0, 0, 0, 1, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
    packet.extend(segment);
    packet
}

/// A capture with a connection for each vector, in order: cut within the first header, within the first payload,
/// and into segments.
fn capture(vectors: &[Value]) -> Vec<u8> {
    let word = |word: usize| u32::try_from(word).unwrap().to_le_bytes();
    // Of packets that begin with their IP header (101).
    let mut file: Vec<u8> =
        [0xa1b2_c3d4, 0x0004_0002, 0, 0, 1 << 18, 101].into_iter().flat_map(word).collect();
    for (number, vector) in vectors.iter().enumerate() {
        let client = 10_000 + u16::try_from(number).unwrap();
        let to_client = vector["direction"] == "to_client";
        let ports = if to_client { [4433, client] } else { [client, 4433] };
        let (bytes, mut at) = (bytes(vector), 0);
        while at < bytes.len() {
            let len = [3, 4].get(at / 3).copied().unwrap_or(30_000).min(bytes.len() - at);
            let packet = packet(ports, 1 + at, &bytes[at..at + len]);
            file.extend([number, 0, packet.len(), packet.len()].into_iter().flat_map(word));
            file.extend(packet);
            at += len;
        }
    }
    file
}

/// What `tshark` finds in a capture, by connection.
fn dissected(dir: &Path, capture: &[u8]) -> BTreeMap<usize, Values> {
    let pcap = dir.join("vectors.pcap");
    fs::write(&pcap, capture).unwrap();
    let mut command = program("tshark");
    // Without what somebody has set or installed for himself.
    command.env("HOME", dir).env("XDG_CONFIG_HOME", dir);
    command.arg("-r").arg(&pcap).arg("-X");
    command.arg(format!("lua_script:{}", file("deploy/wireshark/tagwire.lua")));
    command.args(["-d", "tcp.port==4433,tagwire", "-o", "tagwire.max_frame:1048576"]);
    command.args(["-T", "fields", "-E", &format!("aggregator={NEXT}"), "-e", "tcp.stream"]);
    let names: Vec<_> = FIELDS.into_iter().chain(FAULTS).chain(OTHERS).collect();
    for name in &names {
        let prefix = if name.starts_with("json.") { "" } else { "tagwire." };
        command.args(["-e", &format!("{prefix}{name}")]);
    }
    let output = run(&mut command);
    let (out, err) = texts(&output);
    assert!(output.status.success() && !err.contains("Lua"), "{out}{err}");
    let mut connections: BTreeMap<usize, Values> = BTreeMap::new();
    for line in out.lines() {
        let mut columns = line.split('\t');
        let connection = connections.entry(columns.next().unwrap().parse().unwrap()).or_default();
        for (name, column) in names.iter().zip(columns).filter(|(_, column)| !column.is_empty()) {
            let values = column.split(NEXT).map(str::to_owned);
            connection.entry((*name).to_owned()).or_default().extend(values);
        }
    }
    connections
}

/// The fields that an entry of `expect` means; none for what is no frame.
fn fields(entry: &Value) -> Vec<(&'static str, String)> {
    let number = |key: &str| entry[key].to_string();
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let hex = |key: &str| format!("{:#04x}", entry[key].as_u64().unwrap());
    let place = |list: &[&str], key: &str| {
        list.iter().position(|name| entry[key] == *name).unwrap().to_string()
    };
    match entry["frame"].as_str().unwrap_or_default() {
        "control" => vec![
            ("tag", "0x01".to_owned()),
            ("control.op", entry["json"]["op"].as_str().unwrap().to_owned()),
        ],
        "data" => vec![("tag", "0x02".to_owned()), ("data.body", text("body"))],
        "heartbeat" => vec![
            ("tag", "0x03".to_owned()),
            ("heartbeat.kind", place(&["ping", "pong"], "kind")),
            ("heartbeat.opaque", text("opaque")),
        ],
        "publish" => vec![
            ("tag", "0x04".to_owned()),
            ("message.channel", number("channel")),
            ("message.flags", "0x00".to_owned()),
            ("message.publish_id", number("publish_id")),
            ("message.prev", "0".to_owned()),
            ("message.time_ms", "0".to_owned()),
            ("message.body", text("body")),
        ],
        "record" => vec![
            ("tag", "0x04".to_owned()),
            ("message.channel", number("channel")),
            ("message.flags", hex("flags")),
            ("message.seq", number("seq")),
            ("message.prev", number("prev")),
            ("message.time_ms", number("time_ms")),
            ("message.user_id", text("user_id")),
            ("message.body", text("body")),
        ],
        "call" => vec![
            ("tag", "0x05".to_owned()),
            ("call_id", number("call_id")),
            ("call.tag", hex("tag")),
            ("payload", text("payload")),
        ],
        "answer" => {
            let statuses = ["done", "failed", "timed_out", "no_handler", "busy", "forbidden"];
            vec![
                ("tag", "0x06".to_owned()),
                ("call_id", number("call_id")),
                ("answer.status", place(&statuses, "status")),
                ("payload", text("payload")),
            ]
        }
        "application" => vec![("tag", hex("tag")), ("payload", text("payload"))],
        _ => Vec::new(),
    }
}

/// The fault that Wireshark shows for an error of a server, where it can know of it.
fn fault(name: &str, entry: &Value) -> Option<&'static str> {
    match entry["error"].as_str()? {
        "invalid_tag" => Some("invalid_tag"),
        "frame_too_large" if name.contains("http") => Some("no_frame"),
        "frame_too_large" => Some("frame_too_large"),
        "unknown_tag" => (entry["tag"].as_u64()? < 0x10).then_some("unknown_tag"),
        "bad_control" if name == "control_over_16_kib" => Some("bad_control"),
        "bad_heartbeat" => Some("bad_heartbeat"),
        // What a server may send and a client may not is no fault by itself.
        "bad_message" => ["message_", "with_flags"]
            .iter()
            .any(|part| name.contains(part))
            .then_some("bad_message"),
        _ => None,
    }
}

/// Whether all of a vector can be compared. A frame that is refused for what it says is shown as it is, and a
/// megabyte is cut by whoever prints it.
fn is_comparable(expect: &[Value]) -> bool {
    expect.iter().all(|entry| entry["frame"].is_string() && entry["body_repeat"].is_null())
}

/// Compares what is shown of a connection, field by field.
fn compare(name: &str, expect: &[Value], shown: &Values) {
    let mut meant = Values::new();
    for (field, value) in expect.iter().flat_map(fields).filter(|(_, value)| !value.is_empty()) {
        meant.entry(field.to_owned()).or_default().push(value);
    }
    for field in FIELDS {
        assert_eq!(shown.get(field), meant.get(field), "{name}: {field}");
    }
    let objects = shown.get("control.json").into_iter().flatten();
    let objects: Vec<Value> = objects.map(|json| serde_json::from_str(json).unwrap()).collect();
    let controls = expect.iter().filter(|entry| entry["frame"] == "control");
    let meant: Vec<_> = controls.map(|entry| entry["json"].clone()).collect();
    assert_eq!(objects, meant, "{name}");
    // The dissector of JSON has had it too.
    let keys = shown.get("json.key").is_some_and(|keys| keys.contains(&"op".to_owned()));
    assert_eq!(keys, !meant.is_empty(), "{name}: {shown:?}");
}

#[test]
fn every_vector_is_shown_as_what_it_means() {
    let vectors = vectors();
    let dir = tempfile::tempdir().unwrap();
    let mut connections = dissected(dir.path(), &capture(&vectors));
    let mut compared = 0;
    for (number, vector) in vectors.iter().enumerate() {
        let name = vector["name"].as_str().unwrap();
        let shown = connections.remove(&number).unwrap_or_default();
        let expect = vector["expect"].as_array().unwrap();
        // The rest of a frame that is not whole is waited for.
        if expect.iter().all(|entry| entry["unfinished"].is_null()) {
            let faults = FAULTS.into_iter().filter(|fault| shown.contains_key(*fault));
            let meant = expect.iter().filter_map(|entry| fault(name, entry));
            assert_eq!(faults.collect::<Vec<_>>(), meant.collect::<Vec<_>>(), "{name}: {shown:?}");
        }
        if is_comparable(expect) {
            compare(name, expect, &shown);
            compared += 1;
        }
        if name == "record" {
            let time = &shown["message.time"][0];
            assert!(time.contains("2025") && time.contains("15:06:40"), "{time}");
        }
    }
    assert!(compared > 40, "{compared}");
}
