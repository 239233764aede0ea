//! What a worker counts of the traffic on it. Nobody else writes its numbers, so that counting costs a
//! load and a store; who asks gets the sum of all workers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::room::WorkerId;
use crate::session::Timings;
use crate::sync::lock;
use crate::tls::{Failure, PeerTls};
use crate::wire::{Code, GapReason, Status, Tag};

/// A number that one thread adds to and any may read.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    #[inline]
    fn add(&self, n: u64) {
        // One writer: no other addition comes between the two.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Frames and their bytes.
#[derive(Debug, Default)]
struct Stream {
    frames: Counter,
    bytes: Counter,
}

impl Stream {
    #[inline]
    fn add(&self, frames: u64, bytes: u64) {
        self.frames.add(frames);
        self.bytes.add(bytes);
    }

    fn get(&self) -> Flow {
        Flow { frames: self.frames.get(), bytes: self.bytes.get() }
    }
}

#[derive(Debug, Default)]
struct TagMeter {
    received: Stream,
    sent: Stream,
    results: [Counter; STATUSES.len()],
}

/// How requests end, in the order of their counters and of the numbers on the wire.
pub const STATUSES: [Status; 6] = [
    Status::Done,
    Status::Failed,
    Status::TimedOut,
    Status::NoHandler,
    Status::Busy,
    Status::Forbidden,
];

/// Why records are missed, in the order of their counters.
pub const GAP_REASONS: [GapReason; 4] =
    [GapReason::Trimmed, GapReason::Behind, GapReason::Epoch, GapReason::Regressed];

/// How records reach a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As DATA frames.
    Data,
    /// As MESSAGE frames.
    Message,
    /// As lines.
    Line,
}

impl Delivery {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 3] = [Self::Data, Self::Message, Self::Line];

    /// The word for it in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Message => "message",
            Self::Line => "line",
        }
    }
}

/// What one worker counts; [`Metered`] says what.
#[derive(Debug)]
pub struct Meter {
    /// By the tag's byte; lines at 0, which no frame has.
    tags: Box<[TagMeter; 256]>,
    delivered: [Stream; Delivery::ALL.len()],
    published: Counter,
    gaps: [Counter; GAP_REASONS.len()],
    missed: Counter,
    errors: [Counter; Code::ALL.len()],
    failures: [Counter; Failure::ALL.len()],
    /// Once per handshake, which costs a thousand times more.
    handshakes: Mutex<BTreeMap<PeerTls, u64>>,
}

impl Meter {
    fn new() -> Self {
        Self {
            tags: Box::new(std::array::from_fn(|_| TagMeter::default())),
            delivered: Default::default(),
            published: Counter::default(),
            gaps: Default::default(),
            missed: Counter::default(),
            errors: Default::default(),
            failures: Default::default(),
            handshakes: Mutex::default(),
        }
    }

    #[inline]
    fn tag(&self, tag: Tag) -> &TagMeter {
        &self.tags[usize::from(tag.as_byte())]
    }

    /// A frame or line arrived, in so many bytes.
    #[inline]
    pub fn handle_received(&self, tag: Tag, bytes: usize) {
        self.tag(tag).received.add(1, bytes as u64);
    }

    /// Frames or lines are to be sent, in so many bytes.
    #[inline]
    pub fn handle_sent(&self, tag: Tag, frames: u64, bytes: usize) {
        self.tag(tag).sent.add(frames, bytes as u64);
    }

    /// Records are on their way to a member, in so many bytes.
    #[inline]
    pub fn handle_delivered(&self, how: Delivery, records: u64, bytes: usize) {
        self.delivered[how as usize].add(records, bytes as u64);
    }

    /// A publish is in its log.
    #[inline]
    pub(super) fn handle_published(&self) {
        self.published.add(1);
    }

    /// A member is told that it missed something.
    pub(super) fn handle_gap(&self, reason: GapReason, missed: Option<u64>) {
        self.gaps[reason as usize].add(1);
        self.missed.add(missed.unwrap_or_default());
    }

