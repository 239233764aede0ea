//! Bytes to and from a peer. TLS in service, plain memory in tests; behind it the connection knows
//! neither sockets nor certificates.
//!
//! Encrypted bytes are never queued: what is sealed is on its way, and nothing more is sealed until the
//! socket has taken it.

mod plain;
mod tls;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

pub use plain::Plain;
pub use tls::Tls;

/// What came of reading once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Something arrived, and all of it was taken.
    Taken,
    /// Something arrived, and not all of it was taken: the rest waits here.
    Left,
    /// The peer said goodbye (`close_notify`): nothing more comes.
    Closed,
    /// The peer's bytes ended without a goodbye.
    Truncated,
}

/// A sink of plaintext: how many bytes of it were taken.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> usize;

/// Bytes to and from a peer.
pub trait Transport: Send + Unpin + 'static {
    /// Reads once into `scratch`, at most, and gives what it means to `sink`, after what was left before.
    ///
    /// # Errors
    ///
    /// Returns the error of the socket, or what is wrong with the peer's TLS.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        sink: Sink<'_>,
    ) -> Poll<io::Result<Received>>;

    /// Makes of `pieces` what goes out, at most `limit` bytes, and takes that off their front; how many.
    ///
    /// # Errors
    ///
    /// Returns an error if the session can seal no more.
    fn seal(&mut self, pieces: &mut VecDeque<Bytes>, limit: usize) -> io::Result<usize>;

    /// Sends what was sealed; ready when nothing of it is left.
    ///
    /// # Errors
    ///
    /// Returns the error of the socket.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Bytes that the socket has taken so far.
    fn sent(&self) -> u64;

    /// Says goodbye, as far as the transport knows one.
    fn say_goodbye(&mut self);

    /// Sends what is left, then the end of our bytes.
    ///
    /// # Errors
    ///
    /// Returns the error of the socket.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads and throws away; how many bytes, 0 at the end.
    ///
    /// # Errors
    ///
    /// Returns the error of the socket.
    fn poll_discard(&mut self, cx: &mut Context<'_>, scratch: &mut [u8])
    -> Poll<io::Result<usize>>;
}

fn poll_discard<S: AsyncRead + Unpin>(
    socket: &mut S,
    cx: &mut Context<'_>,
    scratch: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(scratch);
    ready!(Pin::new(socket).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
