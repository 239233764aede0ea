//! No encryption: for tests.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Received, Sink, Transport, poll_discard};

/// No encryption: for tests, over any pair of pipes.
#[derive(Debug)]
pub struct Plain<S> {
    socket: S,
    received: Vec<u8>,
    sealed: VecDeque<Bytes>,
    ended: bool,
    sent: u64,
}

impl<S> Plain<S> {
    /// Takes a pipe.
    pub fn new(socket: S) -> Self {
        Self { socket, received: Vec::new(), sealed: VecDeque::new(), ended: false, sent: 0 }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for Plain<S> {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        sink: Sink<'_>,
    ) -> Poll<io::Result<Received>> {
        if self.received.is_empty() {
            if self.ended {
                return Poll::Ready(Ok(Received::Closed));
            }
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(Received::Closed));
            }
            self.received.extend_from_slice(buffer.filled());
        }
        let taken = sink(&self.received);
        self.received.drain(..taken);
        let left = !self.received.is_empty();
        Poll::Ready(Ok(if left { Received::Left } else { Received::Taken }))
    }

    fn seal(&mut self, pieces: &mut VecDeque<Bytes>, limit: usize) -> io::Result<usize> {
        let mut sealed = 0;
        while let Some(piece) = pieces.front_mut().filter(|_| sealed < limit) {
            let part = piece.split_to(piece.len().min(limit - sealed));
            sealed += part.len();
            self.sealed.push_back(part);
            if piece.is_empty() {
                pieces.pop_front();
            }
        }
        Ok(sealed)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(part) = self.sealed.front_mut() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, part))?;
            part.advance(sent);
            self.sent += sent as u64;
            if part.is_empty() {
                self.sealed.pop_front();
            }
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn say_goodbye(&mut self) {}

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        poll_discard(&mut self.socket, cx, scratch)
    }
}
