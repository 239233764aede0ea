//! Publishing, on memory, which answers at once, and on an engine that answers when it likes: one order
//! for all, acknowledgements, refusals, and what comes twice.

use std::collections::{BTreeMap, BTreeSet};

use super::support::{Heard, Member, NOW, World, nothing};
use crate::id::{PublishId, Seq};
use crate::room::publisher::ANSWER_WITHIN_MS;
use crate::room::{Form, Published, PublisherId};
use crate::wire::Start;

/// Whether these records are one chain: numbers rise, and each names the one before it.
fn assert_chain(heard: &[Heard]) {
    let mut last = 0;
    for heard in heard {
        if let Heard::Message { seq, prev, .. } = heard {
            assert_eq!(*prev, last);
            assert!(*seq > last);
            last = *seq;
        }
    }
}

#[test]
fn all_members_see_the_same_records_in_one_order() {
    World::each(nothing, |world| {
        let room = world.room("a");
        let mut members: Vec<_> =
            ["ann", "bob", "cid"].iter().map(|user| world.join(&room, user)).collect();
        let mut data = world.member("dan").enter(&room, Some(Form::Data), &Start::Live).unwrap().0;
        for n in 1..=20 {
            for member in &members {
                member.publish(n, &format!("{} {n}", member.who.user), NOW + n);
            }
            if n % 3 == 0
                && let Some(engine) = &world.erratic
            {
                engine.store();
            }
        }
        world.settle();
        let heard: Vec<_> = members.iter_mut().map(|member| member.read().unwrap()).collect();
        assert_chain(&heard[0]);
        let records = |heard: &[Heard]| -> Vec<(u64, String, String)> {
            let message = |heard: &Heard| match heard {
                Heard::Message { seq, user, body, .. } => Some((*seq, user.clone(), body.clone())),
                _ => None,
            };
            heard.iter().filter_map(message).collect()
        };
        let all = records(&heard[0]);
        assert_eq!(all.len(), 60);
        for heard in &heard {
            assert_eq!(records(heard), all);
        }
        let bodies: Vec<_> = all.iter().map(|(_, _, body)| body.clone()).collect();
        assert_eq!(data.bodies(), bodies);
        // Each publisher's own order is kept, and the name is the server's.
        for member in &members {
            let user = member.who.user.as_str();
            let own: Vec<_> = all.iter().filter(|(_, by, _)| by == user).collect();
            let expected: Vec<_> = (1..=20).map(|n| format!("{user} {n}")).collect();
            assert_eq!(own.iter().map(|(_, _, body)| body.clone()).collect::<Vec<_>>(), expected);
        }
    });
}

#[test]
fn memory_acknowledges_at_once_and_others_by_mail() {
    World::each(nothing, |world| {
        let room = world.room("a");
        let member = world.join(&room, "ann");
        let published = member.publish(5, "x", NOW);
        assert_eq!(member.mail(), (vec![], vec![]));
        match &world.erratic {
            None => assert_eq!(published, Published::Stored(PublishId(5), Seq(1))),
            Some(engine) => {
                assert_eq!(published, Published::Later);
                engine.settle();
                let seq = room.summary().1.0 - 1;
                assert_eq!(member.mail(), (vec![(5, seq)], vec![]));
            }
        }
        // Who wants no acknowledgement gets none.
        member.publish(0, "y", NOW);
        world.settle();
        assert_eq!(member.mail(), (vec![], vec![]));
    });
}

#[test]
fn many_acknowledgements_of_one_room_are_one_letter() {
    let world = World::erratic(1, nothing);
    let room = world.room("a");
    let member = world.join(&room, "ann");
    (1..=1000).for_each(|n| assert_eq!(member.publish(n, "x", NOW), Published::Later));
    world.settle();
    let (acks, refusals) = member.mail();
    assert_eq!((acks.len(), acks[0].0, refusals.len()), (1, 1000, 0));
}

