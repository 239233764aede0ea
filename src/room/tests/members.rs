//! Members: who is in, who hears of it, where they begin to read, and how many there may be.

use super::support::{Heard, NOW, World, after, nothing, presence};
use crate::id::{RoomName, Seq, UserId};
use crate::limits::Settings;
use crate::room::{Form, Full, Mark, Refusal, Room};
use crate::wire::{GapReason, Start};

#[test]
fn presence_is_in_order_with_the_records_and_the_new_one_hears_of_itself() {
    World::each(nothing, |world| {
        let room = world.room("a");
        let mut ann = world.join(&room, "ann");
        ann.publish(0, "1", NOW);
        world.settle();
        let mut bob = world.join(&room, "bob");
        ann.publish(0, "2", NOW);
        world.settle();
        bob.leave();
        ann.publish(0, "3", NOW);
        world.settle();
        let words = |heard: Vec<Heard>| -> Vec<String> {
            let word = |heard| match heard {
                Heard::Message { body, .. } => body,
                Heard::Control(event) => presence(&event),
                Heard::Data(body) => panic!("{body}"),
            };
            heard.into_iter().map(word).collect()
        };
        assert_eq!(words(ann.read().unwrap()), ["+ann", "1", "+bob", "2", "-bob", "3"]);
        // Its cursor still stands in the room, but it is no member: only the session reads it no more.
        assert_eq!(words(bob.read().unwrap())[..2], ["+bob", "2"]);
        // Presence is not history.
        let (mut cid, _) =
            world.member("cid").enter(&room, Some(Form::Message), &Start::Earliest).unwrap();
        assert_eq!(words(cid.read().unwrap()), ["1", "2", "3", "+cid"]);
    });
}

#[test]
fn a_user_id_is_one_connections() {
    World::each(nothing, |world| {
        let room = world.room("a");
        let ann = world.join(&room, "ann");
        let other = world.member("ann");
        let form = Some(Form::Data);
        assert!(matches!(other.enter(&room, form, &Start::Live), Err(Refusal::UserTaken)));
        assert!(!room.leave(&ann.who.user, other.mailbox.session()), "not its to leave");
        assert_eq!(room.summary().0, 1);
        ann.leave();
        assert!(!room.leave(&ann.who.user, ann.who.mailbox.session()));
        assert!(other.enter(&room, form, &Start::Live).is_ok());
    });
}

#[test]
fn who_hears_nothing_is_not_announced_and_not_counted() {
    World::each(nothing, |world| {
        let room = world.room("a");
        let mut ann = world.join(&room, "ann");
        let (mut quiet, entered) = world.member("quiet").enter(&room, None, &Start::Live).unwrap();
        assert_eq!((entered.members, entered.cursor.is_none()), (1, true));
        quiet.publish(0, "x", NOW);
        world.settle();
        assert_eq!(quiet.read(), Ok(vec![]));
        assert_eq!(room.members(None, 10).0.len(), 1);
        // The name is taken all the same.
        let taken = world.member("quiet").enter(&room, None, &Start::Live);
        assert!(matches!(taken, Err(Refusal::UserTaken)));
        // To hear from now on, or no longer, announces nothing, and counts.
        let quiet = quiet.who.enter(&room, Some(Form::Data), &Start::Live).unwrap();
        assert_eq!(quiet.1.members, 2);
        let quiet = quiet.0.who.enter(&room, None, &Start::Live).unwrap();
        assert_eq!(quiet.1.members, 1);
        quiet.0.leave();
        assert_eq!(room.summary().0, 1);
        let heard = ann.read().unwrap();
        assert_eq!(heard.len(), 2, "{heard:?}");
    });
}

#[test]
fn above_the_presence_limit_nobody_is_announced() {
    let change = |settings: &mut Settings| settings.rooms.presence_limit = 2;
    World::each(change, |world| {
        let room = world.room("a");
        let mut ann = world.join(&room, "ann");
        let bob = world.join(&room, "bob");
        let cid = world.join(&room, "cid");
        let hidden = world.member("quiet").enter(&room, None, &Start::Live).unwrap().0;
        cid.leave();
        bob.leave();
        hidden.leave();
        assert_eq!(ann.presence(), ["+ann", "+bob", "-bob"]);
    });
}

