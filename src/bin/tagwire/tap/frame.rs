//! A frame as it is told between server and `tagwire tap`: an object of JSON a line.

use std::str::Utf8Error;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tagwire::session::{Tapped, Timings, Way};
use tagwire::wire::Tag;

use crate::decode;

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Told {
    /// So many frames were not shown, because there were too many.
    Missed {
        /// How many.
        missed: u64,
    },
    /// A frame, or a line.
    Frame(Frame),
}

/// A frame, or a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frame {
    /// When, milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// Of which connection.
    pub(crate) session: String,
    pub(crate) way: InOut,
    /// Its tag, 0 for a line.
    pub(crate) tag: u8,
    /// The tag's name.
    pub(crate) name: String,
    /// Bytes of its payload, or of the line.
    pub(crate) length: u32,
    /// The room that it is published to, or comes from.
    pub(crate) room: Option<String>,
    /// The first of its payload, where that is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<String>,
    /// The first of its payload, where that is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload_base64: Option<String>,
}

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InOut {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

impl Told {
    /// As a line. Characters that drive terminals are escaped, which JSON does not ask for.
    pub(crate) fn to_line(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        let mut line = String::with_capacity(json.len() + 1);
        for c in json.chars() {
            if matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1 {
                line.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    line += &format!("\\u{unit:04x}");
                }
            }
        }
        line.push('\n');
        Ok(line)
    }
}

impl From<&Tapped> for Frame {
    fn from(tapped: &Tapped) -> Self {
        let (payload, payload_base64) = match &tapped.payload {
            None => (None, None),
            Some(bytes) => match text(bytes, tapped.length) {
                Ok(text) => (Some(text.to_owned()), None),
                Err(_) => (None, Some(STANDARD.encode(bytes))),
            },
        };
        Self {
            time_ms: tapped.time_ms,
            session: tapped.session.as_str().to_owned(),
            way: if tapped.way == Way::In { InOut::In } else { InOut::Out },
            tag: tapped.tag.as_byte(),
            name: name(tapped.tag).to_owned(),
            length: tapped.length,
            room: tapped.room.as_ref().map(|room| room.as_str().to_owned()),
            payload,
            payload_base64,
        }
    }
}

impl Frame {
    /// The first of its payload, if it is told.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let encoded = || self.payload_base64.as_ref().and_then(|text| STANDARD.decode(text).ok());
        self.payload.as_ref().map(|text| text.clone().into_bytes()).or_else(encoded)
    }
}

/// Bytes as text; a character that was cut in two at the end of what is shown is left away.
fn text(bytes: &[u8], length: u32) -> Result<&str, Utf8Error> {
    str::from_utf8(bytes).or_else(|error| {
        let is_cut = error.error_len().is_none() && bytes.len() < length as usize;
        let whole = bytes.get(..error.valid_up_to()).filter(|_| is_cut);
        whole.map_or(Err(error), str::from_utf8)
    })
}

/// A tag's name; lines have the tag that no frame has.
fn name(tag: Tag) -> &'static str {
    if tag == Timings::LINES { "lines" } else { decode::name(tag) }
}

/// A tag as [`tag`] reads it.
pub(super) fn written(tag: Tag) -> String {
    if tag == Timings::LINES { name(tag).to_owned() } else { tag.to_string() }
}

/// Reads a tag: a number such as `0x20`, or a name.
pub(crate) fn tag(text: &str) -> Result<Tag, String> {
    if let Some(digits) = text.strip_prefix("0x") {
        let byte = u8::from_str_radix(digits, 16).ok().filter(|&byte| byte > 0);
        return byte.map(Tag::from_byte).ok_or_else(|| "wants a tag from 0x01 to 0xff".to_owned());
    }
    let all = [Timings::LINES, Tag::CONTROL, Tag::DATA, Tag::HEARTBEAT, Tag::MESSAGE, Tag::CALL];
    let mut all = all.into_iter().chain([Tag::ANSWER]);
    all.find(|&tag| name(tag).eq_ignore_ascii_case(text)).ok_or_else(|| {
        "wants a tag such as 0x20, or control, data, heartbeat, message, call, answer or lines"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use tagwire::id::{ConnectionId, NodeId, SessionId};

    use super::*;

    fn tapped(payload: &[u8], length: u32) -> Frame {
        Frame::from(&Tapped {
            time_ms: 1,
            session: SessionId::new(&NodeId::new(0), ConnectionId(26)),
            way: Way::In,
            tag: Tag::DATA,
            length,
            room: None,
            payload: Some(payload.to_vec().into()),
        })
    }

    #[test]
    fn a_line_is_what_is_documented_and_read_back() {
        let frame = tapped(b"hello", 5);
        let line = Told::Frame(frame.clone()).to_line().unwrap();
        let want = r#"{"time_ms":1,"session":"000000000000-1a","way":"in","tag":2,"name":"DATA","length":5,"room":null,"payload":"hello"}"#;
        assert_eq!(line, format!("{want}\n"));
        assert_eq!(serde_json::from_str::<Told>(&line).unwrap(), Told::Frame(frame));
        let missed = Told::Missed { missed: 7 };
        assert_eq!(missed.to_line().unwrap(), "{\"missed\":7}\n");
        assert_eq!(serde_json::from_str::<Told>("{\"missed\":7}").unwrap(), missed);
    }

    #[test]
    fn what_is_no_text_is_told_as_base64_and_a_cut_character_is_left_away() {
        assert_eq!(tapped(b"\xff\x00", 2).payload_base64.as_deref(), Some("/wA="));
        assert_eq!(tapped(b"\xff\x00", 2).bytes().as_deref(), Some(&b"\xff\x00"[..]));
        assert_eq!(tapped("aé".as_bytes(), 3).payload.as_deref(), Some("aé"));
        assert_eq!(tapped(b"a\xc3", 4096).payload.as_deref(), Some("a"));
        assert_eq!(tapped(b"a\xc3", 2).payload, None, "it ends there");
        assert_eq!(tapped(b"\xc3a", 4096).payload, None);
    }

    #[test]
    fn no_terminal_is_driven_and_the_value_is_the_same() {
        let said = "\u{1b}[2J \u{9b}31m \u{202e} 🎉 e\u{301} \u{e0001} \"'\\";
        let frame = tapped(said.as_bytes(), 1);
        let line = Told::Frame(frame.clone()).to_line().unwrap();
        let plain = |c: char| c.is_ascii_graphic() || " 🎉".contains(c);
        assert!(line.trim_end().chars().all(plain), "{line}");
        assert_eq!(serde_json::from_str::<Told>(&line).unwrap(), Told::Frame(frame));
    }

    #[test]
    fn tags_are_numbers_or_names() {
        assert_eq!(tag("0x20"), Ok(Tag::from_byte(0x20)));
        assert_eq!(tag("DATA"), Ok(Tag::DATA));
        assert_eq!(tag("answer"), Ok(Tag::ANSWER));
        assert_eq!(tag("lines"), Ok(Timings::LINES));
        for wrong in ["", "0x00", "0x100", "0xg", "2", "application", "reserved"] {
            assert!(tag(wrong).is_err(), "{wrong}");
        }
    }
}