#[test]
fn a_publisher_that_comes_back_on_another_connection_is_known() {
    World::each(nothing, |world| {
        let room = world.room("a");
        let mut before = world.member("ann");
        before.publisher = PublisherId(1000);
        let (mut first, entered) = before.enter(&room, Some(Form::Message), &Start::Live).unwrap();
        assert_eq!(entered.last_publish_id, PublishId(0));
        (1..=3).for_each(|n| _ = first.publish(n, &n.to_string(), NOW));
        world.settle();
        let heard = first.read().unwrap();
        let seqs: Vec<u64> = heard
            .iter()
            .filter_map(|heard| match heard {
                Heard::Message { seq, .. } => Some(*seq),
                _ => None,
            })
            .collect();
        first.leave();
        first.who.mailbox.close();

        let mut again = world.member("ann");
        again.publisher = PublisherId(1000);
        let (again, entered) = again.enter(&room, None, &Start::Live).unwrap();
        assert_eq!(entered.last_publish_id, PublishId(3));
        for n in 1..=3 {
            let known = Published::Known(PublishId(n), Seq(seqs[n as usize - 1]));
            assert_eq!(again.publish(n, "other", NOW), known);
        }
        again.publish(4, "4", NOW);
        world.settle();
        let mut all =
            world.member("cid").enter(&room, Some(Form::Data), &Start::Earliest).unwrap().0;
        assert_eq!(all.bodies(), ["1", "2", "3", "4"]);
        // Another publisher's numbers are its own.
        let other = world.join(&room, "bob");
        assert!(!matches!(other.publish(1, "x", NOW), Published::Known(..)));
    });
}

#[test]
fn a_publish_repeated_while_the_engine_has_it_is_stored_once() {
    let world = World::erratic(1, nothing);
    let room = world.room("a");
    let mut before = world.member("ann");
    before.publisher = PublisherId(1000);
    let first = before.enter(&room, None, &Start::Live).unwrap().0;
    assert_eq!(first.publish(1, "x", NOW), Published::Later);
    first.leave();
    first.who.mailbox.close();
    let mut again = world.member("ann");
    again.publisher = PublisherId(1000);
    let again = again.enter(&room, None, &Start::Live).unwrap().0;
    assert_eq!(again.publish(1, "x", NOW), Published::Later);
    assert_eq!(world.erratic.as_ref().unwrap().held(), 1);
    world.settle();
    let (acks, _) = again.mail();
    assert_eq!(acks.len(), 1, "the newest connection hears of it");
    assert_eq!(acks[0].0, 1);
}

#[test]
fn after_a_refusal_all_above_are_refused_until_it_comes_again() {
    let world = World::erratic(3, nothing);
    let engine = world.erratic.as_ref().unwrap();
    let room = world.room("a");
    let mut member = world.join(&room, "ann");
    (1..=4).for_each(|n| assert_eq!(member.publish(n, &n.to_string(), NOW), Published::Later));
    engine.store();
    engine.refuse("no_space");
    let (acks, refusals) = member.mail();
    assert_eq!(acks.len(), 1);
    assert_eq!(refusals, [(2, "no_space"), (3, "no_space"), (4, "no_space")]);
    assert_eq!(member.publish(5, "5", NOW), Published::Refused("refused_before"));
    assert_eq!(member.publish(3, "3", NOW), Published::Refused("refused_before"));
    // Not touched by it: those without a number, and other publishers.
    assert_eq!(member.publish(0, "data", NOW), Published::Later);
    assert_eq!(world.join(&room, "bob").publish(9, "bob", NOW), Published::Later);
    assert_eq!(member.publish(2, "2", NOW), Published::Later);
    assert_eq!(member.publish(3, "3", NOW), Published::Later);
    world.settle();
    let (acks, refusals) = member.mail();
    assert_eq!((acks.len(), acks[0].0, refusals), (1, 3, vec![]));
    let own: Vec<_> = member.bodies().into_iter().filter(|body| body != "bob").collect();
    assert_eq!(own, ["1", "data", "2", "3"]);
}

