//! Who is woken when a room's log has grown: each worker wakes its own members, once per batch.
//!
//! A publish wakes the members on its own worker directly, and tells each other worker that has members
//! there by one word at its [`Doorbell`], however many members or publishes there are.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use slab::Slab;
use tokio::sync::Notify;

use crate::peer::Mailbox;
use crate::room::Room;
use crate::sync::lock;

/// The number of a worker of this server, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerId(pub usize);

/// Where a worker hears which rooms have news.
#[derive(Default)]
pub struct Doorbell {
    rooms: Mutex<Vec<Arc<Room>>>,
    ring: Notify,
}

impl Doorbell {
    fn ring(&self, room: Arc<Room>) {
        lock(&self.rooms).push(room);
        self.ring.notify_one();
    }

    /// Wakes the worker's members of each room with news, for as long as the worker runs.
    pub async fn answer(&self, worker: WorkerId) {
        loop {
            // A ring during the walk is remembered by `Notify` and begins another one.
            self.ring.notified().await;
            let rooms = std::mem::take(&mut *lock(&self.rooms));
            for room in rooms {
                room.audience().answer(worker);
            }
        }
    }
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorbell").finish_non_exhaustive()
    }
}

/// A room's members as tasks to wake, by worker.
#[derive(Debug)]
pub struct Audience {
    seats: Box<[Seats]>,
}

#[derive(Debug, Default)]
struct Seats {
    members: Mutex<Slab<Arc<Mailbox>>>,
    taken: AtomicUsize,
    /// Whether the worker was told of news that it has not walked yet.
    told: AtomicBool,
}

impl Audience {
    pub(super) fn new(workers: usize) -> Self {
        Self { seats: (0..workers).map(|_| Seats::default()).collect() }
    }

    /// Adds a connection that `worker` drives; the key gives the seat back.
    pub fn sit(&self, worker: WorkerId, mailbox: Arc<Mailbox>) -> usize {
        let Some(seats) = self.seats.get(worker.0) else { return 0 };
        let mut members = lock(&seats.members);
        let key = members.insert(mailbox);
        seats.taken.store(members.len(), Ordering::SeqCst);
        key
    }

    /// Removes a connection by its key.
    pub fn rise(&self, worker: WorkerId, key: usize) {
        let Some(seats) = self.seats.get(worker.0) else { return };
        let mut members = lock(&seats.members);
        members.try_remove(key);
        seats.taken.store(members.len(), Ordering::SeqCst);
        if members.is_empty() {
            // A crowd that has gone leaves no memory behind.
            *members = Slab::new();
        }
    }

    /// Wakes everyone: the members of `own` worker here and now, others through their workers.
    pub(super) fn wake(&self, room: &Arc<Room>, own: Option<WorkerId>, doorbells: &[Doorbell]) {
        for (number, (seats, doorbell)) in self.seats.iter().zip(doorbells).enumerate() {
            if own == Some(WorkerId(number)) {
                self.wake_own(WorkerId(number));
            } else if seats.taken.load(Ordering::SeqCst) > 0
                && !seats.told.swap(true, Ordering::SeqCst)
            {
                doorbell.ring(room.clone());
            }
        }
    }

    /// Wakes the members that a worker drives, which was told of news; called on that worker.
    fn answer(&self, worker: WorkerId) {
        let Some(seats) = self.seats.get(worker.0) else { return };
        // First be ready to be told again, then wake: news in between rings once more. A swap, not a
        // store: it sees what those did who found the worker told already.
        seats.told.swap(false, Ordering::SeqCst);
        self.wake_own(worker);
    }

    /// Wakes the members that a worker drives; called on that worker.
    fn wake_own(&self, worker: WorkerId) {
        let Some(seats) = self.seats.get(worker.0) else { return };
        for (_, member) in lock(&seats.members).iter() {
            member.wake();
        }
    }
}
