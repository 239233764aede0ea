//! All rooms of a server, by name: made when somebody enters, freed when nothing is left to miss.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::Guard;

use crate::id::{Channel, ConnectionId, NodeId, PublishId, RoomName, UserId};
use crate::limits::{Live, Settings};
use crate::room::engine::{Engine, PublisherId, Ticket};
use crate::room::publisher::REMEMBER;
use crate::room::wake::{Doorbell, WorkerId};
use crate::room::{Published, Room};
use crate::sync::lock;

/// Publishers that all rooms remember for as long as they should; about 100 MiB. More are forgotten
/// sooner, in proportion.
const PUBLISHERS: usize = 1 << 18;
/// Rooms that a sweep takes from the registry at once.
const SWEEP_PAGE: usize = 1024;

/// What rooms are made with.
#[derive(Debug)]
pub struct RoomsConfig {
    /// The life of this server, which begins every epoch.
    pub node: NodeId,
    /// What each keeps and says, how many there may be, and how many members each may have.
    pub settings: Arc<Live>,
    /// How many workers drive connections.
    pub workers: usize,
    /// Where records come from.
    pub engine: Box<dyn Engine>,
}

/// What every room knows of its server.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) config: RoomsConfig,
    pub(super) doorbells: Box<[Doorbell]>,
    /// What all rooms hold.
    held: AtomicUsize,
    publishers: AtomicUsize,
    members: AtomicUsize,
    /// Bytes that must not leave rooms with the policy `pause`: somebody has yet to read them.
    unread: AtomicUsize,
    /// Records that an engine stored later than it was asked, for publishers of this node.
    pub(super) fed: AtomicU64,
}

/// What a room holds, as its home counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// Bytes of its log.
    pub(super) log: usize,
    /// Publishers that it remembers.
    pub(super) publishers: usize,
    /// Members.
    pub(super) members: usize,
}

/// What all rooms together hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomsTally {
    /// Rooms there are.
    pub rooms: usize,
    /// Members, each as often as it is in a room.
    pub members: usize,
    /// Bytes of all logs.
    pub log_bytes: usize,
    /// Publishers that are remembered, to recognise what they send again.
    pub publishers: usize,
}

impl Home {
    /// The newest settings.
    #[inline]
    pub(super) fn settings(&self) -> Guard<Arc<Settings>> {
        self.config.settings.get()
    }

    /// A room that held so much `before` holds so much `now`.
    #[inline]
    pub(super) fn handle_held(&self, before: Holding, now: Holding) {
        count(&self.held, before.log, now.log);
        count(&self.publishers, before.publishers, now.publishers);
        count(&self.members, before.members, now.members);
    }

    /// A room of whose log `before` bytes must not leave has so many `now`.
    pub(super) fn handle_unread(&self, before: usize, now: usize) {
        count(&self.unread, before, now);
    }

    /// Whether rooms that pause hold so much that they leave too little to the others: half of all.
    pub(super) fn is_crowded(&self) -> bool {
        self.unread.load(Ordering::Relaxed) > self.settings().rooms.keep_total / 2
    }

    /// How long a publisher is remembered that says nothing more: shorter when there are too many.
    fn remember(&self) -> Duration {
        let publishers = self.publishers.load(Ordering::Relaxed).max(PUBLISHERS);
        REMEMBER.mul_f64(PUBLISHERS as f64 / publishers as f64)
    }
}

/// Counts that something of `before` is of `now`.
#[inline]
fn count(counter: &AtomicUsize, before: usize, now: usize) {
    // Wraps around for a difference below zero, which is what it should.
    if now != before {
        counter.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }
}

/// There are as many rooms as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// All rooms of a server.
#[derive(Debug)]
pub struct Rooms {
    home: Arc<Home>,
    rooms: Mutex<BTreeMap<RoomName, Arc<Room>>>,
    channels: AtomicU32,
    /// How many rooms were freed whose numbering had begun. A room that is made anew after that cannot
    /// prove that it is not one of them: it begins another epoch.
    generation: AtomicU64,
    /// Whether some thread is cutting logs: one is enough.
    cutting: AtomicBool,
}

impl Rooms {
    /// No rooms yet.
    pub fn new(config: RoomsConfig) -> Self {
        let doorbells = (0..config.workers).map(|_| Doorbell::default()).collect();
        let [held, publishers, members, unread] = [(); 4].map(|()| AtomicUsize::new(0));
        let fed = AtomicU64::new(0);
        let home = Home { config, doorbells, held, publishers, members, unread, fed };
        Self {
            home: Arc::new(home),
            rooms: Mutex::default(),
            channels: AtomicU32::new(1),
            generation: AtomicU64::new(0),
            cutting: AtomicBool::new(false),
        }
    }

    /// Where a worker hears of news; `None` for a number that no worker has.
    pub fn doorbell(&self, worker: WorkerId) -> Option<&Doorbell> {
        self.home.doorbells.get(worker.0)
    }

    /// The room of that name, if there is one.
    pub fn get(&self, name: &str) -> Option<Arc<Room>> {
        lock(&self.rooms).get(name).cloned()
    }

