//! The log against a plain `Vec`: whatever comes, leaves and is read in which order, each reader gets
//! exactly the model's records and events, in order and in whole frames, or is told exactly what not.
//!
//! `Model` is the plain list; `Pair` does everything to both and compares. The edges that the
//! documentation names are in `edges.rs`.

mod edges;

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use crate::id::{Channel, ConnectionId, Seq};
use crate::room::{Cursor, Form, Found, Keep, Log, Mark, Missed};
use crate::wire::{Header, RecordHead, Tag};

/// What a log may hold beyond what it keeps: the slack for readers under way (256 KiB), what is left of
/// a segment, a chunk of which a part is kept with its index, presence events, and DATA forms.
const BEYOND_KEEP: usize = (256 + 64 + 64 + 128 + 258 + 512 + 128) << 10;
/// What presence events may take, and what each takes beside its frame.
const PRESENCE_MAX: usize = 256 << 10;
const PRESENCE_OVERHEAD: usize = 96;
/// What a record costs at least, and at most, beside its frame.
const RECORD_COST: std::ops::RangeInclusive<usize> = 64..=64 + 192;

/// Everything stays, or nothing.
const ALL: Keep = Keep { bytes: usize::MAX, count: u64::MAX, since_ms: 0 };
const NONE: Keep = Keep { bytes: 0, count: 0, since_ms: u64::MAX };

#[derive(Clone, Debug)]
struct Stored {
    mark: Mark,
    source: ConnectionId,
    message: Bytes,
    data: Bytes,
}

#[derive(Clone, Debug)]
struct Event {
    ordinal: usize,
    time_ms: u64,
    frame: Bytes,
}

/// Everything that was ever appended, and what of it has left.
#[derive(Default)]
struct Model {
    records: Vec<Stored>,
    events: Vec<Event>,
    first_event: usize,
}

impl Model {
    fn drop_events(&mut self, leaves: impl Fn(&Self, &Event) -> bool) {
        while self.events.get(self.first_event).is_some_and(|event| leaves(self, event)) {
            self.first_event += 1;
        }
    }

    fn event_bytes(&self) -> usize {
        let held = &self.events[self.first_event..];
        held.iter().map(|event| event.frame.len() + PRESENCE_OVERHEAD).sum()
    }

    /// How many records lie before the first one numbered `seq` or more.
    fn ordinal(&self, seq: Seq) -> usize {
        self.records.partition_point(|record| record.mark.seq < seq)
    }
}

/// A reader, and where the model says that it is.
struct Reader {
    cursor: Cursor,
    form: Form,
    skip: Option<ConnectionId>,
    record: usize,
    event: usize,
}

/// A log, its model, and readers of both.
struct Pair {
    log: Log,
    model: Model,
    readers: Vec<Reader>,
    now_ms: u64,
}

impl Pair {
    fn new() -> Self {
        Self { log: Log::new(), model: Model::default(), readers: Vec::new(), now_ms: 100_000 }
    }

    /// Appends a record of `len` bytes, numbered `step` above the last.
    fn append(&mut self, len: usize, source: u64, step: u64) {
        let last = self.log.last();
        let seq = Seq(last.seq.0 + step);
        let pattern: Vec<u8> = (0..251).map(|i: u64| (i * 7 + seq.0) as u8).collect();
        let body: Vec<u8> = pattern.into_iter().cycle().take(len).collect();
        let head = RecordHead {
            channel: Channel(9),
            seq,
            prev: last.seq,
            time_ms: self.now_ms,
            user_id: ["ann", "bob", "guest-0123456789"][source as usize % 3],
            body_len: len,
        };
        self.log.append(&head, &body, ConnectionId(source));
        let (mut message, mut data) = (BytesMut::new(), BytesMut::new());
        head.encode(&mut message);
        message.put_slice(&body);
        data.put_slice(&Header { tag: Tag::DATA, length: len as u32 }.encode());
        data.put_slice(&body);
        let mark = Mark { seq, time_ms: self.now_ms };
        assert_eq!(self.log.last(), mark);
        self.model.records.push(Stored {
            mark,
            source: ConnectionId(source),
            message: message.freeze(),
            data: data.freeze(),
        });
        assert_eq!(self.log.count(), self.model.records.len() as u64);
    }