#[test]
fn an_engine_that_refuses_at_once_goes_back_too() {
    let world = World::erratic(3, nothing);
    let engine = world.erratic.as_ref().unwrap();
    let member = world.join(&world.room("a"), "ann");
    member.publish(1, "1", NOW);
    engine.set_down(Some("engine_down"));
    assert_eq!(member.publish(2, "2", NOW), Published::Refused("engine_down"));
    assert_eq!(member.publish(0, "data", NOW), Published::Refused("engine_down"));
    engine.set_down(None);
    assert_eq!(member.publish(3, "3", NOW), Published::Refused("refused_before"));
    assert_eq!(member.publish(2, "2", NOW), Published::Later);
    assert_eq!(member.publish(3, "3", NOW), Published::Later);
    world.settle();
    assert_eq!(member.mail().0.last().map(|ack| ack.0), Some(3));
}

#[test]
fn an_asynchronous_refusal_of_a_publish_without_a_number_is_told_and_touches_no_other() {
    let world = World::erratic(3, nothing);
    let room = world.room("a");
    let member = world.join(&room, "ann");
    member.publish(1, "1", NOW);
    member.publish(0, "data", NOW);
    let engine = world.erratic.as_ref().unwrap();
    engine.store();
    assert_eq!(member.mail().0.len(), 1);
    member.publish(2, "2", NOW);
    // "data" is the oldest; "2" came after it and goes with it.
    engine.refuse("no_space");
    assert_eq!(member.mail().1, [(0, "no_space"), (2, "no_space")]);
    member.publish(2, "2", NOW);
    let ticket = crate::room::Ticket {
        publisher: member.who.publisher,
        connection: member.who.mailbox.id(),
        publish_id: PublishId(0),
        channel: room.channel(),
    };
    // A refusal of something that the room has given up long ago.
    room.refuse(&ticket, "no_space");
    world.settle();
    let (acks, refusals) = member.mail();
    assert_eq!((acks.len(), refusals.len()), (1, 0));
}

#[test]
fn an_engine_that_does_not_answer_is_given_up_within_5_s_and_never_acknowledged() {
    let world = World::erratic(3, nothing);
    let room = world.room("a");
    let mut member = world.join(&room, "ann");
    member.read().unwrap();
    assert_eq!(member.publish(1, "1", NOW), Published::Later);
    assert_eq!(member.publish(2, "2", NOW + 900), Published::Later);
    assert_eq!(member.publish(0, "data", NOW), Published::Later);
    // Swept once a second, at the worst moment.
    let mut answered = None;
    for ms in (999..10_000).step_by(1000) {
        world.rooms.sweep(NOW + ms);
        let (acks, refusals) = member.mail();
        assert!(acks.is_empty());
        if !refusals.is_empty() {
            let all = [(1, "engine_timeout"), (2, "engine_timeout"), (0, "engine_timeout")];
            assert_eq!(refusals, all);
            answered = Some(ms);
            break;
        }
    }
    assert!(answered.is_some_and(|ms| (ANSWER_WITHIN_MS..5000).contains(&ms)), "{answered:?}");
    // Now it answers: the records are there, but their final answer was given.
    world.settle();
    assert_eq!(member.mail(), (vec![], vec![]));
    assert_eq!(member.bodies().len(), 3);
    // Who sends them again is told that they are there.
    assert!(matches!(member.publish(1, "1", NOW), Published::Known(PublishId(1), _)));
    assert!(matches!(member.publish(2, "2", NOW), Published::Known(PublishId(2), _)));
    assert_eq!(member.publish(3, "3", NOW), Published::Later);
    world.settle();
    assert_eq!(member.mail().0.len(), 1);
}