    /// A peer is told that something is wrong.
    pub(super) fn handle_error(&self, code: Code) {
        self.errors[code as usize].add(1);
    }

    /// A handler is done with a request for a tag.
    pub fn handle_result(&self, tag: Tag, status: Status) {
        self.tag(tag).results[status as usize].add(1);
    }

    /// A handshake settled this.
    pub fn handle_handshake(&self, tls: PeerTls) {
        // What follows it is none of the handshake's.
        *lock(&self.handshakes).entry(PeerTls { alpn: None, ..tls }).or_default() += 1;
    }

    /// A handshake failed.
    pub fn handle_failure(&self, failure: Failure) {
        self.failures[failure as usize].add(1);
    }
}

/// Frames, lines or records, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// How many.
    pub frames: u64,
    /// Their bytes, before encryption; of frames with their headers.
    pub bytes: u64,
}

/// What was counted of one tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagTally {
    /// What arrived. Of a frame that was refused by its header alone, only that counts.
    pub received: Flow,
    /// What was to be sent.
    pub sent: Flow,
    /// How handlers ended, in the order of [`STATUSES`].
    pub results: [u64; STATUSES.len()],
}

/// What all workers counted until one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// By tag; lines as [`Timings::LINES`].
    pub tags: BTreeMap<Tag, TagTally>,
    /// Records that members were sent, in the order of [`Delivery::ALL`].
    pub delivered: [Flow; Delivery::ALL.len()],
    /// Publishes that sessions made and that are in their log; see [`Tally`](super::Tally) for all.
    pub(super) published: u64,
    /// Gaps that members were told of, in the order of [`GAP_REASONS`].
    pub gaps: [u64; GAP_REASONS.len()],
    /// Records that these gaps say are missing, as far as that is known.
    pub missed: u64,
    /// Errors that peers were told of, in the order of [`Code::ALL`].
    pub errors: [u64; Code::ALL.len()],
    /// Handshakes that failed, in the order of [`Failure::ALL`].
    pub failures: [u64; Failure::ALL.len()],
    /// Handshakes that succeeded, by what they settled; all with no `alpn`.
    pub handshakes: BTreeMap<PeerTls, u64>,
}

impl Metered {
    /// Under which tag those are counted that have no handler: a reserved one, which never has.
    pub const OTHER: Tag = Tag::from_byte(0x0F);

    /// Errors with that code.
    pub fn error(&self, code: Code) -> u64 {
        self.errors.get(code as usize).copied().unwrap_or_default()
    }

    /// Every built-in tag, each tag that is `known`, lines, and all others together.
    ///
    /// Peers send what they like: without this, 256 tags could turn up.
    #[must_use]
    pub fn by_known_tags(mut self, known: impl Fn(Tag) -> bool) -> Self {
        let counted = std::mem::take(&mut self.tags);
        let built_in = |tag: Tag| (Tag::CONTROL..=Tag::ANSWER).contains(&tag);
        let known = |tag| built_in(tag) || tag == Timings::LINES || known(tag);
        let all = (0..=u8::MAX).map(Tag::from_byte);
        for tag in all.filter(|&tag| known(tag)).chain([Self::OTHER]) {
            self.tags.entry(tag).or_default();
        }
        for (tag, tally) in counted {
            self.add_tag(if known(tag) { tag } else { Self::OTHER }, &tally);
        }
        self
    }

    /// Adds up what was counted for one tag.
    fn add_tag(&mut self, tag: Tag, tally: &TagTally) {
        let sum = self.tags.entry(tag).or_default();
        for (sum, flow) in [(&mut sum.received, tally.received), (&mut sum.sent, tally.sent)] {
            sum.frames += flow.frames;
            sum.bytes += flow.bytes;
        }
        add(&mut sum.results, tally.results);
    }

