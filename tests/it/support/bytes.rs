//! Frames and requests as bytes.

use serde_json::Value;

/// A frame from the server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) tag: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Takes a whole frame off the front of what was read.
    pub(crate) fn take(input: &mut Vec<u8>) -> Option<Self> {
        let &[tag, a, b, c, d] = input.first_chunk()?;
        let end = 5 + u32::from_be_bytes([a, b, c, d]) as usize;
        let payload = input.get(5..end)?.to_vec();
        input.drain(..end);
        Some(Self { tag, payload })
    }

    /// The JSON of a CONTROL frame; null for any other.
    pub(crate) fn json(&self) -> Value {
        match self.tag {
            0x01 => serde_json::from_slice(&self.payload).unwrap(),
            _ => Value::Null,
        }
    }

    /// The `op` of a CONTROL frame; empty for any other.
    pub(crate) fn op(&self) -> String {
        self.json()["op"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn is_ping(&self) -> bool {
        self.tag == 0x03 && self.payload.first().is_none_or(|&kind| kind == 0)
    }

    pub(crate) fn is_presence(&self) -> bool {
        ["member_joined", "member_left"].contains(&self.op().as_str())
    }

    /// `call_id`, `status` and the rest of an ANSWER.
    pub(crate) fn answer(&self) -> (u32, u8, &[u8]) {
        assert_eq!(self.tag, 0x06, "{self:?}");
        let (head, rest) = self.payload.split_at(5);
        (u32::from_be_bytes(head[..4].try_into().unwrap()), head[4], rest)
    }

    /// `seq`, `prev` and body of a MESSAGE.
    pub(crate) fn record(&self) -> (u64, u64, &[u8]) {
        assert_eq!(self.tag, 0x04, "{self:?}");
        let number = |at: usize| u64::from_be_bytes(self.payload[at..at + 8].try_into().unwrap());
        let user_len = usize::from(self.payload[29]);
        (number(5), number(13), &self.payload[30 + user_len..])
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.payload[..self.payload.len().min(200)];
        let len = self.payload.len();
        write!(f, "{:#04x} ({len} bytes) {:?}", self.tag, String::from_utf8_lossy(start))
    }
}

pub(crate) fn frame(tag: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = vec![tag];
    frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(payload);
    frame
}

#[expect(clippy::needless_pass_by_value, reason = "most calls make the request in place")]
pub(crate) fn control(json: impl ToString) -> Vec<u8> {
    frame(0x01, json.to_string())
}

pub(crate) fn data(body: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x02, body)
}

pub(crate) fn ping(opaque: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x03, [&[0], opaque.as_ref()].concat())
}

pub(crate) fn pong(opaque: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x03, [&[1], opaque.as_ref()].concat())
}

pub(crate) fn publish(channel: u64, publish_id: u64, body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut payload = u32::try_from(channel).unwrap().to_be_bytes().to_vec();
    payload.push(0);
    payload.extend(publish_id.to_be_bytes());
    payload.extend([0; 17]);
    payload.extend(body.as_ref());
    frame(0x04, payload)
}

pub(crate) fn call(call_id: u32, tag: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x05, [&call_id.to_be_bytes()[..], &[tag], payload.as_ref()].concat())
}

/// A body of `len` bytes that begins with a number, and is different for each.
pub(crate) fn body(number: usize, len: usize) -> Vec<u8> {
    let mut body = format!("{number:08} ").into_bytes();
    let mut state = number as u64 ^ 0x9e37_79b9_7f4a_7c15;
    body.extend(
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(len.saturating_sub(9)),
    );
    body
}
