//! Reading: what has arrived goes to the protocol, within bounds.

use std::io;
use std::task::{Context, Poll};

use super::{Connection, Phase, Scratch};
use crate::connection::{Protocol, Received, Transport};
use crate::session::{Closed, Problem};
use crate::sync::{now as clock, wall_ms};
use crate::wire::Code;

/// Reads of one turn.
const READS: usize = 2;
/// Frames, or lines, that one read acts on: small ones are thousands in 64 KiB, and a publish each.
const FRAMES: u64 = 256;

impl<T: Transport, P: Protocol> Connection<T, P> {
    /// Reads what has arrived, and acts on it; whether there may be more.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> io::Result<bool> {
        self.session.settle_rates();
        for _ in 0..READS {
            if self.phase != Phase::Open {
                return Ok(false);
            }
            if self.is_waiting() {
                self.session.vitals.handle_paused(clock(), true);
                return Ok(false);
            }
            if self.session.vitals.is_paused() {
                self.session.vitals.handle_paused(clock(), false);
            }
            match self.read_once(cx, scratch) {
                Poll::Pending => return Ok(false),
                Poll::Ready(received) => match received? {
                    Received::Taken | Received::Left => {}
                    Received::Closed => self.end(Closed::ByPeer),
                    Received::Truncated => self.end(Closed::Truncated),
                },
            }
        }
        Ok(self.phase == Phase::Open)
    }

    fn read_once(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<Received>> {
        let Self { transport, protocol, session, .. } = self;
        let mut problem = None;
        let mut heard = None;
        let frames = session.traffic.frames_in;
        let received = transport.poll_receive(cx, &mut scratch.input, &mut |bytes| {
            let now = *heard.get_or_insert_with(|| {
                session.begin(wall_ms());
                clock()
            });
            if problem.is_some() {
                session.traffic.bytes_in += bytes.len() as u64;
                return bytes.len();
            }
            let portion = session.portion(bytes.len());
            let mut input = bytes.get(..portion).unwrap_or(bytes);
            problem = protocol.receive(session, &mut input, now, frames + FRAMES).err();
            let taken = portion - input.len();
            session.handle_bytes(taken);
            taken
        });
        if let Some(now) = heard {
            let frames = session.traffic.frames_in > frames;
            session.vitals.handle_input(now, protocol.begun(), frames);
            self.count_held();
            // Here, and not where the socket had something: what was decrypted before may be all there is.
            self.settle();
        }
        if let Some(problem) = problem {
            self.fail(&problem, Closed::Refused);
        } else if self.session.is_closing() {
            // The person said so.
            self.end(Closed::ByPeer);
        }
        received
    }

    /// Takes part in the bound on what all connections hold of unfinished frames.
    fn count_held(&mut self) {
        let (held, before) = (self.protocol.held() as u64, self.held.bytes());
        self.held.set(held);
        let bound = self.session.node().settings().limits.unfinished as u64;
        if held > before && self.held.all() > bound {
            let message = "the server holds as many unfinished frames as it may";
            let problem = Problem::new(Code::RateLimited, message);
            self.fail(&Problem { fatal: true, ..problem }, Closed::Refused);
        }
    }
}
