//! `tagwire decode`: frames in words, a line each. Reads what a person has at hand: hexadecimal on the
//! command line, or on standard input hexadecimal or the bytes themselves.

use std::io::{self, Read, Write};

use tagwire::wire::{Answer, Call, Header, Heartbeat, HeartbeatKind, Record, Request, Status, Tag};

use crate::exit::{Exit, Failure};
use crate::terminal::harmless;

/// Bytes of a payload that are shown in hexadecimal; text is shown whole.
const SHOWN: usize = 32;

/// Say in words what frames are
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Frames in hexadecimal, as in `02 00000005 68656c6c6f`; without it, standard input is read, as
    /// hexadecimal if it is that, otherwise as the bytes themselves
    #[arg(value_name = "HEX")]
    hex: Vec<String>,
}

/// Prints each frame.
///
/// # Errors
///
/// Returns a usage failure for what is not hexadecimal, and one with [`Exit::Protocol`] for bytes that are
/// no frames; those before them are printed.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let input = if args.hex.is_empty() {
        let mut input = Vec::new();
        io::stdin().lock().read_to_end(&mut input)?;
        str::from_utf8(&input).ok().and_then(|text| bytes(text).ok()).unwrap_or(input)
    } else {
        bytes(&args.hex.join(" ")).map_err(Failure::usage)?
    };
    let (lines, wrong) = frames(&input);
    match io::stdout().write_all(lines.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    wrong.map_or(Ok(()), |why| Err(Failure::new(Exit::Protocol, anyhow::anyhow!(why))))
}

/// Reads hexadecimal; spaces, colons and `0x` in it do not matter.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ':');
    let digits: Vec<u8> =
        words.flat_map(|word| word.strip_prefix("0x").unwrap_or(word).bytes()).collect();
    let value = |digit: &u8| match char::from(*digit).to_digit(16) {
        Some(value) => Ok(value as u8),
        None => Err(format!("{:?} is no hexadecimal digit", char::from(*digit))),
    };
    let values = digits.iter().map(value).collect::<Result<Vec<u8>, _>>()?;
    let (pairs, rest) = values.as_chunks::<2>();
    match rest {
        [] => Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect()),
        _ => Err("an odd number of hexadecimal digits: the last byte is half".to_owned()),
    }
}

/// Each frame as a line, and what is wrong with the bytes after the last one.
fn frames(mut input: &[u8]) -> (String, Option<String>) {
    let mut lines = String::new();
    let mut at = 0;
    while !input.is_empty() {
        let Some(header) = Header::parse(input) else {
            let why = format!("byte {at}: {} of the 5 bytes of a header", input.len());
            return (lines, Some(why));
        };
        let Header { tag, length } = header;
        if tag.as_byte() == 0 {
            return (lines, Some(format!("byte {at}: tag 0x00 is never valid")));
        }
        let after = &input[Header::LEN..];
        let Some((payload, rest)) = after.split_at_checked(length as usize) else {
            let there = after.len();
            let why = format!("byte {at}: {tag} announces {length} bytes, and {there} are there");
            return (lines, Some(why));
        };
        let s = if length == 1 { "" } else { "s" };
        lines += &format!("{tag} {}, {length} byte{s}: {}\n", name(tag), words(tag, payload));
        at += input.len() - rest.len();
        input = rest;
    }
    (lines, None)
}

/// The name of a tag in docs/protocol.md.
pub(crate) fn name(tag: Tag) -> &'static str {
    match tag {
        Tag::CONTROL => "CONTROL",
        Tag::DATA => "DATA",
        Tag::HEARTBEAT => "HEARTBEAT",
        Tag::MESSAGE => "MESSAGE",
        Tag::CALL => "CALL",
        Tag::ANSWER => "ANSWER",
        tag if tag.is_reserved() => "reserved",
        _ => "application",
    }
}

/// What a payload says.
pub(crate) fn words(tag: Tag, payload: &[u8]) -> String {
    match tag {
        Tag::CONTROL => control(payload),
        Tag::HEARTBEAT => match Heartbeat::parse(payload) {
            Ok(Heartbeat { kind: HeartbeatKind::Ping, opaque }) => format!("ping {}", text(opaque)),
            Ok(Heartbeat { kind: HeartbeatKind::Pong, opaque }) => format!("pong {}", text(opaque)),
            Err(error) => format!("bad_heartbeat: {error}"),
        },
        Tag::MESSAGE => match Record::parse(payload) {
            Ok(record) => message(&record),
            Err(error) => format!("bad_message: {error}"),
        },
        Tag::CALL => match Call::parse(payload) {
            Ok(Call { call_id, tag, payload }) => {
                format!("call {call_id} of {tag}, {}", text(payload))
            }
            Err(_) => "bad_message: a CALL has at least 5 bytes".to_owned(),
        },
        Tag::ANSWER => match Answer::parse(payload) {
            Ok(Answer { call_id, status, payload }) => {
                format!("call {call_id} {}, {}", outcome(status), text(payload))
            }
            Err(error) => error.to_string(),
        },
        _ => text(payload),
    }
}

