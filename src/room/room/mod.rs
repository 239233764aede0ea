//! One room: its log and its members behind one lock, and the one function that lets a record in.

mod enter;
mod hold;
mod policy;
mod publish;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

pub use self::enter::{Entered, Entry, Refusal};
pub use self::publish::{Published, Record};

use self::hold::Hold;
use self::policy::Policy;
use crate::id::{Channel, RoomName, Seq, SessionId, UserId};
use crate::limits::SlowPolicy;
use crate::peer::{Lag, Mailbox};
use crate::room::Cursor;
use crate::room::engine::PublisherId;
use crate::room::log::{Log, Missed};
use crate::room::publisher::Publisher;
use crate::room::registry::{Holding, Home};
use crate::room::wake::{Audience, WorkerId};
use crate::sync::lock;
use crate::wire::GapReason;

/// How often publishers are looked through for those to forget.
const FORGET_EVERY_MS: u64 = 10_000;

/// How long presence events are held for readers that lag.
const PRESENCE_MS: u64 = 120_000;

/// A room of a server.
pub struct Room {
    name: RoomName,
    channel: Channel,
    epoch: Arc<str>,
    audience: Audience,
    home: Arc<Home>,
    /// Grows with the log. Who waits for news reads it first, then the log, then waits.
    news: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    log: Log,
    policy: Policy,
    /// There only while the policy is to pause.
    hold: Option<Box<Hold>>,
    members: BTreeMap<UserId, Member>,
    /// Members that are announced and counted.
    present: usize,
    publishers: BTreeMap<PublisherId, Publisher>,
    /// Whether an engine may owe some of them an answer.
    waiting: bool,
    /// When they were last looked through for those to forget, and the time as the room knows it.
    tidied_ms: u64,
    now_ms: u64,
    /// What the home has counted.
    counted: Holding,
    /// Removed from the registry: whoever found it there too late looks again.
    gone: bool,
}

struct Member {
    mailbox: Arc<Mailbox>,
    /// May publish, hears nothing, and is not announced.
    hidden: bool,
}

/// Records that a subscriber is told it will not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Which.
    pub missed: Missed,
    /// Why.
    pub reason: GapReason,
}

/// What there is to say of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub name: RoomName,
    /// The name of its numbering's life.
    pub epoch: Arc<str>,
    /// Members, those included that hear nothing and are not announced.
    pub members: usize,
    /// The number of the next record, if the engine numbers by one.
    pub next_seq: Seq,
    /// Records that it keeps.
    pub records: u64,
    /// Bytes that its log holds.
    pub log_bytes: usize,
    /// When the oldest record was accepted that it keeps, milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// When the newest was.
    pub newest_ms: Option<u64>,
}

impl Room {
    pub(super) fn new(name: RoomName, channel: Channel, epoch: Arc<str>, home: Arc<Home>) -> Self {
        Self {
            name,
            channel,
            epoch,
            audience: Audience::new(home.doorbells.len()),
            home,
            news: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Its number on this node.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// The name of its numbering's life.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Who is woken when it has news.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// A number that has changed whenever the log has grown.
    #[inline]
    pub fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire)
    }

    /// Wakes whoever listens: on `own` worker directly, elsewhere through their workers.
    pub fn wake(self: &Arc<Self>, own: Option<WorkerId>) {
        self.audience.wake(self, own, &self.home.doorbells);
    }

    /// What happens to a subscriber that falls behind.
    pub fn slow(&self) -> SlowPolicy {
        let mut state = lock(&self.state);
        self.settle(&mut state);
        state.policy.slow
    }

    /// Has a cursor hear of nobody's coming and going from now on: its owner leaves.
    pub fn mute(&self, cursor: &mut Cursor) {
        lock(&self.state).log.mute(cursor);
    }

    /// Moves a cursor on by about `budget` bytes and adds the frames it passed to `out`; how many bytes.
    ///
    /// # Errors
    ///
    /// Returns a [`Gap`] if what the cursor stood at is no longer held; the next read goes on behind it.
    pub fn read(
        &self,
        cursor: &mut Cursor,
        budget: usize,
        out: &mut Vec<Bytes>,
    ) -> Result<usize, Gap> {
        let mut guard = lock(&self.state);
        let taken = guard.log.read(cursor, budget, out);
        if let Some(hold) = &mut guard.hold {
            hold.handle_read(cursor.owner, cursor.ordinal);
            self.yield_room(&mut guard);
        }
        self.count(&mut guard);
        taken.map_err(|missed| Gap { missed, reason: GapReason::Behind })
    }

    /// Members that are announced: at most `limit`, by name, those after `after`; and whether there are
    /// more.
    pub fn members(&self, after: Option<&str>, limit: usize) -> (Vec<(UserId, SessionId)>, bool) {
        self.page(after, limit, false)
    }

