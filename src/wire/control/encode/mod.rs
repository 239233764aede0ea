//! Events as CONTROL frames.

use bytes::BufMut;
use serde::Serialize;

use super::{ErrorEvent, Event, RequestId};
use crate::limits::FRAME_EXTRA;
use crate::wire::{Header, Tag};

/// Most bytes of a frame with a fatal error: it must fit where the peer reads nothing any more.
const FATAL_LEN: usize = 256;
/// Most bytes of a frame with another error, however long a handler's text is: a frame that any peer takes.
const ERROR_LEN: usize = FRAME_EXTRA as usize;

/// Writes a whole CONTROL frame, with the `id` of the request that it answers, if any.
///
/// A fatal error takes at most 256 bytes, another 1 KiB: its message is cut if need be, and if that is not
/// enough all but its code, `max_frame` and message is left out.
pub fn encode_event(out: &mut impl BufMut, id: Option<&RequestId>, event: &Event<'_>) {
    let mut payload = json(id, event);
    if let Event::Error(error) = event {
        let most = if error.fatal { FATAL_LEN } else { ERROR_LEN }.saturating_sub(Header::LEN);
        if payload.len() > most {
            payload = shortened(id, *error, most);
        }
    }
    out.put_slice(&Header::of(Tag::CONTROL, payload.len()).encode());
    out.put_slice(&payload);
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(flatten)]
    event: &'a Event<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RequestId>,
}

fn json(id: Option<&RequestId>, event: &Event<'_>) -> Vec<u8> {
    let json = serde_json::to_vec(&Envelope { event, id });
    // It fails for writers that fail and for keys that are no strings; here is neither.
    debug_assert!(json.is_ok(), "{event:?}");
    json.unwrap_or_default()
}

/// The error in as many words as fit in `most` bytes.
fn shortened(id: Option<&RequestId>, error: ErrorEvent<'_>, most: usize) -> Vec<u8> {
    let bare = ErrorEvent { max_frame: error.max_frame, ..ErrorEvent::new(error.code, "") };
    let silent = ErrorEvent { message: "", ..error };
    let candidates = [(id, silent), (id, bare), (None, bare)];
    let mut shortest = Vec::new();
    for (id, mut candidate) in candidates {
        candidate.fatal = error.fatal;
        shortest = json(id, &Event::Error(candidate));
        if let Some(room) = most.checked_sub(shortest.len()) {
            candidate.message = cut(error.message, room);
            return json(id, &Event::Error(candidate));
        }
    }
    shortest
}

/// The start of a text that takes at most `room` bytes as JSON.
fn cut(text: &str, room: usize) -> &str {
    let mut left = room;
    for (at, c) in text.char_indices() {
        // A control character becomes six; these two become two; the others stay.
        let takes = match c {
            '"' | '\\' => 2,
            _ if c.is_ascii_control() => 6,
            _ => c.len_utf8(),
        };
        match left.checked_sub(takes) {
            Some(rest) => left = rest,
            None => return text.get(..at).unwrap_or_default(),
        }
    }
    text
}

#[cfg(test)]
mod tests;
