//! The task of one connection: mail, deadlines, reading, writing, and how it ends.
//!
//! A turn reads what has arrived, acts on it and wakes the rooms once, then writes: first what the peer
//! is owed as replies, then runs of records as its cursors come by them. It writes only when all that
//! was sealed before has left. Each turn is bounded, so that one peer never holds up the others.

mod mail;
mod read;
mod write;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use self::write::Unsent;
use crate::connection::share::Share;
use crate::connection::{Protocol, Transport};
use crate::peer::{Bell, Due};
use crate::session::{Closed, Problem, Session};
use crate::sync::now as clock;
use crate::wire::{Code, Event};

/// Bytes that one read takes, at most.
const READ_BYTES: usize = 64 << 10;
/// What a worker's connections share: no connection keeps a buffer while nothing happens.
struct Scratch {
    input: Vec<u8>,
    pieces: VecDeque<Bytes>,
    frames: Vec<Bytes>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; READ_BYTES],
        pieces: VecDeque::new(),
        frames: Vec::new(),
    });
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing more is read; what the peer is owed until now is still delivered.
    Ending(Closed),
    /// The peer was told what is wrong: only that is still delivered.
    Failing(Closed),
}

/// One peer over a transport, until it ends.
///
/// It must be polled by one task all its life: others wake that one.
#[derive(Debug)]
pub struct Connection<T, P> {
    transport: T,
    protocol: P,
    session: Session,
    phase: Phase,
    /// What the peer was told is wrong, if it is.
    code: Option<Code>,
    timer: Pin<Box<Sleep>>,
    /// What its socket and its timer ring.
    bell: Waker,
    /// What was begun to be sent and did not fit: goes on before anything else.
    rest: VecDeque<Bytes>,
    /// Frames from handlers, and their bytes.
    letters: Vec<Bytes>,
    letter_bytes: usize,
    blocked: bool,
    /// Bytes of heap that hold what is not whole yet.
    held: Share,
    /// Bytes that were sealed last, and those of them that the peer does not take.
    sealed: u64,
    unsent: Share,
}

impl<T: Transport, P: Protocol> Connection<T, P> {
    /// A connection that has just been set up.
    pub fn new(transport: T, protocol: P, session: Session) -> Self {
        let bell = Bell::waker(session.mailbox().clone());
        let deadline = session.poll_timeout().unwrap_or_else(far_away);
        let share = |counter| Share::new(session.node().clone(), counter);
        let (held, unsent) = (share(|all| &all.unfinished), share(|all| &all.unsent));
        Self {
            transport,
            protocol,
            session,
            phase: Phase::Open,
            code: None,
            timer: Box::pin(sleep_until(deadline)),
            bell,
            rest: VecDeque::new(),
            letters: Vec::new(),
            letter_bytes: 0,
            blocked: false,
            held,
            sealed: 0,
            unsent,
        }
    }