    /// The room of that name, which is made if there is none.
    ///
    /// # Errors
    ///
    /// Returns [`Full`] if it would be one too many.
    pub fn open(&self, name: &RoomName) -> Result<Arc<Room>, Full> {
        let mut rooms = lock(&self.rooms);
        if let Some(room) = rooms.get(name) {
            return Ok(room.clone());
        }
        if rooms.len() >= self.home.settings().limits.rooms {
            return Err(Full);
        }
        let channel = Channel(self.channels.fetch_add(1, Ordering::Relaxed));
        let generation = self.generation.load(Ordering::Relaxed);
        let epoch = format!("{}.{generation}", self.home.config.node).into();
        let room = Arc::new(Room::new(name.clone(), channel, epoch, self.home.clone()));
        rooms.insert(name.clone(), room.clone());
        Ok(room)
    }

    /// Frees a room if nobody could miss anything of it.
    pub fn tidy(&self, room: &Room) {
        let mut rooms = lock(&self.rooms);
        if rooms.get(room.name()).is_some_and(|known| std::ptr::eq(&**known, room))
            && let Some(used) = room.dispose()
        {
            rooms.remove(room.name());
            self.generation.fetch_add(u64::from(used), Ordering::Relaxed);
        }
    }

    /// Rooms by name, at most `limit`, those after `after`; and whether there are more.
    pub fn list(&self, after: Option<&str>, limit: usize) -> (Vec<Arc<Room>>, bool) {
        let rooms = lock(&self.rooms);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest =
            rooms.range::<str, _>((from, Bound::Unbounded)).map(|(_, room)| room.clone());
        let page = rest.by_ref().take(limit).collect();
        (page, rest.next().is_some())
    }

    /// How many rooms there are, and the bytes that their logs hold.
    pub fn totals(&self) -> (usize, usize) {
        (lock(&self.rooms).len(), self.home.held.load(Ordering::Relaxed))
    }

    /// What they hold. Locks no room.
    pub fn tally(&self) -> RoomsTally {
        let rooms = lock(&self.rooms).len();
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        RoomsTally {
            rooms,
            members: read(&self.home.members),
            log_bytes: read(&self.home.held),
            publishers: read(&self.home.publishers),
        }
    }

    /// Publishes that an engine stored later than it was asked.
    pub fn fed(&self) -> u64 {
        self.home.fed.load(Ordering::Relaxed)
    }

    /// Publishes from the server itself, as `user_id`; makes the room if there is none.
    ///
    /// # Errors
    ///
    /// Returns [`Full`] if the room would be one too many.
    pub fn publish(
        &self,
        name: &RoomName,
        user_id: &UserId,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Published, Full> {
        loop {
            let room = self.open(name)?;
            let ticket = Ticket {
                publisher: PublisherId(0),
                connection: ConnectionId(0),
                publish_id: PublishId(0),
                channel: room.channel(),
            };
            if let Some(published) = room.try_publish(None, ticket, user_id, body, now_ms) {
                room.wake(None);
                self.relieve();
                return Ok(published);
            }
        }
    }

    /// Does what time asks for in every room; once a second is enough.
    pub fn sweep(&self, now_ms: u64) {
        let (remember, mut after) = (self.home.remember(), None::<RoomName>);
        loop {
            // In pages: nobody waits long for the lock, and no list of all rooms is made.
            let (page, more) = self.list(after.as_ref().map(RoomName::as_str), SWEEP_PAGE);
            for room in &page {
                if room.sweep(now_ms, remember) {
                    self.tidy(room);
                }
            }
            match page.last() {
                Some(last) if more => after = Some(last.name().clone()),
                _ => break,
            }
        }
        self.relieve();
    }

    /// If all logs together hold more than they may, cuts the largest down to the size at which they fit.
    #[inline]
    pub fn relieve(&self) {
        let bound = self.home.settings().rooms.keep_total;
        if self.home.held.load(Ordering::Relaxed) > bound
            && !self.cutting.swap(true, Ordering::Acquire)
        {
            self.cut(bound - bound / 8);
            self.cutting.store(false, Ordering::Release);
        }
    }

    /// Cuts the largest logs so that all together hold at most `bound` bytes: an eighth less than they
    /// may, so that it is rarely needed. What came last to a room stays as long as that is enough; then
    /// the rooms give it up in which nothing has come for longest.
    fn cut(&self, bound: usize) {
        let all: Vec<_> = lock(&self.rooms).values().cloned().collect();
        let mut sizes: Vec<_> = all.iter().map(|room| room.held().0).collect();
        sizes.sort_unstable();
        let unread = self.home.unread.load(Ordering::Relaxed);
        let share = fair_share(&sizes, bound.saturating_sub(unread));
        all.iter().for_each(|room| room.shrink(share, 1));
        let held = || self.home.held.load(Ordering::Relaxed);
        if held() > bound {
            let mut silent = all;
            silent.sort_by_cached_key(|room| room.held().1);
            silent.iter().take_while(|_| held() > bound).for_each(|room| room.shrink(0, 0));
        }
    }
}

/// The size that every larger one must be cut down to, so that all together are at most `bound`.
/// `sizes` rise.
fn fair_share(sizes: &[usize], bound: usize) -> usize {
    let mut left = bound;
    for (i, &size) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - i);
        if size > share {
            return share;
        }
        left -= size;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::fair_share;

    #[test]
    fn the_share_cuts_the_largest_only() {
        assert_eq!(fair_share(&[1, 2, 3], 10), usize::MAX);
        assert_eq!(fair_share(&[1, 2, 30], 10), 7);
        assert_eq!(fair_share(&[1, 20, 30], 11), 5);
        assert_eq!(fair_share(&[], 0), usize::MAX);
    }
}
