//! Where others leave word for a connection: its own task alone reads it, and alone touches its state.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::id::{Channel, ConnectionId, PublishId, RoomName, Seq, SessionId};
use crate::limits::UNREAD_BYTES;
use crate::peer::Report;
use crate::sync::lock;
use crate::wire::{Status, Tag};

/// Word for a connection.
#[derive(Debug)]
pub enum Mail {
    /// A whole frame to send, from a handler.
    Frame(Bytes),
    /// An application handler is done with a request.
    Answer(Parcel),
    /// An engine took a publish, and with it all before it.
    Ack {
        /// Where.
        room: RoomName,
        /// The publisher's number.
        publish_id: PublishId,
        /// The record's.
        seq: Seq,
    },
    /// An engine did not take a publish.
    Refused {
        /// Where.
        room: RoomName,
        /// The room's number.
        channel: Channel,
        /// The publisher's number.
        publish_id: PublishId,
        /// For programs.
        reason: &'static str,
    },
    /// A room has room again: a publish that waits for it may be tried again.
    Room,
    /// This connection has held up who publishes to that room for too long without reading anything.
    Slow(RoomName),
    /// Another connection of the same client takes over; it waits until this one has left its rooms.
    Taken(Arc<Mailbox>),
    /// The connection that was taken over has left its rooms.
    Vacated,
    /// The server is about to end: say so, and go on until the turn to close comes.
    GoAway {
        /// For programs.
        reason: &'static str,
        /// After how long to come back.
        reconnect: Duration,
    },
    /// Its turn to close has come: read nothing more, deliver what there is, say goodbye.
    Close,
    /// The time to end in order is over.
    ShutDown,
    /// Somebody has the connection end: say so, deliver what there is, close.
    Kick {
        /// After how long it may come back.
        reconnect: Duration,
    },
    /// Somebody wants to know how the connection is. Whoever asks waits for a moment and then no longer.
    Report(UnboundedSender<Report>),
}

impl Mail {
    fn is_ack_of(&self, name: &RoomName) -> bool {
        matches!(self, Self::Ack { room, .. } if room == name)
    }

    fn is_stale(&self) -> bool {
        matches!(self, Self::Report(asker) if asker.is_closed())
    }
}

/// What an application handler answered.
#[derive(Debug)]
pub struct Parcel {
    /// The tag that was asked for.
    pub tag: Tag,
    /// The number of the CALL; `None` for a bare frame.
    pub call_id: Option<u32>,
    /// How it ended.
    pub status: Status,
    /// The reply, or for [`Status::Failed`] the text; `None` for no reply.
    pub reply: Option<Bytes>,
    /// From decoded to handled.
    pub took: Duration,
}

/// A connection as others see it: a name, a bell, and a box.
pub struct Mailbox {
    id: ConnectionId,
    session: SessionId,
    /// Set once: one task drives a connection for all its life.
    waker: OnceLock<Waker>,
    attention: AtomicBool,
    filled: AtomicBool,
    mail: Mutex<Vec<Mail>>,
    /// Bytes of frames from handlers that the peer has not been sent yet.
    unsent: AtomicUsize,
    room: Notify,
    closed: AtomicBool,
}

impl Mailbox {
    /// An empty box.
    pub fn new(id: ConnectionId, session: SessionId) -> Self {
        Self {
            id,
            session,
            waker: OnceLock::new(),
            attention: AtomicBool::new(true),
            filled: AtomicBool::new(false),
            mail: Mutex::default(),
            unsent: AtomicUsize::new(0),
            room: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// The connection's number.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The connection's public name.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// Says which task to wake. The first word counts.
    pub fn attach(&self, waker: &Waker) {
        if self.waker.get().is_none() {
            let _ = self.waker.set(waker.clone());
        }
    }

    /// Wakes the connection's task.
    #[inline]
    pub fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Whether the connection's own socket or timer rang since the last time; true at first.
    #[inline]
    pub fn take_attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed) && self.attention.swap(false, Ordering::Acquire)
    }

    /// Leaves word and wakes the task. After the connection has ended it is dropped.
    pub fn post(&self, mail: Mail) {
        let mut letters = lock(&self.mail);
        if self.is_closed() {
            drop(letters);
            Self::bounce(mail);
            return;
        }
        if matches!(mail, Mail::Report(_)) {
            // A task that does not get to its mail is asked again and again: no letter for each time.
            letters.retain(|letter| !letter.is_stale());
        }
        match (&mail, letters.last_mut()) {
            // An acknowledgement covers all before it: an engine's many take no more room than one.
            (Mail::Ack { room, .. }, Some(last @ Mail::Ack { .. })) if last.is_ack_of(room) => {
                *last = mail;
            }
            _ => letters.push(mail),
        }
        drop(letters);
        self.filled.store(true, Ordering::Release);
        self.wake();
    }

    /// Who waits for a connection to leave must not wait for one that has left.
    fn bounce(mail: Mail) {
        if let Mail::Taken(by) = mail {
            by.post(Mail::Vacated);
        }
    }

    /// Takes what is there, in the order in which it was left; empty at no cost.
    pub fn collect(&self) -> Vec<Mail> {
        if !self.filled.load(Ordering::Relaxed) || !self.filled.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *lock(&self.mail))
    }

    /// Leaves a frame for the peer, waiting while 64 KiB of such frames are unsent.
    ///
    /// # Errors
    ///
    /// Gives the frame back if the connection has ended.
    pub async fn send(&self, frame: Bytes) -> Result<(), Bytes> {
        loop {
            let space = self.room.notified();
            tokio::pin!(space);
            // Ask to be told first, then look: a frame taken in between is not missed.
            space.as_mut().enable();
            if self.is_closed() {
                return Err(frame);
            }
            // In one step, or many handlers at once would each find the same space.
            let taken = self.unsent.fetch_update(Ordering::AcqRel, Ordering::Acquire, |unsent| {
                (unsent < UNREAD_BYTES).then(|| unsent + frame.len())
            });
            if taken.is_ok() {
                self.post(Mail::Frame(frame));
                return Ok(());
            }
            space.await;
        }
    }

    /// Frames of `bytes` bytes that [`Mailbox::send`] left are on their way.
    pub fn handle_sent(&self, bytes: usize) {
        let before = self.unsent.fetch_sub(bytes, Ordering::AcqRel);
        if before >= UNREAD_BYTES {
            self.room.notify_waiters();
        }
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The connection has ended: nobody waits for it any longer.
    pub fn close(&self) {
        let mut letters = lock(&self.mail);
        self.closed.store(true, Ordering::Release);
        let left = std::mem::take(&mut *letters);
        drop(letters);
        left.into_iter().for_each(Self::bounce);
        self.room.notify_waiters();
    }
}

/// Wakes a connection's task for its own socket and timer.
///
/// Rooms wake the task directly: it then knows that there is nothing to read and no deadline to look at,
/// which is most of its turns.
#[derive(Debug)]
pub struct Bell(Arc<Mailbox>);

impl Bell {
    /// A waker for the sockets and timers of that connection.
    pub fn waker(mailbox: Arc<Mailbox>) -> Waker {
        Arc::new(Self(mailbox)).into()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.attention.store(true, Ordering::Release);
        self.0.wake();
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("session", &self.session).finish_non_exhaustive()
    }
}
