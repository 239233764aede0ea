//! TLS by rustls: decrypted where it lies, sealed from the log.

use std::collections::VecDeque;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Received, Sink, Transport, poll_discard};

/// Pieces of plaintext that one write gathers.
const SEAL_PIECES: usize = 64;

/// TLS over a socket, after its handshake.
#[derive(Debug)]
pub struct Tls<S> {
    socket: S,
    session: Box<ServerConnection>,
    /// Encrypted bytes that were read and not looked at, because what came before had to wait.
    left: Vec<u8>,
    sent: u64,
}

impl<S> Tls<S> {
    /// Takes a connection whose handshake is done.
    pub fn new(socket: S, mut session: ServerConnection) -> Self {
        // The bound is the connection's: no more is sealed before all of it is sent.
        session.set_buffer_limit(None);
        Self { socket, session: Box::new(session), left: Vec::new(), sent: 0 }
    }

    /// Gives decrypted bytes to `sink`; whether it took all of them.
    fn drain(&mut self, sink: Sink<'_>) -> io::Result<bool> {
        loop {
            let mut reader = self.session.reader();
            let plaintext = match reader.fill_buf() {
                Ok(plaintext) => plaintext,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                // A truncation is told by who reads the socket's end, after what came before it.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
                Err(error) => return Err(error),
            };
            let len = plaintext.len();
            if len == 0 {
                return Ok(true);
            }
            let taken = sink(plaintext);
            reader.consume(taken);
            if taken < len {
                return Ok(false);
            }
        }
    }

    /// Decrypts `input` bit by bit; how much was looked at before `sink` took no more.
    fn feed(&mut self, mut input: &[u8], sink: Sink<'_>) -> io::Result<(usize, bool)> {
        let len = input.len();
        while !input.is_empty() {
            // rustls takes at most 4 KiB a call.
            if self.session.read_tls(&mut input)? == 0 {
                // After `close_notify` nothing counts.
                return Ok((len, true));
            }
            self.process()?;
            if !self.drain(sink)? {
                return Ok((len - input.len(), false));
            }
        }
        Ok((len, true))
    }

    /// Has rustls give back what its read buffer grew by for a large record: it does so only when it is to
    /// read again, and this peer may be idle from now on.
    fn shrink(&mut self) {
        let _ = self.session.read_tls(&mut Nothing);
    }

    fn process(&mut self) -> io::Result<()> {
        let processed = self.session.process_new_packets();
        processed.map(drop).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.session.reader().fill_buf(), Ok([]))
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for Tls<S> {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        sink: Sink<'_>,
    ) -> Poll<io::Result<Received>> {
        if !self.drain(sink)? {
            return Poll::Ready(Ok(Received::Left));
        }
        if !self.left.is_empty() {
            let left = std::mem::take(&mut self.left);
            let (used, all) = self.feed(&left, sink)?;
            self.left.extend_from_slice(left.get(used..).unwrap_or_default());
            return Poll::Ready(Ok(if all { Received::Taken } else { Received::Left }));
        }
        if self.is_closed() {
            return Poll::Ready(Ok(Received::Closed));
        }
        let mut buffer = ReadBuf::new(scratch);
        match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                self.shrink();
                return Poll::Pending;
            }
        }
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(Received::Truncated));
        }
        let (used, all) = self.feed(buffer.filled(), sink)?;
        self.left.extend_from_slice(buffer.filled().get(used..).unwrap_or_default());
        let received = match all {
            false => Received::Left,
            true if self.is_closed() => Received::Closed,
            true => Received::Taken,
        };
        Poll::Ready(Ok(received))
    }

    fn seal(&mut self, pieces: &mut VecDeque<Bytes>, limit: usize) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SEAL_PIECES];
        let mut room = limit;
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces.iter()) {
            let part = piece.get(..room.min(piece.len())).unwrap_or_default();
            *slice = IoSlice::new(part);
            room -= part.len();
            count += 1;
            if room == 0 {
                break;
            }
        }
        let slices = slices.get(..count).unwrap_or_default();
        let sealed = match slices {
            [one] => self.session.writer().write(one)?,
            many => self.session.writer().write_vectored(many)?,
        };
        advance(pieces, sealed);
        Ok(sealed)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut socket = Blocking { socket: &mut self.socket, cx };
            match self.session.write_tls(&mut socket) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(sent) => self.sent += sent as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn say_goodbye(&mut self) {
        self.session.send_close_notify();
    }

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

/// Takes `bytes` bytes off the front.
fn advance(pieces: &mut VecDeque<Bytes>, mut bytes: usize) {
    while let Some(piece) = pieces.front_mut() {
        if piece.len() > bytes {
            piece.advance(bytes);
            return;
        }
        bytes -= piece.len();
        pieces.pop_front();
    }
}

/// A socket that has nothing to read now.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// A socket for rustls, which writes as if it blocked.
struct Blocking<'a, 'b, S> {
    socket: &'a mut S,
    cx: &'a mut Context<'b>,
}

impl<S: AsyncWrite + Unpin> Write for Blocking<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        now_or_never(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            // `writev` of one part costs more than `write`.
            [one] => self.write(one),
            many => now_or_never(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, many)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn now_or_never<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
