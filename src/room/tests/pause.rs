//! Rooms that pause: nothing leaves that somebody has yet to read, and whoever publishes waits for it.

use std::time::Duration;

use super::support::{Member, NOW, World};
use crate::id::{PublishId, RoomName, UserId};
use crate::limits::{RoomPattern, RoomRule, Settings, SlowPolicy};
use crate::peer::Mail;
use crate::room::{Form, Published, Room};
use crate::wire::Start;

/// Rooms whose names begin with `audit` pause, and keep so many records.
fn pausing(keep_count: usize) -> impl Fn(&mut Settings) {
    move |settings| {
        let pattern = RoomPattern::new("audit*").unwrap();
        settings.rooms.rules = vec![RoomRule {
            slow: Some(SlowPolicy::Pause),
            keep_count: Some(keep_count),
            ..RoomRule::new(pattern)
        }];
    }
}

/// Whether a publish was taken; otherwise it waits.
fn takes(member: &Member, body: &str) -> bool {
    match member.publish(0, body, NOW) {
        Published::Stored(..) => true,
        Published::Paused => false,
        other => panic!("{other:?}"),
    }
}

/// Whether somebody was told to try again.
fn told(member: &Member) -> bool {
    member.who.mailbox.collect().iter().any(|mail| matches!(mail, Mail::Room))
}

/// Whether somebody was told that it is too slow.
fn slow(member: &Member, room: &Room) -> bool {
    let is_slow = |mail: &Mail| matches!(mail, Mail::Slow(name) if name == room.name());
    member.who.mailbox.collect().iter().any(is_slow)
}

/// A member that publishes and hears nothing.
fn writer(world: &World, room: &std::sync::Arc<Room>, user: &str) -> Member {
    world.member(user).enter(room, None, &Start::Live).unwrap().0
}

fn bodies(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| n.to_string()).collect()
}

#[test]
fn a_full_room_waits_for_its_slowest_reader_and_loses_nothing() {
    let world = World::memory(pausing(10));
    let room = world.room("audit-1");
    let (mut fast, mut slow) = (world.join(&room, "fast"), world.join(&room, "slow"));
    let writer = writer(&world, &room, "writer");
    for n in 0..10 {
        assert!(takes(&writer, &n.to_string()));
    }
    assert_eq!(fast.bodies(), bodies(0..10));
    assert!(!takes(&writer, "10"), "the slow one has read nothing");
    assert!(!told(&writer));
    assert_eq!(slow.bodies(), bodies(0..10));
    assert!(told(&writer));
    for n in 10..20 {
        assert!(takes(&writer, &n.to_string()));
    }
    assert!(!takes(&writer, "20"));
    assert_eq!((slow.bodies(), fast.bodies()), (bodies(10..20), bodies(10..20)));
    assert!(takes(&writer, "20"));
    assert_eq!((slow.bodies(), fast.bodies()), (bodies(20..21), bodies(20..21)));
}

#[test]
fn bytes_fill_a_room_too_and_one_record_always_fits() {
    let world = World::memory(|settings| {
        (settings.rooms.slow, settings.rooms.keep_bytes) = (SlowPolicy::Pause, 1000);
    });
    let room = world.room("a");
    let mut reader = world.join(&room, "reader");
    let writer = writer(&world, &room, "writer");
    let large = "x".repeat(5000);
    for _ in 0..3 {
        assert!(takes(&writer, &large));
        assert!(!takes(&writer, "x"));
        assert_eq!(reader.bodies(), [large.as_str()]);
        assert!(told(&writer));
    }
}

#[test]
fn who_left_or_hears_nothing_holds_nobody_up() {
    let world = World::memory(pausing(3));
    let room = world.room("audit");
    let reader = world.join(&room, "reader");
    let writer = writer(&world, &room, "writer");
    (0..3).for_each(|_| assert!(takes(&writer, "x")));
    assert!(!takes(&writer, "x"));
    reader.leave();
    assert!(told(&writer));
    (0..100).for_each(|_| assert!(takes(&writer, "x")));
    // Who comes back to the oldest record does hold it up, and who goes on without hearing does not.
    let reader = reader.who.enter(&room, Some(Form::Data), &Start::Earliest).unwrap().0;
    assert!(!takes(&writer, "x"));
    reader.who.enter(&room, None, &Start::Live).unwrap();
    assert!(told(&writer) && takes(&writer, "x"));
}

