//! The order of requests: what waits for what (docs/protocol.md, section 2, "Order").
//!
//! CONTROL, DATA and MESSAGE are one lane; every other tag is a lane of its own. A lane exists only
//! while a request in it waits or runs: frames that are handled in place need none.

use std::collections::VecDeque;

use crate::router::Ask;
use crate::wire::Tag;

/// Requests of one connection that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    count: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Lane {
    key: Tag,
    /// The payload sizes of the requests that a handler has, the oldest first.
    running: VecDeque<usize>,
    waiting: VecDeque<Ask>,
}

impl Lanes {
    /// The lane of a tag, named after its first tag.
    pub(super) fn key(tag: Tag) -> Tag {
        match tag {
            Tag::DATA | Tag::MESSAGE => Tag::CONTROL,
            other => other,
        }
    }

    /// Requests that are not answered yet, and the bytes of their payloads.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.count, self.bytes)
    }

    /// Whether something waits or runs in the lane of a tag.
    pub(super) fn is_busy(&self, tag: Tag) -> bool {
        let key = Self::key(tag);
        self.lanes.iter().any(|lane| lane.key == key)
    }

    /// The lanes in which something waits or runs.
    pub(super) fn keys(&self) -> Vec<Tag> {
        self.lanes.iter().map(|lane| lane.key).collect()
    }

    /// Adds a request to its lane.
    pub(super) fn push(&mut self, ask: Ask) {
        let key = Self::key(ask.tag);
        self.count += 1;
        self.bytes += ask.payload.len();
        match self.lanes.iter_mut().find(|lane| lane.key == key) {
            Some(lane) => lane.waiting.push_back(ask),
            None => {
                let (running, waiting) = (VecDeque::new(), VecDeque::from([ask]));
                self.lanes.push(Lane { key, running, waiting });
            }
        }
    }

    /// Takes the next request of a tag's lane, if fewer than `at_once` run there. It then runs until
    /// [`Lanes::handle_done`].
    pub(super) fn next(&mut self, tag: Tag, at_once: impl Fn(Tag) -> usize) -> Option<Ask> {
        let key = Self::key(tag);
        let lane = self.lanes.iter_mut().find(|lane| lane.key == key)?;
        // In the lane of several tags, nothing overtakes.
        let at_once = if key == Tag::CONTROL { 1 } else { at_once(key) };
        if lane.running.len() >= at_once {
            return None;
        }
        let ask = lane.waiting.pop_front()?;
        lane.running.push_back(ask.payload.len());
        Some(ask)
    }

    /// A request of a tag's lane is answered.
    pub(super) fn handle_done(&mut self, tag: Tag) {
        let key = Self::key(tag);
        let Some(index) = self.lanes.iter().position(|lane| lane.key == key) else { return };
        let lane = &mut self.lanes[index];
        if let Some(bytes) = lane.running.pop_front() {
            self.count -= 1;
            self.bytes -= bytes;
        }
        if lane.running.is_empty() && lane.waiting.is_empty() {
            self.lanes.swap_remove(index);
        }
        if self.lanes.is_empty() {
            self.lanes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::sync::now;

    fn ask(tag: u8, payload: &'static str) -> Ask {
        let payload = Bytes::from_static(payload.as_bytes());
        Ask { tag: Tag::from_byte(tag), call_id: None, payload, since: now() }
    }

    fn next(lanes: &mut Lanes, tag: u8) -> Option<Bytes> {
        lanes.next(Tag::from_byte(tag), |_| 2).map(|ask| ask.payload)
    }

    #[test]
    fn control_data_and_message_are_one_lane() {
        let mut lanes = Lanes::default();
        for (tag, payload) in [(1, "join"), (2, "hello"), (4, "again")] {
            lanes.push(ask(tag, payload));
        }
        for (tag, payload) in [(1, "join"), (2, "hello"), (4, "again")] {
            assert_eq!(next(&mut lanes, 4).unwrap(), payload);
            assert_eq!(next(&mut lanes, 1), None, "nothing overtakes");
            lanes.handle_done(Tag::from_byte(tag));
        }
        assert_eq!(lanes.load(), (0, 0));
    }

    #[test]
    fn other_tags_do_not_wait_for_each_other() {
        let mut lanes = Lanes::default();
        for payload in ["a", "b", "c"] {
            lanes.push(ask(0x20, payload));
        }
        lanes.push(ask(0x21, "other"));
        assert_eq!(next(&mut lanes, 0x20).unwrap(), "a");
        assert_eq!(next(&mut lanes, 0x20).unwrap(), "b");
        assert_eq!(next(&mut lanes, 0x20), None, "two at once");
        assert_eq!(next(&mut lanes, 0x21).unwrap(), "other");
        lanes.handle_done(Tag::from_byte(0x20));
        assert_eq!(next(&mut lanes, 0x20).unwrap(), "c");
        assert_eq!(lanes.load(), (3, 7));
        assert!(lanes.is_busy(Tag::from_byte(0x21)));
        assert!(!lanes.is_busy(Tag::DATA));
    }
}