    fn append_presence(&mut self, len: usize) {
        let number = self.model.events.len();
        let mut frame = format!("event {number} ").into_bytes();
        frame.resize(len.max(12), b'.');
        let frame = Bytes::from(frame);
        self.log.append_presence(frame.clone(), self.now_ms);
        let ordinal = self.model.records.len();
        self.model.events.push(Event { ordinal, time_ms: self.now_ms, frame });
        self.model.drop_events(|model, _| {
            model.event_bytes() > PRESENCE_MAX && model.events.len() - model.first_event > 1
        });
    }

    /// How many records lie before the oldest one kept, as the log tells.
    fn front(&self) -> usize {
        self.model.ordinal(self.log.oldest_seq())
    }

    fn trim(&mut self, keep: &Keep) {
        let before = self.front();
        self.log.trim(keep);
        let front = self.front();
        let records = &self.model.records;
        assert!(front >= before, "a record came back");
        let kept = &records[front..];
        assert_eq!(self.log.is_empty(), kept.is_empty());
        let cost = |records: &[Stored], each: usize| {
            records.iter().map(|record| record.message.len() + each).sum::<usize>()
        };
        assert!(kept.iter().all(|record| record.mark.time_ms >= keep.since_ms));
        if kept.len() > 1 {
            assert!(kept.len() as u64 <= keep.count);
            assert!(cost(kept, *RECORD_COST.start()) <= keep.bytes);
        }
        if front > before {
            // The one that left last had to.
            let with = &records[front - 1..];
            let full =
                with.len() as u64 > keep.count || cost(with, *RECORD_COST.end()) > keep.bytes;
            assert!(full && with.len() > 1 || with[0].mark.time_ms < keep.since_ms);
        }
        let newest = self.model.records.last().map_or(0, |record| record.message.len());
        let bound = keep.bytes.max(newest).saturating_add(BEYOND_KEEP);
        assert!(self.log.held_bytes() <= bound, "{} over {bound}", self.log.held_bytes());
    }

    fn trim_presence(&mut self, before_ms: u64) {
        self.log.trim_presence(before_ms);
        self.model.drop_events(|_, event| event.time_ms < before_ms);
    }

    fn shrink(&mut self) {
        self.log.shrink(0, 0);
        assert_eq!(self.log.held_bytes(), 0);
        assert!(self.log.is_empty());
        self.model.first_event = self.model.events.len();
    }

    /// A reader that hears what comes.
    fn join(&mut self, form: Form, skip: Option<u64>) -> usize {
        let skip = skip.map(ConnectionId);
        let cursor = self.log.end(form, skip);
        let (record, event) = (self.model.records.len(), self.model.events.len());
        self.readers.push(Reader { cursor, form, skip, record, event });
        self.readers.len() - 1
    }

    fn seek_oldest(&mut self, reader: usize) {
        let front = self.front();
        self.log.seek_oldest(&mut self.readers[reader].cursor);
        self.readers[reader].record = front;
    }

    fn seek_last(&mut self, reader: usize, n: u64) {
        let front = self.front();
        self.log.seek_last(&mut self.readers[reader].cursor, n);
        let at = self.model.records.len().saturating_sub(n as usize);
        self.readers[reader].record = at.max(front);
    }

    /// The record before the oldest kept.
    fn trimmed(&self) -> Mark {
        let before = self.front().checked_sub(1).map(|at| self.model.records[at].mark);
        before.unwrap_or_default()
    }

    fn missed(&self, after: Seq) -> Missed {
        let dense = self.log.last().seq.0 == self.log.count();
        let count = dense.then(|| self.trimmed().seq.0 - after.0);
        Missed { after, next: self.log.oldest_seq(), count }
    }

    fn seek_after(&mut self, reader: usize, seq: Seq) {
        let front = self.front();
        let told = self.log.seek_after(&mut self.readers[reader].cursor, seq);
        let (expected, record) = match seq < self.trimmed().seq {
            true => (Some(self.missed(seq)), front),
            false => (None, self.model.ordinal(Seq(seq.0 + 1))),
        };
        assert_eq!(told, expected);
        self.readers[reader].record = record;
    }

    fn resume(&mut self, reader: usize, mark: Mark) {
        let (front, trimmed) = (self.front(), self.trimmed());
        let found = self.log.resume(&mut self.readers[reader].cursor, mark);
        let known = mark.seq.0 == 0 || self.model.records.iter().any(|r| r.mark == mark);
        let (expected, record) = if mark.seq < trimmed.seq {
            (Found::Trimmed(self.missed(mark.seq)), front)
        } else if known {
            (Found::Whole, self.model.ordinal(Seq(mark.seq.0 + 1)))
        } else {
            let next = self.log.oldest_seq();
            (Found::Foreign(Missed { after: mark.seq, next, count: None }), front)
        };
        assert_eq!(found, expected);
        self.readers[reader].record = record;
    }