    /// Ends the session, which leaves its rooms, and gives back the transport.
    pub fn into_transport(mut self) -> T {
        self.session.end();
        self.transport
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The code of the error that ends it, once one does.
    pub fn code(&self) -> Option<Code> {
        self.code
    }

    fn turn(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Closed> {
        // A turn leaves nothing here. If one ended by a panic, what it left is another peer's.
        scratch.pieces.clear();
        scratch.frames.clear();
        // Most turns are about a room's news alone: then there is nothing to read, and no deadline came.
        let attention = self.session.mailbox().take_attention() | self.read_mail();
        let mut again = false;
        if attention {
            if let Some(why) = self.check_deadlines(cx) {
                return Poll::Ready(why);
            }
            again = match self.poll_read(cx, scratch) {
                Ok(more) => more,
                Err(error) => return Poll::Ready(self.broken(cx, &error)),
            };
        }
        let piled = self.session.is_piled();
        let unsent = match self.poll_write(cx, scratch) {
            Ok(unsent) => unsent,
            Err(error) => return Poll::Ready(self.broken(cx, &error)),
        };
        if piled && !self.session.is_piled() {
            self.resume();
            again = true;
        }
        match self.phase {
            Phase::Failing(why) if unsent == Unsent::Nothing => return Poll::Ready(why),
            Phase::Ending(why) if unsent == Unsent::Nothing && self.is_done(why) => {
                return Poll::Ready(why);
            }
            _ => {}
        }
        if attention || self.blocked {
            self.set_timer(cx);
        }
        // Bounded turns: whoever has more to do goes to the end of the queue.
        if again || unsent == Unsent::More {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Does what is due; how the connection ends, if it ends at once.
    fn check_deadlines(&mut self, cx: &mut Context<'_>) -> Option<Closed> {
        while self.timer.as_mut().poll(cx).is_ready() {
            match self.session.handle_timeout(clock()) {
                Due::Nothing => {}
                Due::Ping(_) if matches!(self.phase, Phase::Failing(_)) => {}
                Due::Ping(number) => self.protocol.ping(&mut self.session, number),
                Due::Dead(why) if self.blocked || self.phase != Phase::Open => {
                    // Who takes nothing is told nothing: what was sealed would never leave.
                    tracing::debug!(session = %self.session.mailbox().session(), why, "dead");
                    return Some(Closed::Idle);
                }
                Due::Dead(why) => self.fail(&Problem::new(Code::Idle, why), Closed::Idle),
            }
            let next = self.session.poll_timeout().unwrap_or_else(far_away);
            self.timer.as_mut().reset(next.max(clock()));
        }
        None
    }

    /// Has the task woken in time. A deadline that has moved away is looked at when it would have come.
    fn set_timer(&mut self, cx: &mut Context<'_>) {
        let Some(next) = self.session.poll_timeout() else { return };
        if next < self.timer.deadline() {
            self.timer.as_mut().reset(next);
            if self.timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }

    /// What held requests up is over, such as replies that had piled up: handlers go on.
    fn resume(&mut self) {
        if let Err(problem) = self.protocol.resume(&mut self.session, clock()) {
            self.fail(&problem, Closed::Refused);
        }
        self.settle();
    }

    fn is_waiting(&self) -> bool {
        self.protocol.is_waiting(&self.session)
    }

    /// After acting on input: wakes rooms, once for all that was published, and acknowledges.
    fn settle(&mut self) {
        self.session.wake_rooms();
        for (room, publish_id, seq) in self.session.take_acks() {
            let room_id = room.as_str();
            let event = Event::Ack { room_id, publish_id: publish_id.0, seq: seq.0 };
            self.protocol.say(&mut self.session, &event);
        }
    }

    /// Puts what handlers sent among the replies; it counts as unsent until those leave.
    fn file_letters(&mut self) {
        for letter in self.letters.drain(..) {
            self.session.traffic.frames_out += 1;
            self.session.outbox().extend_from_slice(&letter);
        }
    }

    /// Whether the peer waits for nothing that is still being worked on. Who goes by itself is not kept
    /// for what an engine has: it asks again when it comes back.
    fn is_done(&self, why: Closed) -> bool {
        self.protocol.in_flight() == 0 && (why != Closed::Drained || self.session.is_answered())
    }

    /// Reads nothing more, and ends when the peer has what it is owed until now.
    fn end(&mut self, why: Closed) {
        if self.phase == Phase::Open {
            let gave_up = self.give_up();
            self.session.close();
            self.phase = Phase::Ending(why);
            if gave_up {
                self.resume();
            }
        }
    }

    /// Refuses a publish that waits for room: it will not be accepted any more. Whether there was one.
    fn give_up(&mut self) -> bool {
        let Some(problem) = self.session.give_up() else { return false };
        self.protocol.refuse(&mut self.session, &problem);
        true
    }

    /// Tells the peer what is wrong, after all that it was owed until now but records, and ends.
    fn fail(&mut self, problem: &Problem, why: Closed) {
        if !matches!(self.phase, Phase::Failing(_)) {
            self.settle();
            self.file_letters();
            self.give_up();
            self.protocol.refuse(&mut self.session, problem);
            self.session.close();
            self.phase = Phase::Failing(why);
            self.code = Some(problem.code);
        }
    }

    /// The transport failed: an alert may still leave.
    fn broken(&mut self, cx: &mut Context<'_>, error: &io::Error) -> Closed {
        tracing::debug!(session = %self.session.mailbox().session(), %error, "broken");
        let _ = self.transport.poll_flush(cx);
        Closed::Broken
    }
}

impl<T: Transport, P: Protocol> Future for Connection<T, P> {
    type Output = Closed;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Closed> {
        let this = self.get_mut();
        this.session.mailbox().attach(cx.waker());
        let bell = std::mem::replace(&mut this.bell, Waker::noop().clone());
        let mut own = Context::from_waker(&bell);
        let turned = SCRATCH.with_borrow_mut(|scratch| this.turn(&mut own, scratch));
        this.bell = bell;
        turned
    }
}

/// A deadline for who has none.
fn far_away() -> Instant {
    clock() + std::time::Duration::from_secs(86_400)
}
