//! What rooms keep and for how long: records, publishers, rooms themselves, and the memory of all.

use std::time::Duration;

use super::support::{Member, NOW, Outsider, World, after, nothing};
use crate::id::{PublishId, RoomName, Seq, UserId};
use crate::limits::Settings;
use crate::room::log::Log;
use crate::room::publisher::Publisher;
use crate::room::{Cursor, Form, Mark, Missed, Published, PublisherId, Refusal, Room};
use crate::wire::{GapReason, Start};

#[test]
fn a_room_that_was_never_used_is_freed_and_nothing_is_missed() {
    World::each(nothing, |world| {
        let room = world.room("a");
        let (member, entered) =
            world.member("ann").enter(&room, Some(Form::Data), &Start::Live).unwrap();
        world.rooms.tidy(&room);
        assert_eq!(world.rooms.totals().0, 1, "somebody is there");
        member.leave();
        world.rooms.tidy(&room);
        assert_eq!(world.rooms.totals(), (0, 0));
        // Whoever found it too late looks again.
        let late = member.who.enter(&room, Some(Form::Data), &Start::Live);
        assert!(matches!(late, Err(Refusal::Gone)));
        assert_eq!(member.publish(0, "x", NOW), Published::Refused("room_gone"));
        assert_eq!(world.rooms.totals(), (0, 0));
        let again = world.room("a");
        assert_ne!(again.channel(), room.channel());
        // Freeing the old one does not free the new one.
        world.rooms.tidy(&room);
        assert_eq!(world.rooms.totals().0, 1);
        let bob = world.join(&again, "bob");
        bob.publish(0, "x", NOW);
        world.settle();
        let start = after(&room, entered.last);
        let (mut member, entered) = member.who.enter(&again, Some(Form::Data), &start).unwrap();
        assert_eq!((entered.resumed, entered.gap), (true, None));
        assert_eq!(member.bodies(), ["x"]);
    });
}

#[test]
fn a_room_that_was_used_begins_another_epoch() {
    World::each(nothing, |world| {
        let room = world.room("a");
        let member = world.join(&room, "ann");
        member.publish(1, "x", NOW);
        world.settle();
        member.leave();
        member.who.mailbox.close();
        world.rooms.sweep(NOW + 1000);
        world.rooms.tidy(&room);
        assert_eq!(world.rooms.totals().0, 1, "its record is still there to be asked for");
        world.rooms.sweep(NOW + 3_700_000);
        assert_eq!(world.rooms.totals(), (0, 0));
        let again = world.room("a");
        assert_ne!(again.epoch(), room.epoch());
        for seq in [0, 1] {
            let mark = Mark { seq: Seq(seq), time_ms: if seq == 0 { 0 } else { NOW } };
            let start = after(&room, mark);
            let (member, entered) = member.who.enter(&again, Some(Form::Data), &start).unwrap();
            let gap = entered.gap.unwrap();
            assert_eq!(gap.reason, GapReason::Epoch);
            assert_eq!(gap.missed, Missed { after: Seq(seq), next: Seq(1), count: None });
            assert!(!entered.resumed);
            member.leave();
        }
    });
}

#[test]
fn a_room_stays_while_an_engine_may_still_store_something_in_it() {
    let world = World::erratic(1, nothing);
    let name = RoomName::new("a").unwrap();
    let from = UserId::new("server").unwrap();
    world.rooms.publish(&name, &from, b"x", NOW).unwrap();
    let room = world.room("a");
    let member = world.join(&room, "ann");
    member.publish(0, "y", NOW);
    member.leave();
    member.who.mailbox.close();
    world.rooms.tidy(&room);
    world.rooms.sweep(NOW + 1000);
    assert_eq!(world.rooms.totals().0, 1);
    world.settle();
    let mut late = world.member("bob").enter(&room, Some(Form::Data), &Start::Earliest).unwrap().0;
    assert_eq!(late.bodies().len(), 2);
    // An engine that never answers does not keep it for ever.
    late.publish(0, "z", NOW);
    late.leave();
    late.who.mailbox.close();
    world.rooms.sweep(NOW + 3_700_000);
    assert_eq!(world.rooms.totals().0, 0);
    world.settle();
    assert_eq!(world.rooms.totals(), (0, 0), "a room that is gone takes no record");
}

#[test]
fn publishers_are_remembered_for_two_minutes_and_then_forgotten() {
    World::each(nothing, |world| {
        let room = world.room("a");
        let mut named = world.member("ann");
        named.publisher = PublisherId(1000);
        let named = named.enter(&room, None, &Start::Live).unwrap().0;
        let nameless = world.join(&room, "bob");
        for member in [&named, &nameless] {
            member.publish(1, "x", NOW);
            world.settle();
            member.leave();
            member.who.mailbox.close();
        }
        let known = |member: &Member, now_ms| {
            world.rooms.sweep(now_ms);
            let (member, entered) = member.who.enter(&room, None, &Start::Live).unwrap();
            member.leave();
            entered.last_publish_id == PublishId(1)
        };
        assert!(known(&named, NOW + 20_000));
        assert!(!known(&nameless, NOW + 20_000), "nobody else can come as that one");
        assert!(known(&named, NOW + 140_000));
        assert!(!known(&named, NOW + 170_000));
    });
}

