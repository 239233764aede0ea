//! Rooms on an engine of either temper, and members of them that are nothing but a mailbox and a cursor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::id::{ConnectionId, NodeId, PublishId, RoomName, Seq, SessionId, UserId};
use crate::limits::{Live, Settings};
use crate::peer::{Mail, Mailbox};
use crate::room::tests::erratic::Erratic;
use crate::room::{
    Cursor, Entered, Entry, Form, Gap, Mark, Memory, Published, PublisherId, Refusal, Room, Rooms,
    RoomsConfig, Ticket,
};
use crate::wire::{Record, Start, Tag};

/// A time to begin with, in milliseconds since 1970.
pub(super) const NOW: u64 = 1_700_000_000_000;

/// All rooms of a server, with the engine behind them.
pub(super) struct World {
    pub(super) rooms: Rooms,
    /// `None` for memory.
    pub(super) erratic: Option<Erratic>,
    node: NodeId,
    settings: Arc<Live>,
    connections: AtomicU64,
}

impl World {
    pub(super) fn memory(change: impl FnOnce(&mut Settings)) -> Self {
        Self::new(None, change)
    }

    pub(super) fn erratic(seed: u64, change: impl FnOnce(&mut Settings)) -> Self {
        Self::new(Some(Erratic::new(seed)), change)
    }

    /// The same server on each engine in turn.
    pub(super) fn each(change: impl Fn(&mut Settings), test: impl Fn(&Self)) {
        test(&Self::memory(&change));
        (0..5).for_each(|seed| test(&Self::erratic(seed, &change)));
    }

    fn new(erratic: Option<Erratic>, change: impl FnOnce(&mut Settings)) -> Self {
        let node = NodeId::new(7);
        let mut settings = Settings::default();
        (settings.limits.rooms, settings.limits.members_per_room) = (100, 100);
        change(&mut settings);
        let settings = Arc::new(Live::new(settings));
        let config = RoomsConfig {
            node: node.clone(),
            settings: settings.clone(),
            workers: 2,
            engine: match &erratic {
                Some(engine) => Box::new(engine.clone()),
                None => Box::new(Memory),
            },
        };
        let connections = AtomicU64::new(1);
        Self { rooms: Rooms::new(config), erratic, node, settings, connections }
    }

    /// Exchanges the settings for others that differ from the defaults.
    pub(super) fn change(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::default();
        change(&mut settings);
        self.settings.set(settings);
    }

    /// Lets the engine store all that it has.
    pub(super) fn settle(&self) {
        if let Some(engine) = &self.erratic {
            engine.settle();
        }
    }

    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        let id = ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed));
        Arc::new(Mailbox::new(id, SessionId::new(&self.node, id)))
    }

    pub(super) fn room(&self, name: &str) -> Arc<Room> {
        self.rooms.open(&RoomName::new(name).unwrap()).unwrap()
    }

    /// Somebody who hears MESSAGEs from now on.
    pub(super) fn join(&self, room: &Arc<Room>, user: &str) -> Member {
        self.member(user).enter(room, Some(Form::Message), &Start::Live).unwrap().0
    }

    /// Somebody who is in no room yet.
    pub(super) fn member(&self, user: &str) -> Outsider {
        let mailbox = self.mailbox();
        let publisher = PublisherId(mailbox.id().0);
        Outsider { user: UserId::new(user).unwrap(), mailbox, publisher, now_ms: NOW }
    }
}

/// A connection that wants in.
#[derive(Clone)]
pub(super) struct Outsider {
    pub(super) user: UserId,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) publisher: PublisherId,
    pub(super) now_ms: u64,
}

impl Outsider {
    pub(super) fn enter(
        &self,
        room: &Arc<Room>,
        form: Option<Form>,
        start: &Start,
    ) -> Result<(Member, Entered), Refusal> {
        let entered = room.enter(&Entry {
            user_id: &self.user,
            mailbox: &self.mailbox,
            publisher: self.publisher,
            form,
            echo: true,
            start,
            now_ms: self.now_ms,
        })?;
        let cursor = entered.cursor.clone();
        Ok((Member { who: self.clone(), room: room.clone(), cursor }, entered))
    }
}

