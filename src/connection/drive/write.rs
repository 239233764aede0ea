//! Writing: replies first, then runs of records, and no more than the peer takes.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{Connection, Phase, Scratch};
use crate::connection::{Protocol, Transport};
use crate::session::Closed;
use crate::sync::{now as clock, wall_ms};

/// Writes of one turn.
const WRITES: usize = 4;
/// Plaintext that is gathered for one write: four TLS records.
const GATHER_BYTES: usize = 64 << 10;
/// Plaintext that one write carries at most: a record more, so that a frame that goes a little over does
/// not leave 20 bytes for a write of their own.
const SEAL_BYTES: usize = 80 << 10;
/// When this much is sealed for peers who do not take it, everybody gets small writes: what is sealed cannot
/// be shared, and a large record may have thousands of readers.
const UNSENT_BYTES: u64 = 2 << 20;
/// A small write: with 22 bytes of TLS around it, it is 4 KiB of memory.
const SEAL_BYTES_CROWDED: usize = (4 << 10) - 22;
/// A remainder up to this size is copied when its reader stops, so that it pins no segment of a log.
const UNPIN_BYTES: usize = 16 << 10;

impl<T: Transport, P: Protocol> Connection<T, P> {
    /// Writes what the peer is owed.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> io::Result<Unsent> {
        for _ in 0..WRITES {
            if !self.poll_flush(cx)? {
                return Ok(Unsent::Blocked);
            }
            let Scratch { pieces, frames, .. } = scratch;
            std::mem::swap(pieces, &mut self.rest);
            // Behind the rest of a frame, more: or 20 bytes would have a write of their own.
            if owed(pieces) < GATHER_BYTES {
                self.collect(pieces, frames);
            }
            if pieces.is_empty() {
                return Ok(Unsent::Nothing);
            }
            let sealed = self.transport.seal(pieces, self.seal_limit())?;
            self.sealed = sealed as u64;
            self.session.traffic.bytes_out += sealed as u64;
            if !pieces.is_empty() {
                self.rest = std::mem::take(pieces);
            }
        }
        Ok(if self.poll_flush(cx)? { Unsent::More } else { Unsent::Blocked })
    }

    /// How much one write carries.
    fn seal_limit(&self) -> usize {
        if self.unsent.all() > UNSENT_BYTES { SEAL_BYTES_CROWDED } else { SEAL_BYTES }
    }

    /// Whether all that was sealed has left.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let sent = self.transport.sent();
        match self.transport.poll_flush(cx) {
            Poll::Ready(flushed) => {
                flushed?;
                if std::mem::take(&mut self.blocked) {
                    self.unsent.set(0);
                    self.session.vitals.handle_blocked(clock(), false);
                    self.session.handle_unblocked(wall_ms());
                }
                Ok(true)
            }
            Poll::Pending => {
                let now = clock();
                if self.transport.sent() > sent {
                    self.session.vitals.handle_progress(now);
                }
                if !std::mem::replace(&mut self.blocked, true) {
                    self.unsent.set(self.sealed.max(1));
                    self.session.vitals.handle_blocked(now, true);
                    self.unpin();
                }
                Ok(false)
            }
        }
    }

    /// A reader that stops in the middle of a small frame keeps its own copy of the rest.
    fn unpin(&mut self) {
        for piece in self.rest.iter_mut().filter(|piece| piece.len() <= UNPIN_BYTES) {
            *piece = Bytes::copy_from_slice(piece);
        }
    }

    /// Gathers what goes out next: replies first, then handlers' frames, then the rooms' records.
    fn collect(&mut self, pieces: &mut VecDeque<Bytes>, frames: &mut Vec<Bytes>) {
        pieces.extend(self.session.take_outbox());
        if self.letter_bytes > 0 {
            self.session.traffic.frames_out += self.letters.len() as u64;
            pieces.extend(std::mem::take(&mut self.letters));
            let bytes = std::mem::take(&mut self.letter_bytes);
            self.session.mailbox().handle_sent(bytes);
        }
        let taken = owed(pieces);
        if matches!(self.phase, Phase::Failing(_)) || taken >= GATHER_BYTES {
            return;
        }
        let pulled = self.session.pull(GATHER_BYTES - taken, frames);
        self.protocol.render(&self.session, frames);
        pieces.extend(frames.drain(..));
        if let Err(problem) = pulled {
            self.fail(&problem, Closed::Refused);
            pieces.extend(self.session.take_outbox());
        }
    }
}

/// Bytes of all pieces together.
fn owed(pieces: &VecDeque<Bytes>) -> usize {
    pieces.iter().map(Bytes::len).sum()
}

/// What is left after writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    Nothing,
    /// The turn is over before everything was written.
    More,
    /// The peer takes no more now.
    Blocked,
}