#[test]
fn what_an_engine_holds_is_bounded_per_publisher() {
    let world = World::erratic(3, nothing);
    let room = world.room("a");
    let member = world.join(&room, "ann");
    let refused = (1..10_000).find(|&n| member.publish(n, "", NOW) != Published::Later).unwrap();
    assert_eq!(member.publish(refused, "", NOW), Published::Refused("too_many_in_flight"));
    let data = (1..10_000).find(|_| member.publish(0, "", NOW) != Published::Later);
    assert!(data.is_some_and(|n| n < 5000));
    world.settle();
    assert_eq!(member.publish(refused, "", NOW), Published::Later);
}

/// A client that goes back to the first publish that was refused, until all are acknowledged.
struct GoBack {
    member: Member,
    next: u64,
    acked: u64,
    /// Refused and not sent again: an ack must not name it.
    refused: BTreeSet<u64>,
}

impl GoBack {
    const LAST: u64 = 30;

    fn step(&mut self, now_ms: u64) {
        let (acks, refusals) = self.member.mail();
        for (id, _) in acks {
            self.take_ack(id);
        }
        for (id, _) in refusals {
            self.take_refusal(id);
        }
        if self.next > Self::LAST {
            return;
        }
        let id = self.next;
        self.next += 1;
        self.refused.remove(&id);
        match self.member.publish(id, &format!("{} {id}", self.member.who.user), now_ms) {
            Published::Stored(id, _) | Published::Known(id, _) => self.take_ack(id.0),
            Published::Later => {}
            Published::Refused(_) => self.take_refusal(id),
            Published::Paused => panic!("no room pauses here"),
        }
    }

    fn take_ack(&mut self, id: u64) {
        assert!(!self.refused.contains(&id), "{id} was refused");
        self.acked = self.acked.max(id);
        self.next = self.next.max(id + 1);
    }

    fn take_refusal(&mut self, id: u64) {
        assert!(id > self.acked, "{id} was acknowledged");
        self.refused.insert(id);
        self.next = self.next.min(id);
    }
}

#[test]
fn whatever_the_engine_does_each_publish_is_there_once_and_in_order() {
    for seed in 0..150 {
        let world = World::erratic(seed, nothing);
        let engine = world.erratic.as_ref().unwrap();
        let (one, two) = (world.room("one"), world.room("two"));
        let mut readers = [&one, &two].map(|room| world.join(room, "reader"));
        let mut clients: Vec<_> = (0..6)
            .map(|n| {
                let room = if n % 2 == 0 { &one } else { &two };
                let member = world.join(room, &format!("client{n}"));
                GoBack { member, next: 1, acked: 0, refused: BTreeSet::new() }
            })
            .collect();
        let mut now_ms = NOW;
        let mut steps = 0;
        while clients.iter().any(|client| client.acked < GoBack::LAST) {
            steps += 1;
            assert!(steps < 100_000, "no progress");
            match engine.random(100) {
                0..50 => {
                    let client = engine.random(clients.len());
                    clients[client].step(now_ms);
                }
                50..90 => _ = engine.store(),
                90..93 => _ = engine.refuse("no_space"),
                93 => engine.set_down(Some("engine_down")),
                94..97 => engine.set_down(None),
                97 => {
                    // Nobody answers for a while.
                    now_ms += 5000;
                    world.rooms.sweep(now_ms);
                }
                _ => now_ms += 300,
            }
        }
        for reader in &mut readers {
            let heard = reader.read().unwrap();
            assert_chain(&heard);
            let mut by_user: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for heard in heard {
                if let Heard::Message { user, body, .. } = heard {
                    by_user.entry(user).or_default().push(body);
                }
            }
            assert_eq!(by_user.len(), 3);
            for (user, bodies) in by_user {
                let all: Vec<_> = (1..=GoBack::LAST).map(|n| format!("{user} {n}")).collect();
                assert_eq!(bodies, all, "seed {seed}");
            }
        }
    }
}