/// A member of a room.
pub(super) struct Member {
    pub(super) who: Outsider,
    pub(super) room: Arc<Room>,
    pub(super) cursor: Option<Cursor>,
}

/// A publish's number and its record's; a publish's number and why it was not taken.
type Ack = (u64, u64);
type Refused = (u64, &'static str);

/// What a member is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Message { seq: u64, prev: u64, time_ms: u64, user: String, body: String },
    Data(String),
    Control(serde_json::Value),
}

impl Member {
    pub(super) fn publish(&self, id: u64, body: &str, now_ms: u64) -> Published {
        let ticket = Ticket {
            publisher: self.who.publisher,
            connection: self.who.mailbox.id(),
            publish_id: PublishId(id),
            channel: self.room.channel(),
        };
        let Outsider { mailbox, user, .. } = &self.who;
        self.room.publish(Some(mailbox), ticket, user, body.as_bytes(), now_ms)
    }

    pub(super) fn leave(&self) {
        assert!(self.room.leave(&self.who.user, self.who.mailbox.session()));
    }

    /// Reads to the end.
    pub(super) fn read(&mut self) -> Result<Vec<Heard>, Gap> {
        let Some(cursor) = &mut self.cursor else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        while self.room.read(cursor, 1000, &mut out)? > 0 {}
        Ok(heard(&out))
    }

    /// The bodies of what it reads.
    pub(super) fn bodies(&mut self) -> Vec<String> {
        let heard = self.read().unwrap().into_iter();
        heard
            .filter_map(|heard| match heard {
                Heard::Message { body, .. } | Heard::Data(body) => Some(body),
                Heard::Control(_) => None,
            })
            .collect()
    }

    /// The presence events of what it reads: `+ann`, `-bob`.
    pub(super) fn presence(&mut self) -> Vec<String> {
        let heard = self.read().unwrap().into_iter();
        heard
            .filter_map(|heard| match heard {
                Heard::Control(event) => Some(presence(&event)),
                _ => None,
            })
            .collect()
    }

    /// The answers that came by mail: acknowledgements, and refusals with their reason.
    pub(super) fn mail(&self) -> (Vec<Ack>, Vec<Refused>) {
        let (mut acks, mut refusals) = (Vec::new(), Vec::new());
        for mail in self.who.mailbox.collect() {
            match mail {
                Mail::Ack { publish_id, seq, .. } => acks.push((publish_id.0, seq.0)),
                Mail::Refused { publish_id, reason, .. } => refusals.push((publish_id.0, reason)),
                other => panic!("{other:?}"),
            }
        }
        (acks, refusals)
    }
}

pub(super) fn presence(event: &serde_json::Value) -> String {
    let sign = match event["op"].as_str() {
        Some("member_joined") => '+',
        Some("member_left") => '-',
        _ => panic!("{event}"),
    };
    format!("{sign}{}", event["user_id"].as_str().unwrap())
}

/// Frames in words.
pub(super) fn heard(pieces: &[Bytes]) -> Vec<Heard> {
    let bytes = pieces.concat();
    let mut rest = &bytes[..];
    let mut heard = Vec::new();
    while let Some(header) = crate::wire::Header::parse(rest) {
        let (frame, after) = rest.split_at(crate::wire::Header::LEN + header.length as usize);
        let payload = &frame[crate::wire::Header::LEN..];
        rest = after;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        heard.push(match header.tag {
            Tag::DATA => Heard::Data(text(payload)),
            Tag::CONTROL => Heard::Control(serde_json::from_slice(payload).unwrap()),
            _ => {
                let record = Record::parse(payload).unwrap();
                let (Seq(seq), Seq(prev), time_ms) = (record.seq, record.prev, record.time_ms);
                let (user, body) = (record.user_id.to_string(), text(record.body));
                Heard::Message { seq, prev, time_ms, user, body }
            }
        });
    }
    assert!(rest.is_empty(), "half a frame");
    heard
}

/// No change to what rooms are made with.
pub(super) fn nothing(_: &mut Settings) {}

/// A resume behind a record of this room's life.
pub(super) fn after(room: &Room, mark: Mark) -> Start {
    Start::After { epoch: room.epoch().to_string(), seq: mark.seq, time_ms: mark.time_ms }
}