#[test]
fn members_and_rooms_come_in_pages_by_name() {
    World::each(nothing, |world| {
        let room = world.room("m");
        let users = ["ann", "bob", "cid", "dan", "eva"];
        let members: Vec<_> = users.iter().rev().map(|user| world.join(&room, user)).collect();
        world.member("carl").enter(&room, None, &Start::Live).unwrap();
        let names = |page: Vec<(UserId, _)>| -> Vec<String> {
            page.into_iter().map(|(user, _)| user.to_string()).collect()
        };
        let (page, more) = room.members(None, 2);
        assert_eq!((names(page), more), (vec!["ann".into(), "bob".into()], true));
        // The name need not be there (any more).
        let (page, more) = room.members(Some("bz"), 3);
        assert_eq!((names(page), more), (vec!["cid".into(), "dan".into(), "eva".into()], false));
        assert_eq!(room.members(Some("eva"), 3).0.len(), 0);
        assert!(!room.members(None, 5).1);
        assert_eq!(room.members(None, 5).0[4].1, *members[0].who.mailbox.session());

        for name in ["z", "a", "k"] {
            world.room(name);
        }
        let names = |(page, more): (Vec<std::sync::Arc<Room>>, bool)| {
            (page.iter().map(|room| room.name().to_string()).collect::<Vec<_>>(), more)
        };
        assert_eq!(names(world.rooms.list(None, 2)), (vec!["a".into(), "k".into()], true));
        assert_eq!(names(world.rooms.list(Some("k"), 2)), (vec!["m".into(), "z".into()], false));
        assert!(world.rooms.list(Some("z"), 2).0.is_empty());
    });
}

#[test]
fn limits_on_rooms_and_members_are_exact() {
    let change = |settings: &mut Settings| {
        (settings.limits.rooms, settings.limits.members_per_room) = (2, 2);
    };
    World::each(change, |world| {
        let room = world.room("a");
        world.room("b");
        assert_eq!(world.rooms.open(&RoomName::new("c").unwrap()).unwrap_err(), Full);
        let from = UserId::new("server").unwrap();
        let full = world.rooms.publish(&RoomName::new("c").unwrap(), &from, b"x", NOW);
        assert_eq!(full, Err(Full));
        world.join(&room, "ann");
        let bob = world.member("bob").enter(&room, None, &Start::Live).unwrap().0;
        let cid = world.member("cid");
        assert!(matches!(cid.enter(&room, None, &Start::Live), Err(Refusal::Full)));
        // Who is in may change how.
        assert!(bob.who.enter(&room, Some(Form::Data), &Start::Live).is_ok());
        bob.leave();
        assert!(cid.enter(&room, None, &Start::Live).is_ok());
    });
}

#[test]
fn a_resume_is_proven_or_told() {
    let change = |settings: &mut Settings| settings.rooms.keep_count = 3;
    World::each(change, |world| {
        let room = world.room("a");
        let mut ann = world.join(&room, "ann");
        (1..=6).for_each(|n| _ = ann.publish(0, &n.to_string(), NOW + n));
        world.settle();
        let marks: Vec<_> = ann
            .read()
            .unwrap()
            .into_iter()
            .filter_map(|heard| match heard {
                Heard::Message { seq, time_ms, .. } => Some(Mark { seq: Seq(seq), time_ms }),
                _ => None,
            })
            .collect();
        let enter = |start: &Start| {
            let bob = world.member("bob");
            let (mut member, entered) = bob.enter(&room, Some(Form::Data), start).unwrap();
            member.leave();
            let gap = entered.gap.map(|gap| (gap.reason, gap.missed.next));
            (entered.resumed, gap, member.bodies().join(""))
        };
        let last = marks[5];
        assert_eq!(enter(&after(&room, marks[3])), (true, None, "56".into()));
        assert_eq!(enter(&after(&room, marks[2])), (true, None, "456".into()));
        assert_eq!(enter(&after(&room, last)), (true, None, "".into()));
        let trimmed = Some((GapReason::Trimmed, marks[3].seq));
        assert_eq!(enter(&after(&room, marks[1])), (false, trimmed, "456".into()));
        assert_eq!(enter(&after(&room, Mark::default())), (false, trimmed, "456".into()));
        assert_eq!(enter(&Start::Seq(Seq(0))), (false, trimmed, "456".into()));
        assert_eq!(enter(&Start::Seq(marks[4].seq)), (false, None, "56".into()));
        let foreign = Mark { time_ms: last.time_ms + 1, ..last };
        let regressed = Some((GapReason::Regressed, marks[3].seq));
        assert_eq!(enter(&after(&room, foreign)), (false, regressed, "456".into()));
        let epoch = Start::After { epoch: "other".into(), seq: last.seq, time_ms: last.time_ms };
        let other = Some((GapReason::Epoch, marks[3].seq));
        assert_eq!(enter(&epoch), (false, other, "456".into()));
        assert_eq!(enter(&Start::Earliest), (false, None, "456".into()));
        assert_eq!(enter(&Start::Last(2)), (false, None, "56".into()));
        assert_eq!(enter(&Start::Last(0)), (false, None, "".into()));
        assert_eq!(enter(&Start::Live), (false, None, "".into()));
    });
}