#[test]
fn unread_records_stay_whatever_their_age_and_however_short_memory_is() {
    let world = World::memory(|settings| {
        pausing(1000)(settings);
        (settings.rooms.keep_age, settings.rooms.keep_total) = (Duration::from_secs(10), 4 << 20);
    });
    let room = world.room("audit");
    let mut reader = world.join(&room, "reader");
    let writer = writer(&world, &room, "writer");
    let body = "x".repeat(1000);
    (0..500).for_each(|_| assert!(takes(&writer, &body)));
    let from = UserId::new("server").unwrap();
    for n in 0..10_000 {
        let other = RoomName::new(&format!("other{}", n % 7)).unwrap();
        world.rooms.publish(&other, &from, body.as_bytes(), NOW + 20_000).unwrap();
    }
    world.rooms.sweep(NOW + 20_000);
    assert!(world.rooms.totals().1 <= 4 << 20);
    // Presence is no history: it may be given up.
    let heard = reader.read().or_else(|gap| {
        assert_eq!(gap.missed.count, Some(0));
        reader.read()
    });
    assert_eq!(heard.unwrap().len(), 500);
    // Once it is read, it is history like any other.
    world.rooms.sweep(NOW + 100_000);
    let mut late = world.member("late").enter(&room, Some(Form::Data), &Start::Earliest).unwrap().0;
    assert!(late.bodies().is_empty());
}

#[test]
fn rooms_that_pause_hold_half_of_all_memory_at_most() {
    let world = World::memory(|settings| {
        pausing(1_000_000)(settings);
        settings.rooms.keep_total = 1 << 20;
        settings.rooms.pause = Duration::from_secs(5);
    });
    let body = "x".repeat(1000);
    let pairs: Vec<_> = (0..5)
        .map(|n| {
            let room = world.room(&format!("audit{n}"));
            let reader = world.join(&room, &format!("reader{n}"));
            (reader, writer(&world, &room, &format!("writer{n}")))
        })
        .collect();
    // In the first room nobody waits.
    let mut stored = (0..200).take_while(|_| takes(&pairs[0].1, &body)).count();
    for (_, writer) in &pairs[1..] {
        stored += (0..500).take_while(|_| takes(writer, &body)).count();
    }
    assert!((400..500).contains(&stored), "{stored}");
    assert!(world.rooms.totals().1 <= 600 << 10);
    // All that hold something up are closed, also those for whom nobody waits; and those who wait go on.
    for second in 0..=5 {
        world.rooms.sweep(NOW + 1000 * second);
    }
    let [(first, waits), .., (last, late)] = &pairs[..] else { unreachable!() };
    assert!(slow(first, &first.room) && !slow(last, &last.room), "the last has nothing to read");
    for (reader, _) in &pairs {
        reader.leave();
    }
    world.rooms.sweep(NOW + 6000);
    assert!(told(late) && takes(late, &body) && takes(waits, &body));
}

#[test]
fn who_stands_still_is_closed_after_a_while_and_who_moves_is_not() {
    let world = World::memory(|settings| {
        pausing(3)(settings);
        settings.rooms.pause = Duration::from_secs(5);
    });
    let room = world.room("audit");
    let (still, mut moves) = (world.join(&room, "still"), world.join(&room, "moves"));
    let writer = writer(&world, &room, "writer");
    world.rooms.sweep(NOW + 10_000);
    assert!(takes(&writer, "x"));
    world.rooms.sweep(NOW + 20_000);
    assert!(!slow(&still, &room), "it holds nobody up");
    while takes(&writer, "x") {}
    for second in 20..25 {
        world.rooms.sweep(NOW + 1000 * second);
        assert!(!slow(&still, &room) && !slow(&moves, &room), "{second}");
    }
    moves.read().unwrap();
    world.rooms.sweep(NOW + 25_000);
    assert!(slow(&still, &room) && !slow(&moves, &room));
    still.leave();
    assert!(told(&writer));
    // From here on the other one is the slowest, and reads in time.
    for second in 26..100 {
        while takes(&writer, "x") {}
        if second % 4 == 0 {
            moves.read().unwrap();
        }
        world.rooms.sweep(NOW + 1000 * second);
        assert!(!slow(&moves, &room), "{second}");
    }
}