    /// The frames that a reader comes by next, each with what it makes of the reader's place.
    fn next_frame(&self, reader: &Reader) -> Option<(Option<Bytes>, usize, usize)> {
        let (record, event) = (reader.record, reader.event);
        let next = self.model.events.get(event).filter(|event| event.ordinal <= record);
        if let Some(next) = next {
            return Some((Some(next.frame.clone()), record, event + 1));
        }
        let stored = self.model.records.get(record)?;
        let frame = match reader.form {
            Form::Data => &stored.data,
            Form::Message => &stored.message,
        };
        let wanted = reader.skip != Some(stored.source);
        Some((wanted.then(|| frame.clone()), record + 1, event))
    }

    /// Reads once, and compares every byte; how many records, or what was missed.
    fn read(&mut self, number: usize, budget: usize) -> Result<usize, Missed> {
        let mut reader = self.readers.swap_remove(number);
        let (mut out, frames) = (Vec::new(), reader.cursor.given());
        let event = reader.event;
        let behind = self.log.is_behind(&reader.cursor);
        let lost_event = reader.event < self.model.first_event;
        let result = match self.log.read(&mut reader.cursor, budget, &mut out) {
            Ok(taken) => {
                assert!(!lost_event, "a presence event is missing and nobody says so");
                let given = out.concat();
                let (mut bytes, mut last, mut count) = (0, 0, 0);
                // What is expected and not there yet, frame by frame, until the budget is reached.
                while bytes < budget {
                    let Some((frame, record, event)) = self.next_frame(&reader) else { break };
                    if let Some(frame) = &frame {
                        let got = given.get(bytes..bytes + frame.len());
                        assert!(got == Some(&frame[..]), "record {record}, event {event}");
                        (bytes, last, count) = (bytes + frame.len(), frame.len(), count + 1);
                    }
                    (reader.record, reader.event) = (record, event);
                }
                assert_eq!(given.len(), bytes, "more than the model has, or over budget");
                assert_eq!(taken, bytes);
                assert!(taken == 0 || taken - last < budget);
                let given = reader.cursor.given().since(frames);
                let events = (reader.event - event) as u32;
                assert_eq!((given.frames, given.events), (count as u32, events));
                assert!(taken == 0 || behind);
                if taken < budget {
                    assert!(!self.log.is_behind(&reader.cursor));
                }
                Ok(count)
            }
            Err(missed) => {
                assert!(out.is_empty());
                let before = reader.record.checked_sub(1);
                let after = before.map_or(Seq(0), |at| self.model.records[at].mark.seq);
                let count = missed.count.expect("a reader under way knows") as usize;
                assert!(count > 0 || lost_event, "nothing is missing");
                let next = self.model.records.get(reader.record + count);
                let next =
                    next.map_or_else(|| Seq(self.log.last().seq.0 + 1), |next| next.mark.seq);
                assert_eq!((missed.after, missed.next), (after, next));
                if count > 0 {
                    assert_eq!(missed.next, self.log.oldest_seq());
                }
                reader.record += count;
                reader.event = reader.event.max(self.model.first_event);
                Err(missed)
            }
        };
        // A record that is passed over may still be ahead of the cursor where the budget was reached.
        if result.is_err() || !self.log.is_behind(&reader.cursor) {
            assert_eq!(reader.cursor.ordinal(), reader.record as u64);
        }
        self.readers.push(reader);
        let last = self.readers.len() - 1;
        self.readers.swap(number, last);
        result
    }

