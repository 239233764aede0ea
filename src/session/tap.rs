//! Frames shown to whoever asks, as they come and go. While nobody asks, a frame costs a look at a flag.
//!
//! A tap is bounded in frames a second and in frames that wait to be looked at: what is more is counted
//! and not shown. It never holds up a connection.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes, BytesMut};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::mpsc;

use crate::id::{RoomName, SessionId};
use crate::session::{Session, Timings};
use crate::sync::{lock, wall_ms};
use crate::wire::{Header, Publish, Tag};

/// Frames that wait to be looked at.
const WAITING: usize = 1024;
/// Bytes of a payload that are shown.
const SHOWN: usize = 4096;

/// Which frames to show.
#[derive(Clone, Debug)]
pub struct TapFilter {
    /// Those of the connection with this session; `None` for all.
    pub session: Option<String>,
    /// DATA, MESSAGE and presence of this room; `None` for all frames.
    pub room: Option<RoomName>,
    /// Those with this tag; `None` for all. Lines have the tag [`Timings::LINES`].
    pub tag: Option<Tag>,
    /// Whether to show payloads, the first 4 KiB of each; without, their sizes alone.
    pub payload: bool,
    /// Frames a second, at most; what is more is counted. 1,000.
    pub per_second: NonZeroU32,
}

impl Default for TapFilter {
    fn default() -> Self {
        let per_second = NonZeroU32::MIN.saturating_add(999);
        Self { session: None, room: None, tag: None, payload: false, per_second }
    }
}

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// A frame, or a line, that came or is about to go.
#[derive(Clone, Debug)]
pub struct Tapped {
    /// When, milliseconds since 1970.
    pub time_ms: u64,
    /// Of which connection.
    pub session: SessionId,
    /// Which way it goes.
    pub way: Way,
    /// What it is.
    pub tag: Tag,
    /// Bytes of its payload, or of the line.
    pub length: u32,
    /// The room that it is published to, or comes from.
    pub room: Option<RoomName>,
    /// The first 4 KiB of its payload, if payloads were asked for.
    pub payload: Option<Bytes>,
}

/// Whoever asks to see frames.
#[derive(Debug, Default)]
pub(super) struct Taps {
    on: AtomicBool,
    taps: Mutex<Vec<Arc<Wanted>>>,
}

#[derive(Debug)]
struct Wanted {
    filter: TapFilter,
    rate: DefaultDirectRateLimiter,
    door: mpsc::Sender<Tapped>,
    missed: AtomicU64,
}

impl Taps {
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    fn add(&self, wanted: Arc<Wanted>) {
        lock(&self.taps).push(wanted);
        self.on.store(true, Ordering::Relaxed);
    }

    fn remove(&self, wanted: &Arc<Wanted>) {
        let mut taps = lock(&self.taps);
        taps.retain(|other| !Arc::ptr_eq(other, wanted));
        self.on.store(!taps.is_empty(), Ordering::Relaxed);
    }

    fn show(&self, frame: &Frame<'_>) {
        for wanted in &*lock(&self.taps) {
            wanted.show(frame);
        }
    }
}

/// A frame, as it is looked at.
struct Frame<'a> {
    session: &'a SessionId,
    way: Way,
    tag: Tag,
    length: usize,
    room: Option<&'a RoomName>,
    payload: &'a [u8],
}

impl Wanted {
    fn show(&self, frame: &Frame<'_>) {
        let TapFilter { session, room, tag, payload, .. } = &self.filter;
        let wanted = session.as_ref().is_none_or(|session| session == frame.session.as_str())
            && room.as_ref().is_none_or(|room| frame.room == Some(room))
            && tag.is_none_or(|tag| tag == frame.tag);
        if !wanted {
            return;
        }
        let shown = || Bytes::copy_from_slice(frame.payload.get(..SHOWN).unwrap_or(frame.payload));
        let tapped = || Tapped {
            time_ms: wall_ms(),
            session: frame.session.clone(),
            way: frame.way,
            tag: frame.tag,
            length: u32::try_from(frame.length).unwrap_or(u32::MAX),
            room: frame.room.cloned(),
            payload: payload.then(shown),
        };
        let shown = self.rate.check().is_ok() && self.door.try_send(tapped()).is_ok();
        if !shown {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Frames of a running server, one after the other; dropping it ends the showing.
#[derive(Debug)]
pub struct Tap {
    node: Arc<super::Node>,
    wanted: Arc<Wanted>,
    frames: mpsc::Receiver<Tapped>,
}

impl Tap {
    /// Begins to show the frames that `filter` names.
    pub fn new(node: Arc<super::Node>, filter: TapFilter) -> Self {
        let (door, frames) = mpsc::channel(WAITING);
        let rate = RateLimiter::direct(Quota::per_second(filter.per_second));
        let wanted = Arc::new(Wanted { filter, rate, door, missed: AtomicU64::new(0) });
        node.taps.add(wanted.clone());
        Self { node, wanted, frames }
    }

    /// Waits for the next frame. Cancel-safe.
    pub async fn next(&mut self) -> Tapped {
        match self.frames.recv().await {
            Some(frame) => frame,
            // The door is ours: it is not closed before we are gone.
            None => std::future::pending().await,
        }
    }

    /// Frames that were not shown since the last time, because there were too many.
    pub fn take_missed(&self) -> u64 {
        self.wanted.missed.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.node.taps.remove(&self.wanted);
    }
}

impl Session {
    /// Shows a frame, or a line, that arrived.
    #[inline]
    pub fn tap_received(&self, tag: Tag, length: usize, payload: &[u8]) {
        if self.node.taps.is_on() {
            let room = match tag {
                Tag::MESSAGE => {
                    Publish::parse(payload).ok().and_then(|publish| self.room_of(publish.channel))
                }
                Tag::DATA | Timings::LINES => self.current_room(),
                _ => None,
            };
            self.show(Way::In, tag, length, room, payload);
        }
    }

    /// Shows a frame, or a line, that is the end of what waits to be sent.
    #[inline]
    pub(super) fn tap_sent(&self, tag: Tag, bytes: usize) {
        if self.node.taps.is_on() {
            let frame = &self.outbox[self.outbox.len().saturating_sub(bytes)..];
            self.tap_frame(tag, frame);
        }
    }

    /// Shows a whole frame, or a line, that is about to be sent.
    #[inline]
    pub fn tap_frame(&self, tag: Tag, frame: &[u8]) {
        if self.node.taps.is_on() {
            let head = if tag == Timings::LINES { 0 } else { Header::LEN };
            let payload = frame.get(head..).unwrap_or_default();
            self.show(Way::Out, tag, payload.len(), None, payload);
        }
    }

    /// Shows what a room gives: pieces that are whole frames together.
    #[inline]
    pub(super) fn tap_given(&self, room: &RoomName, pieces: &[Bytes]) {
        if self.node.taps.is_on() {
            self.show_given(room, pieces);
        }
    }

    #[cold]
    fn show_given(&self, room: &RoomName, pieces: &[Bytes]) {
        let mut frames = BytesMut::new();
        pieces.iter().for_each(|piece| frames.extend_from_slice(piece));
        while let Some(Header { tag, length }) = Header::parse(&frames) {
            frames.advance(Header::LEN);
            let payload = frames.split_to(frames.len().min(length as usize));
            self.show(Way::Out, tag, payload.len(), Some(room), &payload);
        }
    }

    #[cold]
    fn show(&self, way: Way, tag: Tag, length: usize, room: Option<&RoomName>, payload: &[u8]) {
        let session = self.mailbox.session();
        self.node.taps.show(&Frame { session, way, tag, length, room, payload });
    }
}