#[test]
fn the_server_itself_does_not_wait() {
    let world = World::memory(pausing(3));
    let room = world.room("audit");
    let _reader = world.join(&room, "reader");
    let (name, from) = (RoomName::new("audit").unwrap(), UserId::new("server").unwrap());
    for _ in 0..3 {
        world.rooms.publish(&name, &from, b"x", NOW).unwrap();
    }
    let refused = world.rooms.publish(&name, &from, b"x", NOW).unwrap();
    assert_eq!(refused, Published::Refused("paused"));
}

#[test]
fn what_is_repeated_or_given_up_is_answered_at_once() {
    let world = World::memory(pausing(3));
    let room = world.room("audit");
    let mut reader = world.join(&room, "reader");
    let writer = writer(&world, &room, "writer");
    for id in 1..=3 {
        assert!(matches!(writer.publish(id, "x", NOW), Published::Stored(..)));
    }
    assert_eq!(writer.publish(4, "x", NOW), Published::Paused);
    assert!(matches!(writer.publish(2, "x", NOW), Published::Known(..)), "it is in the log");
    room.give_up(writer.who.publisher, PublishId(4));
    assert_eq!(reader.bodies().len(), 3);
    assert_eq!(writer.publish(5, "x", NOW), Published::Refused("refused_before"));
    assert!(matches!(writer.publish(4, "x", NOW), Published::Stored(..)));
}

#[test]
fn the_policy_is_exchanged_while_the_room_lives() {
    let world = World::memory(|settings| settings.rooms.keep_count = 3);
    let room = world.room("audit");
    let (mut reader, writer) = (world.join(&room, "reader"), writer(&world, &room, "writer"));
    (0..10).for_each(|_| assert!(takes(&writer, "x")));
    world.change(pausing(3));
    // What it lagged behind is not held for it; what comes from now on is.
    (0..3).for_each(|_| assert!(takes(&writer, "y")));
    assert!(!takes(&writer, "y"));
    let heard = std::iter::repeat_with(|| reader.read()).find_map(Result::ok).unwrap();
    assert!(heard.len() >= 3);
    assert!(told(&writer));
    (0..3).for_each(|_| assert!(takes(&writer, "z")));
    assert!(!takes(&writer, "z"));
    // And back: nobody waits any longer.
    world.change(|settings| settings.rooms.keep_count = 3);
    world.rooms.sweep(NOW + 1000);
    assert!(told(&writer));
    (0..10).for_each(|_| assert!(takes(&writer, "z")));
}

#[test]
fn what_an_engine_feeds_is_taken_and_bounded() {
    let world = World::erratic(3, pausing(10));
    let room = world.room("audit");
    let mut reader = world.join(&room, "reader");
    let writer = writer(&world, &room, "writer");
    // The engine took them before the room was full.
    (0..15).for_each(|n| assert_eq!(writer.publish(0, &n.to_string(), NOW), Published::Later));
    world.settle();
    assert_eq!(reader.bodies().len(), 15);
    (0..100).for_each(|_| assert_eq!(writer.publish(0, "x", NOW), Published::Later));
    world.settle();
    let (mut heard, mut missed) = (0, 0);
    loop {
        match reader.read() {
            Ok(all) if all.is_empty() => break,
            Ok(all) => heard += all.len() as u64,
            Err(gap) => missed += gap.missed.count.unwrap(),
        }
    }
    assert_eq!(heard + missed, 100);
}
