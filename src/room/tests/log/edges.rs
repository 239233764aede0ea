//! The edges that the documentation of the log names, one test each.

use bytes::Bytes;

use super::{ALL, NONE, Pair};
use crate::id::Seq;
use crate::room::{Form, Found, Keep, Mark, Missed};
use crate::wire::Header;

#[test]
fn an_empty_log_takes_no_memory_and_reads_as_nothing() {
    let mut pair = Pair::new();
    for form in [Form::Data, Form::Message] {
        let reader = pair.join(form, None);
        assert_eq!(pair.read(reader, 1), Ok(0));
    }
    assert_eq!((pair.log.held_bytes(), pair.log.oldest_seq()), (0, Seq(1)));
    assert!(pair.log.is_empty());
}

#[test]
fn a_batch_is_one_run_for_every_reader() {
    let mut pair = Pair::new();
    let readers = [(); 3].map(|()| pair.join(Form::Data, None));
    (0..10).for_each(|_| pair.append(10, 1, 1));
    let pieces: Vec<Vec<Bytes>> = readers
        .iter()
        .map(|&reader| {
            let mut out = Vec::new();
            pair.log.read(&mut pair.readers[reader].cursor, 64 << 10, &mut out).unwrap();
            out
        })
        .collect();
    assert!(pieces.iter().all(|out| out.len() == 1));
    assert!(pieces.iter().all(|out| out[0].as_ptr() == pieces[0][0].as_ptr()), "copied");
}