#[test]
fn records_leave_by_age() {
    let change = |settings: &mut Settings| settings.rooms.keep_age = Duration::from_secs(10);
    World::each(change, |world| {
        let room = world.room("a");
        let ann = world.join(&room, "ann");
        ann.publish(0, "1", NOW);
        world.settle();
        ann.publish(0, "2", NOW + 5000);
        world.settle();
        let earliest = |now_ms| {
            let bob = Outsider { now_ms, ..world.member("bob") };
            let mut bob = bob.enter(&room, Some(Form::Data), &Start::Earliest).unwrap().0;
            bob.leave();
            bob.bodies()
        };
        assert_eq!(earliest(NOW + 9000), ["1", "2"]);
        assert_eq!(earliest(NOW + 11_000), ["2"]);
        world.rooms.sweep(NOW + 40_000);
        assert!(earliest(NOW + 40_000).is_empty());
        // A reader under way would have got it still; after a minute nobody is.
        assert!(world.rooms.totals().1 > 0);
        world.rooms.sweep(NOW + 200_000);
        assert_eq!(world.rooms.totals().1, 0, "nothing is held of what nobody may have");
    });
}

#[test]
fn when_memory_is_short_the_largest_are_cut_and_no_others() {
    let change = |settings: &mut Settings| settings.rooms.keep_total = 1 << 20;
    World::each(change, |world| {
        let body = "x".repeat(1000);
        let publish = |name: &str, count: usize| {
            let from = UserId::new("server").unwrap();
            for _ in 0..count {
                let name = RoomName::new(name).unwrap();
                world.rooms.publish(&name, &from, body.as_bytes(), NOW).unwrap();
                world.settle();
                world.rooms.relieve();
                assert!(world.rooms.totals().1 <= 1 << 20);
            }
        };
        for n in 0..20 {
            publish(&format!("small{n}"), 10);
        }
        publish("large", 2000);
        publish("larger", 3000);
        let count = |name: &str| {
            let room = world.room(name);
            let mut all =
                world.member("bob").enter(&room, Some(Form::Data), &Start::Earliest).unwrap().0;
            all.leave();
            all.bodies().len()
        };
        for n in 0..20 {
            assert_eq!(count(&format!("small{n}")), 10);
        }
        assert!((100..600).contains(&count("large")), "{}", count("large"));
        assert!((100..600).contains(&count("larger")), "{}", count("larger"));
    });
}

#[test]
fn memory_is_bounded_also_over_more_rooms_than_it_has_room_for() {
    let change = |settings: &mut Settings| {
        (settings.rooms.keep_total, settings.limits.rooms) = (1 << 20, 1000);
    };
    World::each(change, |world| {
        let from = UserId::new("server").unwrap();
        let body = "x".repeat(5000);
        for n in 0..1000 {
            let name = RoomName::new(&format!("room{n}")).unwrap();
            world.rooms.publish(&name, &from, body.as_bytes(), NOW).unwrap();
            world.settle();
            world.rooms.relieve();
            assert!(world.rooms.totals().1 <= 1 << 20, "{}", world.rooms.totals().1);
        }
    });
}

#[test]
fn what_came_last_is_given_up_last_and_where_nothing_has_come_for_longest() {
    let change = |settings: &mut Settings| settings.rooms.keep_total = 1 << 20;
    World::each(change, |world| {
        let from = UserId::new("server").unwrap();
        let names: Vec<_> = (0..100).map(|n| RoomName::new(&format!("room{n}")).unwrap()).collect();
        for (n, name) in names.iter().enumerate() {
            // A record alone is larger than every room's share by far.
            let body = "x".repeat(100_000);
            world.rooms.publish(name, &from, body.as_bytes(), NOW + n as u64).unwrap();
            world.settle();
            world.rooms.relieve();
            assert!(world.rooms.totals().1 <= 1 << 20, "{}", world.rooms.totals().1);
            let kept = |name: &RoomName| world.room(name.as_str()).held().0 > 0;
            let newest = names[..=n].iter().rev().take_while(|name| kept(name)).count();
            assert_eq!(names[..=n].iter().filter(|name| kept(name)).count(), newest);
            assert!(newest >= (n + 1).min(8), "{newest} of {n}");
        }
    });
}

#[test]
fn rooms_opened_and_freed_from_many_threads_lose_nothing() {
    // Races between those who enter and publish, those who leave and free, and the sweep.
    let world = World::memory(|settings| {
        settings.rooms.keep_age = Duration::ZERO;
        // A thread that is not run for a while may miss hundreds of events.
        settings.rooms.presence_limit = 0;
    });
    std::thread::scope(|scope| {
        for n in 0..3 {
            let world = &world;
            scope.spawn(move || {
                for round in 0..500 {
                    let who = world.member(&format!("user{n}"));
                    let mut member = loop {
                        let room = world.room("a");
                        match who.enter(&room, Some(Form::Data), &Start::Live) {
                            Ok((member, _)) => break member,
                            Err(refusal) => assert_eq!(refusal, Refusal::Gone),
                        }
                    };
                    let body = format!("{n} {round}");
                    assert!(matches!(member.publish(1, &body, NOW), Published::Stored(..)));
                    assert!(member.bodies().contains(&body));
                    member.leave();
                    who.mailbox.close();
                    if n == 0 {
                        world.rooms.sweep(NOW + round);
                    }
                    world.rooms.tidy(&member.room);
                }
            });
        }
    });
    world.rooms.sweep(NOW + 10_000_000);
    assert_eq!(world.rooms.totals(), (0, 0));
}

#[test]
fn what_things_take() {
    let sizes = [
        ("Room", size_of::<Room>(), 640),
        ("Log", size_of::<Log>(), 408),
        ("Cursor", size_of::<Cursor>(), 88),
        ("Publisher", size_of::<Publisher>(), 160),
        ("Mailbox", size_of::<crate::peer::Mailbox>(), 192),
    ];
    for (name, size, bound) in sizes {
        println!("{name}: {size} bytes");
        assert!(size <= bound, "{name}: {size} bytes");
    }
}