/// A request that would be refused says why; replies are none, so that only the code can tell.
fn control(payload: &[u8]) -> String {
    let shown = match str::from_utf8(payload) {
        Ok(json) if harmless(json) == json => json.to_owned(),
        _ => text(payload),
    };
    match Request::parse(payload) {
        Err(error) if error.code().as_str() == "bad_control" => {
            format!("{shown} (bad_control: {error})")
        }
        _ => shown,
    }
}

fn message(record: &Record<'_>) -> String {
    let Record { channel, flags, seq, prev, time_ms, user_id, body } = *record;
    let flags = if flags == 0 { String::new() } else { format!("flags {flags:#04x}, ") };
    // Only a server fills in when and who.
    if time_ms == 0 && user_id.is_empty() {
        return format!("channel {}, {flags}publish_id {}, {}", channel.0, seq.0, text(body));
    }
    format!(
        "channel {}, {flags}seq {}, prev {}, time_ms {time_ms}, user {user_id:?}, {}",
        channel.0,
        seq.0,
        prev.0,
        text(body)
    )
}

fn outcome(status: Status) -> &'static str {
    match status {
        Status::Done => "done",
        Status::Failed => "failed",
        Status::TimedOut => "took too long",
        Status::NoHandler => "has no handler",
        Status::Busy => "refused: busy",
        Status::Forbidden => "forbidden",
    }
}

/// Text in quotes, anything else in hexadecimal.
pub(crate) fn text(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => {
            let hex: Vec<_> = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
            let more = if bytes.len() > SHOWN { " …" } else { "" };
            format!("{}{more}", hex.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn decoded(hex: &str) -> String {
        let (lines, wrong) = frames(&bytes(hex).unwrap());
        lines + &wrong.unwrap_or_default()
    }

    #[test]
    fn each_kind_of_frame_is_said_in_words() {
        assert_eq!(decoded("02 00000005 68656c6c6f"), "0x02 DATA, 5 bytes: \"hello\"\n");
        assert_eq!(decoded("03:00:00:00:01:01"), "0x03 HEARTBEAT, 1 byte: pong \"\"\n");
        assert_eq!(decoded("20 00000002 ff 00"), "0x20 application, 2 bytes: ff 00\n");
        assert_eq!(
            decoded("0500000006 00000007 20 68"),
            "0x05 CALL, 6 bytes: call 7 of 0x20, \"h\"\n"
        );
        assert_eq!(
            decoded("0600000005 00000007 03"),
            "0x06 ANSWER, 5 bytes: call 7 has no handler, \"\"\n"
        );
        let head = "00000001 00 0000000000000002 0000000000000000 0000000000000000 00";
        assert_eq!(
            decoded(&format!("04 0000001f {head} 68")),
            "0x04 MESSAGE, 31 bytes: channel 1, publish_id 2, \"h\"\n"
        );
    }

    #[test]
    fn control_is_shown_as_it_is_and_judged() {
        let control = |json: &str| {
            let hex = json.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
            decoded(&format!("01{:08x}{hex}", json.len()))
        };
        assert_eq!(control(r#"{"op":"stats"}"#), "0x01 CONTROL, 14 bytes: {\"op\":\"stats\"}\n");
        assert!(control("{}").contains("(bad_control: "), "{}", control("{}"));
        assert!(!control(r#"{"op":"welcome"}"#).contains("bad"));
        let turned = control("{\"op\":\"\u{202e}\"}");
        assert!(turned.contains("\\u{202e}"), "{turned}");
    }

    #[test]
    fn what_is_no_frame_is_told_with_its_place() {
        let hello = "0200000005 68656c6c6f";
        assert!(
            decoded(&format!("{hello} 00 00000000")).ends_with("byte 10: tag 0x00 is never valid")
        );
        assert!(decoded(&format!("{hello} 02")).ends_with("byte 10: 1 of the 5 bytes of a header"));
        let cut = "byte 0: 0x02 announces 2 bytes, and 1 are there";
        assert_eq!(decoded("02 00000002 00"), cut);
    }

    #[test]
    fn hexadecimal_is_read_as_people_write_it() {
        assert_eq!(bytes("0x01 02:03\n04"), Ok(vec![1, 2, 3, 4]));
        assert!(bytes("0g").unwrap_err().contains("'g'"));
        assert!(bytes("012").unwrap_err().contains("odd"));
    }
}