    fn merge(&mut self, meter: &Meter) {
        for (byte, tag) in (0..=u8::MAX).zip(meter.tags.iter()) {
            let results = tag.results.each_ref().map(Counter::get);
            let tally = TagTally { received: tag.received.get(), sent: tag.sent.get(), results };
            if tally != TagTally::default() {
                self.add_tag(Tag::from_byte(byte), &tally);
            }
        }
        for (sum, stream) in self.delivered.iter_mut().zip(&meter.delivered) {
            let flow = stream.get();
            sum.frames += flow.frames;
            sum.bytes += flow.bytes;
        }
        self.published += meter.published.get();
        self.missed += meter.missed.get();
        add(&mut self.gaps, meter.gaps.each_ref().map(Counter::get));
        add(&mut self.errors, meter.errors.each_ref().map(Counter::get));
        add(&mut self.failures, meter.failures.each_ref().map(Counter::get));
        for (&tls, &count) in lock(&meter.handshakes).iter() {
            *self.handshakes.entry(tls).or_default() += count;
        }
    }
}

fn add<const N: usize>(sum: &mut [u64; N], more: [u64; N]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

/// The meters of all workers.
#[derive(Debug)]
pub(super) struct Meters(Box<[Meter]>);

impl Meters {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers.max(1)).map(|_| Meter::new()).collect())
    }

    /// The meter of a worker, which alone may write to it.
    #[inline]
    pub(super) fn of(&self, worker: WorkerId) -> &Meter {
        &self.0[worker.0.min(self.0.len() - 1)]
    }

    pub(super) fn sum(&self) -> Metered {
        let mut sum = Metered::default();
        for meter in &self.0 {
            sum.merge(meter);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_place() {
        for (i, &code) in Code::ALL.iter().enumerate() {
            assert_eq!(code as usize, i, "{code}");
        }
        assert!(STATUSES.iter().enumerate().all(|(i, &status)| status as usize == i));
        assert!(GAP_REASONS.iter().enumerate().all(|(i, &reason)| reason as usize == i));
        assert!(Delivery::ALL.iter().enumerate().all(|(i, &how)| how as usize == i));
    }

    #[test]
    fn unknown_tags_are_one() {
        let meters = Meters::new(1);
        for byte in 0..=u8::MAX {
            meters.of(WorkerId(0)).handle_received(Tag::from_byte(byte), 5);
        }
        let own = Tag::from_byte(0x20);
        let metered = meters.sum().by_known_tags(|tag| tag == own);
        let frames = |tag| metered.tags[&tag].received.frames;
        assert_eq!(metered.tags.len(), 9);
        let one = [Timings::LINES, Tag::CONTROL, Tag::ANSWER, own].map(frames);
        assert_eq!((one, frames(Metered::OTHER)), ([1; 4], 248));
    }

    #[test]
    fn workers_are_added_up() {
        let meters = Meters::new(2);
        for worker in [0, 1] {
            let meter = meters.of(WorkerId(worker));
            meter.handle_received(Tag::DATA, 10);
            meter.handle_sent(Tag::MESSAGE, 3, 100);
            meter.handle_delivered(Delivery::Message, 3, 100);
            meter.handle_gap(GapReason::Behind, Some(7));
            meter.handle_gap(GapReason::Epoch, None);
            meter.handle_error(Code::ShuttingDown);
            meter.handle_result(Tag::from_byte(0x20), Status::Busy);
            meter.handle_failure(Failure::Other);
        }
        let sum = meters.sum();
        assert_eq!(sum.tags[&Tag::DATA].received, Flow { frames: 2, bytes: 20 });
        assert_eq!(sum.tags[&Tag::MESSAGE].sent, Flow { frames: 6, bytes: 200 });
        assert_eq!(sum.tags[&Tag::from_byte(0x20)].results, [0, 0, 0, 0, 2, 0]);
        assert_eq!(sum.delivered[1], Flow { frames: 6, bytes: 200 });
        assert_eq!((sum.gaps, sum.missed), ([0, 2, 2, 0], 14));
        assert_eq!((sum.errors.iter().sum::<u64>(), sum.errors[21]), (2, 2));
        assert_eq!(sum.failures[8], 2);
        assert_eq!(sum.tags.len(), 3, "tags that never were take no place");
    }
}