    /// Reads to the end; how many frames, and what was missed on the way.
    fn drain(&mut self, reader: usize) -> (usize, Vec<Missed>) {
        let (mut frames, mut missed) = (0, Vec::new());
        while self.log.is_behind(&self.readers[reader].cursor) {
            match self.read(reader, 64 << 10) {
                Ok(count) => frames += count,
                Err(gap) => missed.push(gap),
            }
        }
        (frames, missed)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Append { len: usize, source: u64, step: u64 },
    Presence { len: usize },
    Pass { ms: u64 },
    Trim { bytes: usize, count: u64, age_ms: u64 },
    TrimPresence { age_ms: u64 },
    Shrink,
    Join { data: bool, skip: Option<u64> },
    Oldest(prop::sample::Index),
    Last(prop::sample::Index, u64),
    After(prop::sample::Index, prop::sample::Index),
    Resume(prop::sample::Index, prop::sample::Index, bool),
    Read(prop::sample::Index, usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    use prop::sample::Index;
    let len = prop_oneof![12 => 0..300usize, 3 => 0..20_000usize, 1 => 0..200_000usize];
    let append = (len, 0..4u64, prop_oneof![4 => Just(1u64), 1 => 1..5u64])
        .prop_map(|(len, source, step)| Op::Append { len, source, step });
    let bytes = prop_oneof![0..2000usize, 0..500_000usize, Just(usize::MAX)];
    let count = prop_oneof![0..8u64, 0..200u64, Just(u64::MAX)];
    let age = prop_oneof![2 => Just(u64::MAX), 1 => 0..3000u64, 1 => 0..60_000u64];
    let trim =
        (bytes, count, age).prop_map(|(bytes, count, age_ms)| Op::Trim { bytes, count, age_ms });
    let join =
        (any::<bool>(), prop::option::of(0..4u64)).prop_map(|(data, skip)| Op::Join { data, skip });
    let budget = prop_oneof![1..200usize, 1..20_000usize, Just(64usize << 10), Just(1usize << 20)];
    let index = any::<Index>;
    let op = prop_oneof![
        30 => append,
        4 => prop_oneof![12..300usize, 12..60_000usize].prop_map(|len| Op::Presence { len }),
        4 => prop_oneof![1..500u64, 1..60_000u64].prop_map(|ms| Op::Pass { ms }),
        6 => trim,
        1 => (0..5000u64).prop_map(|age_ms| Op::TrimPresence { age_ms }),
        1 => Just(Op::Shrink),
        4 => join,
        1 => index().prop_map(Op::Oldest),
        1 => (index(), 0..50u64).prop_map(|(reader, n)| Op::Last(reader, n)),
        1 => (index(), index()).prop_map(|(reader, seq)| Op::After(reader, seq)),
        2 => (index(), index(), any::<bool>()).prop_map(|(r, seq, own)| Op::Resume(r, seq, own)),
        25 => (index(), budget).prop_map(|(reader, budget)| Op::Read(reader, budget)),
    ];
    prop::collection::vec(op, 1..250)
}

fn run(ops: &[Op]) {
    let mut pair = Pair::new();
    pair.join(Form::Data, None);
    pair.join(Form::Message, Some(1));
    for op in ops {
        let readers = pair.readers.len();
        let records = pair.model.records.len();
        match op {
            Op::Append { len, source, step } => pair.append(*len, *source, *step),
            Op::Presence { len } => pair.append_presence(*len),
            Op::Pass { ms } => pair.now_ms += ms,
            Op::Trim { bytes, count, age_ms } => {
                let since_ms = pair.now_ms.saturating_sub(*age_ms);
                pair.trim(&Keep { bytes: *bytes, count: *count, since_ms });
            }
            Op::TrimPresence { age_ms } => pair.trim_presence(pair.now_ms.saturating_sub(*age_ms)),
            Op::Shrink => pair.shrink(),
            Op::Join { data, skip } => {
                let form = if *data { Form::Data } else { Form::Message };
                pair.join(form, *skip);
            }
            Op::Oldest(reader) => pair.seek_oldest(reader.index(readers)),
            Op::Last(reader, n) => pair.seek_last(reader.index(readers), *n),
            Op::After(reader, seq) => {
                // Also numbers in holes, and beyond the end.
                let last = pair.log.last().seq.0 as usize;
                pair.seek_after(reader.index(readers), Seq(seq.index(last + 3) as u64));
            }
            Op::Resume(reader, record, own) => {
                let at = record.index(records + 1);
                let mut mark = pair.model.records.get(at).map_or_else(Mark::default, |r| r.mark);
                if !own {
                    mark.time_ms += 1;
                    mark.seq.0 += u64::from(at % 2 == 0);
                }
                pair.resume(reader.index(readers), mark);
            }
            Op::Read(reader, budget) => {
                let _ = pair.read(reader.index(readers), *budget);
            }
        }
    }
    for reader in 0..pair.readers.len() {
        pair.drain(reader);
    }
    pair.trim(&NONE);
    pair.trim_presence(u64::MAX);
    assert_eq!(pair.log.held_bytes(), 0, "an account that does not balance");
    for reader in 0..pair.readers.len() {
        pair.drain(reader);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_reader_gets_what_the_model_has(ops in ops()) {
        run(&ops);
    }
}
