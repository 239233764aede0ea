//! Cutting a stream of bytes into frames, however the transport cut it into reads.
//!
//! Pure: no socket, no clock. Holds memory only for a frame that arrived in part.

use std::fmt;
use std::mem;

use crate::wire::{Header, Tag};

/// Cuts a stream of bytes into frames.
///
/// Small and without heap while no frame is unfinished, because most connections are idle.
#[derive(Debug)]
pub struct Decoder {
    max_frame: u32,
    state: State,
}

/// Whether to take in a frame whose header has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// Hand out the frame when it is whole.
    Take,
    /// Report its header now and let its payload pass by.
    Skip,
}

/// What a decoder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// The header of a frame that was not admitted; its payload is skipped as it arrives.
    Refused(Header),
}

/// A whole frame, borrowed from where its bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the payload is.
    pub tag: Tag,
    /// The payload.
    pub payload: &'a [u8],
}

/// Why a stream cannot be read on; each ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A frame with the tag 0x00.
    InvalidTag,
    /// A frame that announces more than it may.
    FrameTooLarge {
        /// What it announced.
        length: u32,
        /// The bound.
        max_frame: u32,
    },
}

impl Decoder {
    /// A decoder that refuses payloads over `max_frame` bytes.
    pub const fn new(max_frame: u32) -> Self {
        Self { max_frame, state: State::START }
    }

    /// Takes bytes off the front of `input` up to the end of the next frame and returns that frame,
    /// or takes all of them and returns `None` if more are needed.
    ///
    /// A payload that lies in `input` as a whole is returned where it lies, without a copy. `admit` is
    /// asked once per frame, as soon as its header is whole.
    ///
    /// # Errors
    ///
    /// Returns a [`DecodeError`] as soon as the tag or the length says so, before the payload. The
    /// decoder is of no use after that.
    pub fn decode<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
        admit: impl FnOnce(Header) -> Admit,
    ) -> Result<Option<Decoded<'a>>, DecodeError> {
        // A frame collected earlier has been handed out and looked at: its memory goes now.
        if !self.is_unfinished() {
            self.state = State::START;
        }
        if let State::Skip { left, .. } = &mut self.state {
            skip(input, left);
            if *left > 0 {
                return Ok(None);
            }
            self.state = State::START;
        }
        if let State::Header { bytes, len } = &mut self.state {
            let Some(header) = take_header(input, bytes, len)? else {
                return Ok(None);
            };
            let length = header.length;
            if length > self.max_frame {
                return Err(DecodeError::FrameTooLarge { length, max_frame: self.max_frame });
            }
            if admit(header) == Admit::Skip {
                let mut left = length;
                skip(input, &mut left);
                self.state = State::Skip { header, left };
                return Ok(Some(Decoded::Refused(header)));
            }
            self.state = State::Payload { header, collected: Vec::new() };
        }
        // Whole here, though its header may have come before: peers write the two separately.
        if let State::Payload { header: Header { tag, length }, collected } = &self.state
            && collected.is_empty()
            && let Some((payload, rest)) = input.split_at_checked(*length as usize)
        {
            let frame = Frame { tag: *tag, payload };
            *input = rest;
            self.state = State::START;
            return Ok(Some(Decoded::Frame(frame)));
        }
        if let State::Payload { header, collected } = &mut self.state
            && collect(input, header.length as usize, collected)
        {
            return Ok(Some(Decoded::Frame(Frame { tag: header.tag, payload: collected })));
        }
        Ok(None)
    }

    /// Whether some bytes of a frame have arrived, skipped ones included, but not all.
    pub fn is_unfinished(&self) -> bool {
        self.pending().is_some()
    }

    /// Bytes of heap that it holds: at most twice what has arrived of the current frame.
    pub const fn held(&self) -> usize {
        match &self.state {
            State::Payload { collected, .. } => collected.capacity(),
            State::Header { .. } | State::Skip { .. } => 0,
        }
    }

    /// How much of the current unfinished frame has arrived, and how much it announced, its header
    /// included.
    ///
    /// While the header itself is unfinished, that is all it is known to announce.
    pub fn pending(&self) -> Option<(u64, u64)> {
        const HEADER: u64 = Header::LEN as u64;
        let (received, announced) = match &self.state {
            State::Header { len: 0, .. } => return None,
            State::Header { len, .. } => return Some((u64::from(*len), HEADER)),
            State::Skip { header, left } => (header.length.saturating_sub(*left), header.length),
            State::Payload { header, collected } => {
                (u32::try_from(collected.len()).unwrap_or(u32::MAX), header.length)
            }
        };
        let with_header = |payload| HEADER.saturating_add(u64::from(payload));
        (received < announced).then(|| (with_header(received), with_header(announced)))
    }
}

/// Where in a frame the stream is.
#[derive(Debug)]
enum State {
    /// The first `len` bytes of a header have arrived.
    Header { bytes: [u8; Header::LEN], len: u8 },
    /// A frame cut over several inputs; `collected` is its payload so far.
    Payload { header: Header, collected: Vec<u8> },
    /// A refused frame, of whose payload `left` bytes have not arrived.
    Skip { header: Header, left: u32 },
}

impl State {
    /// Between two frames.
    const START: Self = Self::Header { bytes: [0; Header::LEN], len: 0 };
}

/// Completes the header begun in `bytes`, or takes all there is and returns `None`.
fn take_header(
    input: &mut &[u8],
    bytes: &mut [u8; Header::LEN],
    len: &mut u8,
) -> Result<Option<Header>, DecodeError> {
    let missing = bytes.get_mut(usize::from(*len)..).unwrap_or_default();
    for slot in missing {
        let Some((byte, rest)) = input.split_first() else { break };
        (*slot, *input) = (*byte, rest);
        *len = len.saturating_add(1);
    }
    // The tag alone tells: no need to wait for a length.
    if *len > 0 && bytes.first() == Some(&0) {
        return Err(DecodeError::InvalidTag);
    }
    Ok(if usize::from(*len) < Header::LEN { None } else { Header::parse(bytes) })
}

/// Drops up to `left` bytes from the front of `input`.
fn skip(input: &mut &[u8], left: &mut u32) {
    let all = mem::take(input);
    match all.split_at_checked(*left as usize) {
        Some((_, rest)) => (*input, *left) = (rest, 0),
        // Shorter than `left`, so it fits a u32.
        None => *left = left.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX)),
    }
}

/// Moves bytes from `input` to `collected` until that has `length`; says whether it has.
fn collect(input: &mut &[u8], length: usize, collected: &mut Vec<u8>) -> bool {
    let missing = length.saturating_sub(collected.len());
    let (part, rest) = input.split_at_checked(missing).unwrap_or((*input, &[]));
    *input = rest;
    let needed = collected.len().saturating_add(part.len());
    if needed > collected.capacity() {
        // Doubling bounds the copying. What the peer announced bounds the doubling, and never more.
        let capacity = needed.saturating_mul(2).min(length);
        collected.reserve_exact(capacity.saturating_sub(collected.len()));
    }
    collected.extend_from_slice(part);
    collected.len() == length
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidTag => f.write_str("a frame with the tag 0x00"),
            Self::FrameTooLarge { length, max_frame } => {
                write!(f, "a frame of {length} bytes, where at most {max_frame} are allowed")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests;