    /// The same with those who hear nothing and are not announced.
    pub fn everyone(&self, after: Option<&str>, limit: usize) -> (Vec<(UserId, SessionId)>, bool) {
        self.page(after, limit, true)
    }

    fn page(
        &self,
        after: Option<&str>,
        limit: usize,
        hidden: bool,
    ) -> (Vec<(UserId, SessionId)>, bool) {
        let state = lock(&self.state);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut wanted = state
            .members
            .range::<str, _>((from, Bound::Unbounded))
            .filter(|(_, member)| hidden || !member.hidden)
            .map(|(user, member)| (user.clone(), member.mailbox.session().clone()));
        let page = wanted.by_ref().take(limit).collect();
        (page, wanted.next().is_some())
    }

    /// Members that are announced, and the number of the next record.
    pub fn summary(&self) -> (usize, Seq) {
        let state = lock(&self.state);
        (state.present, Seq(state.log.last().seq.0 + 1))
    }

    /// What there is to say of it, for whoever asks.
    pub fn summarise(&self) -> Summary {
        let state = lock(&self.state);
        let (log, last) = (&state.log, state.log.last());
        Summary {
            name: self.name.clone(),
            epoch: self.epoch.clone(),
            members: state.members.len(),
            next_seq: Seq(last.seq.0 + 1),
            records: log.kept(),
            log_bytes: log.held_bytes(),
            oldest_ms: log.oldest_ms(),
            newest_ms: Some(last.time_ms).filter(|_| log.kept() > 0),
        }
    }

    /// How far a cursor is behind.
    pub fn lag(&self, cursor: &Cursor, now_ms: u64) -> Lag {
        lock(&self.state).log.lag(cursor, now_ms)
    }

    /// How old the oldest record is that a cursor has not read; `None` if it has read all.
    pub fn age(&self, cursor: &Cursor, now_ms: u64) -> Option<Duration> {
        lock(&self.state).log.age(cursor, now_ms)
    }

    /// Does what time asks for: old records leave, engines that do not answer are given up, publishers
    /// that say nothing are forgotten after `remember`. Whether nothing is left that anybody could miss.
    pub(super) fn sweep(&self, now_ms: u64, remember: Duration) -> bool {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        state.now_ms = state.now_ms.max(now_ms);
        self.settle(state);
        state.log.trim(&state.policy.keep_at(now_ms));
        state.log.trim_presence(now_ms.saturating_sub(PRESENCE_MS));
        if state.waiting {
            state.waiting = false;
            for publisher in state.publishers.values_mut() {
                while let Some(late) = publisher.overdue(now_ms) {
                    self.tell_refused(publisher, late, "engine_timeout");
                }
                state.waiting |= publisher.is_waiting();
            }
        }
        // All publishers of a large room are many: not each time.
        if state.members.is_empty() || now_ms.abs_diff(state.tidied_ms) >= FORGET_EVERY_MS {
            state.tidied_ms = now_ms;
            state.publishers.retain(|_, publisher| !publisher.is_idle(now_ms, remember));
        }
        if state.hold.is_some() {
            self.sweep_hold(state, now_ms);
        }
        self.count(state);
        state.is_disposable()
    }

    /// Ends the room if nothing is left that anybody could miss; then whether it ever had a record.
    pub(super) fn dispose(&self) -> Option<bool> {
        let mut state = lock(&self.state);
        if !state.is_disposable() {
            return None;
        }
        state.gone = true;
        let used = state.log.count() > 0;
        // Presence events that nobody is there to hear.
        state.log = Log::new();
        self.count(&mut state);
        Some(used)
    }

    /// How many bytes the log holds that may leave, and when its newest record came.
    pub(super) fn held(&self) -> (usize, u64) {
        let state = lock(&self.state);
        let held = state.log.held_bytes() - state.log.unread_bytes();
        (held, state.log.last().time_ms)
    }

    /// Keeps only the newest `bytes` bytes, but the newest `spared` chunks in any case.
    pub(super) fn shrink(&self, bytes: usize, spared: usize) {
        let mut state = lock(&self.state);
        if state.log.held_bytes() > bytes {
            state.log.shrink(bytes, spared);
            self.count(&mut state);
        }
    }

    /// Tells the home how much the room holds by now.
    fn count(&self, state: &mut State) {
        let (log, publishers) = (state.log.held_bytes(), state.publishers.len());
        let now = Holding { log, publishers, members: state.members.len() };
        if now != state.counted {
            self.home.handle_held(state.counted, now);
            state.counted = now;
        }
        if state.hold.is_some() {
            self.count_unread(state);
        }
    }
}

impl State {
    fn is_disposable(&self) -> bool {
        self.members.is_empty() && self.publishers.is_empty() && self.log.is_empty()
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("name", &self.name).finish_non_exhaustive()
    }
}