#[test]
fn a_large_record_is_not_copied_for_anybody() {
    let mut pair = Pair::new();
    let readers: Vec<_> = (0..50).map(|_| pair.join(Form::Data, None)).collect();
    let message = pair.join(Form::Message, None);
    for _ in 0..2 {
        pair.append(1 << 20, 1, 1);
    }
    let held = pair.log.held_bytes();
    let mut bodies = Vec::new();
    for reader in readers {
        let mut out = Vec::new();
        let taken = pair.log.read(&mut pair.readers[reader].cursor, 1, &mut out).unwrap();
        assert_eq!(taken, Header::LEN + (1 << 20));
        bodies.push(out[1].as_ptr());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    assert!(pair.log.held_bytes() < held + 1024);
    assert_eq!(pair.drain(message), (2, vec![]));
}

#[test]
fn resume_is_whole_where_the_record_is_there() {
    let mut pair = Pair::new();
    (0..5).for_each(|_| pair.append(10, 1, 1));
    let reader = pair.join(Form::Message, None);
    let mark = pair.model.records[2].mark;
    assert_eq!(pair.log.resume(&mut pair.readers[reader].cursor, mark), Found::Whole);
    pair.readers[reader].record = 3;
    assert_eq!(pair.drain(reader), (2, vec![]));
    pair.resume(reader, pair.log.last());
    assert_eq!(pair.drain(reader), (0, vec![]));
}

#[test]
fn resume_says_what_was_trimmed() {
    let mut pair = Pair::new();
    (0..10).for_each(|_| pair.append(10, 1, 1));
    pair.trim(&Keep { count: 4, ..ALL });
    let reader = pair.join(Form::Message, None);
    let mark = pair.model.records[1].mark;
    let found = pair.log.resume(&mut pair.readers[reader].cursor, mark);
    let missed = Missed { after: Seq(2), next: Seq(7), count: Some(4) };
    assert_eq!(found, Found::Trimmed(missed));
    // The record that left last still proves that nothing is missing.
    let mark = pair.model.records[5].mark;
    assert_eq!(pair.log.resume(&mut pair.readers[reader].cursor, mark), Found::Whole);
    let wrong = Mark { time_ms: mark.time_ms + 1, ..mark };
    let found = pair.log.resume(&mut pair.readers[reader].cursor, wrong);
    assert_eq!(found, Found::Foreign(Missed { after: Seq(6), next: Seq(7), count: None }));
}

#[test]
fn resume_recognises_another_log() {
    let mut pair = Pair::new();
    (0..3).for_each(|_| pair.append(10, 1, 2));
    let reader = pair.join(Form::Data, None);
    let known = pair.model.records[1].mark;
    let foreign = [
        Mark { seq: Seq(4), time_ms: known.time_ms + 1 },
        // A number in a hole, and one that is still to come.
        Mark { seq: Seq(3), time_ms: known.time_ms },
        Mark { seq: Seq(9), time_ms: known.time_ms },
    ];
    for mark in foreign {
        let found = pair.log.resume(&mut pair.readers[reader].cursor, mark);
        let missed = Missed { after: mark.seq, next: Seq(2), count: None };
        assert_eq!(found, Found::Foreign(missed));
    }
    pair.readers[reader].record = 0;
    assert_eq!(pair.drain(reader), (3, vec![]));
}

#[test]
fn resume_from_nothing_is_from_the_first_record() {
    let mut pair = Pair::new();
    let reader = pair.join(Form::Message, None);
    pair.resume(reader, Mark::default());
    (0..3).for_each(|_| pair.append(10, 1, 1));
    let found = pair.log.resume(&mut pair.readers[reader].cursor, Mark::default());
    assert_eq!(found, Found::Whole);
    pair.readers[reader].record = 0;
    assert_eq!(pair.drain(reader), (3, vec![]));
    pair.trim(&Keep { count: 1, ..ALL });
    let found = pair.log.resume(&mut pair.readers[reader].cursor, Mark::default());
    let missed = Missed { after: Seq(0), next: Seq(3), count: Some(2) };
    assert_eq!(found, Found::Trimmed(missed));
}

#[test]
fn a_log_that_age_has_emptied_still_knows_its_end() {
    let mut pair = Pair::new();
    (0..3).for_each(|_| pair.append(10, 1, 1));
    let last = pair.log.last();
    pair.trim(&NONE);
    assert!(pair.log.is_empty());
    assert_eq!((pair.log.held_bytes(), pair.log.oldest_seq()), (0, Seq(4)));
    let reader = pair.join(Form::Message, None);
    assert_eq!(pair.log.resume(&mut pair.readers[reader].cursor, last), Found::Whole);
    let found = pair.log.resume(&mut pair.readers[reader].cursor, Mark::default());
    let missed = Missed { after: Seq(0), next: Seq(4), count: Some(3) };
    assert_eq!(found, Found::Trimmed(missed));
    pair.append(10, 1, 1);
    assert_eq!(pair.drain(reader), (1, vec![]));
}

#[test]
fn missing_numbers_are_not_counted_where_there_are_holes() {
    let mut pair = Pair::new();
    (0..5).for_each(|_| pair.append(10, 1, 3));
    pair.trim(&Keep { count: 1, ..ALL });
    let reader = pair.join(Form::Message, None);
    let missed = pair.log.seek_after(&mut pair.readers[reader].cursor, Seq(3));
    assert_eq!(missed, Some(Missed { after: Seq(3), next: Seq(15), count: None }));
}

#[test]
fn a_room_that_keeps_less_than_a_record_keeps_the_newest() {
    let mut pair = Pair::new();
    let reader = pair.join(Form::Message, None);
    for _ in 0..5 {
        pair.append(1000, 1, 1);
        pair.trim(&Keep { bytes: 1, count: 0, since_ms: 0 });
        assert_eq!(pair.log.oldest_seq(), pair.log.last().seq);
    }
    let late = pair.join(Form::Message, None);
    pair.seek_oldest(late);
    assert_eq!(pair.drain(late), (1, vec![]));
    assert_eq!(pair.drain(reader), (5, vec![]));
}

#[test]
fn a_burst_larger_than_a_room_keeps_reaches_who_is_under_way() {
    let mut pair = Pair::new();
    let (data, message) = (pair.join(Form::Data, None), pair.join(Form::Message, None));
    for _ in 0..150 {
        pair.append(1000, 1, 1);
        pair.trim(&Keep { bytes: 4000, count: 1000, since_ms: 0 });
    }
    assert_eq!(pair.drain(data), (150, vec![]));
    assert_eq!(pair.drain(message), (150, vec![]));
    // Not for ever, and not for who comes later.
    let late = pair.join(Form::Message, None);
    pair.seek_oldest(late);
    assert!(pair.drain(late).0 < 5);
}

#[test]
fn a_reader_that_lags_further_is_told_once_and_goes_on() {
    let mut pair = Pair::new();
    let reader = pair.join(Form::Data, None);
    for _ in 0..1000 {
        pair.append(1000, 1, 1);
        pair.trim(&Keep { bytes: 4000, count: 1000, since_ms: 0 });
    }
    let (frames, missed) = pair.drain(reader);
    assert_eq!(missed.len(), 1);
    assert_eq!(frames as u64 + missed[0].count.unwrap(), 1000);
}

#[test]
fn records_over_a_segment_are_read_whole() {
    let mut pair = Pair::new();
    let (data, message) = (pair.join(Form::Data, None), pair.join(Form::Message, None));
    for len in [100, (64 << 10) + 1, 0, 200 << 10, 64 << 10, 8 << 10, 7] {
        pair.append(len, 1, 1);
    }
    // One frame at least, whatever the budget.
    for _ in 0..7 {
        assert_eq!(pair.read(data, 1), Ok(1));
    }
    assert_eq!(pair.read(data, 1), Ok(0));
    assert_eq!(pair.drain(message), (7, vec![]));
}

#[test]
fn a_budget_that_is_reached_exactly_takes_no_further_frame() {
    let mut pair = Pair::new();
    let reader = pair.join(Form::Data, None);
    (0..10).for_each(|_| pair.append(5, 1, 1));
    for (budget, frames) in [(20, 2), (21, 3), (1, 1), (30, 3), (100, 1), (1, 0)] {
        assert_eq!(pair.read(reader, budget), Ok(frames));
    }
}

#[test]
fn a_piece_pins_no_more_than_a_segment() {
    let mut pair = Pair::new();
    let reader = pair.join(Form::Message, None);
    (0..2000).for_each(|_| pair.append(1000, 1, 1));
    let mut out = Vec::new();
    pair.log.read(&mut pair.readers[reader].cursor, usize::MAX, &mut out).unwrap();
    assert!(out.len() > 20);
    assert!(out.iter().all(|piece| piece.len() <= 64 << 10));
}

#[test]
fn who_wants_no_echo_passes_its_own_records_without_cost() {
    let mut pair = Pair::new();
    let reader = pair.join(Form::Data, Some(1));
    for _ in 0..100 {
        pair.append(10_000, 1, 1);
        pair.append(10, 1, 1);
    }
    assert_eq!(pair.read(reader, 1), Ok(0));
    pair.append(10, 2, 1);
    pair.append(10, 1, 1);
    assert_eq!(pair.read(reader, 1), Ok(1));
    assert_eq!(pair.read(reader, 1), Ok(0));
}

#[test]
fn presence_is_in_order_and_not_for_who_comes_later() {
    let mut pair = Pair::new();
    let early = pair.join(Form::Message, None);
    pair.append(10, 1, 1);
    pair.append_presence(50);
    pair.append_presence(60);
    pair.append(10, 1, 1);
    let late = pair.join(Form::Message, None);
    pair.seek_oldest(late);
    pair.append_presence(70);
    pair.append(10, 1, 1);
    assert_eq!(pair.drain(early), (6, vec![]));
    assert_eq!(pair.drain(late), (4, vec![]));
}

#[test]
fn presence_comes_before_the_records_that_a_reader_is_moved_on_to() {
    let mut pair = Pair::new();
    let reader = pair.join(Form::Data, None);
    pair.append(10, 1, 1);
    pair.append_presence(50);
    (0..10).for_each(|_| pair.append(10, 1, 1));
    pair.seek_after(reader, Seq(5));
    assert_eq!(pair.drain(reader), (1 + 6, vec![]));
}

#[test]
fn members_that_come_and_go_without_end_take_bounded_memory() {
    let mut pair = Pair::new();
    pair.append(10, 1, 1);
    let reader = pair.join(Form::Data, None);
    for _ in 0..100_000 {
        pair.log.append_presence(Bytes::from_static(&[b'.'; 150]), 1000);
    }
    assert!(pair.log.held_bytes() < 260 << 10, "{}", pair.log.held_bytes());
    // No record is missing, and yet something is: it is said.
    let missed = pair.log.read(&mut pair.readers[reader].cursor, 1, &mut Vec::new());
    assert_eq!(missed, Err(Missed { after: Seq(1), next: Seq(2), count: Some(0) }));
    let mut out = Vec::new();
    pair.log.read(&mut pair.readers[reader].cursor, 1 << 20, &mut out).unwrap();
    assert!(out.len() > 1000);
}

#[test]
fn small_records_read_one_by_one_are_counted_for_what_they_take() {
    let mut pair = Pair::new();
    let reader = pair.join(Form::Data, None);
    let keep = Keep { bytes: 100_000, count: 100_000, since_ms: 0 };
    for _ in 0..2000 {
        pair.append(10, 1, 1);
        pair.trim(&keep);
        assert_eq!(pair.read(reader, 64 << 10), Ok(1));
    }
    // A chunk and its index take some 250 bytes beside the record's.
    let kept = pair.model.records.len() - pair.front();
    assert!((250..400).contains(&kept), "{kept}");
    pair.trim(&NONE);
    assert_eq!(pair.log.held_bytes(), 0);
}

#[test]
fn shrink_cuts_to_the_bound_whatever_is_lost() {
    let mut pair = Pair::new();
    let reader = pair.join(Form::Data, None);
    for _ in 0..100 {
        pair.append(10_000, 1, 1);
        pair.append(100, 1, 1);
        pair.append_presence(100);
        let mut cursor = pair.log.end(Form::Data, None);
        pair.log.read(&mut cursor, 1, &mut Vec::new()).unwrap();
    }
    for bound in [1 << 20, 500_000, 100_000, 20_000, 1] {
        pair.log.shrink(bound, 0);
        assert!(pair.log.held_bytes() <= bound);
        // Not more than a chunk below it.
        assert!(bound < 20_000 || pair.log.held_bytes() + 12_000 > bound.min(1_000_000));
    }
    pair.model.first_event = pair.model.events.len();
    let (frames, missed) = pair.drain(reader);
    assert_eq!((frames, missed.len(), missed[0].count), (0, 1, Some(200)));
    pair.append(10, 1, 1);
    assert_eq!(pair.drain(reader), (1, vec![]));
}
