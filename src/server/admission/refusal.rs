//! What a connection that is not let in is told (docs/protocol.md, section 1).

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A TLS alert record `access_denied`: the peer's TLS library prints a reason.
const ACCESS_DENIED: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 0x31];
/// How long, and how much of, what a refused peer sends is read, so that the alert arrives.
const LINGER: Duration = Duration::from_millis(100);
const LINGER_BYTES: usize = 4096;
/// Refused peers that are waited for at once; whoever comes on top is closed at once, and may miss why.
const LINGERING: usize = 256;

/// Refuses connections before any cryptography.
#[derive(Debug)]
pub(super) struct Refusals(Arc<Semaphore>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LINGERING)))
    }
}

impl Refusals {
    /// Says so, and waits a moment in a task of its own.
    pub(super) fn refuse(&self, socket: TcpStream) {
        let Ok(place) = self.0.clone().try_acquire_owned() else { return refuse_at_once(&socket) };
        tokio::spawn(async move {
            let _ = timeout(LINGER, linger(socket)).await;
            drop(place);
        });
    }
}

/// Says so without waiting for anything; the socket does not block.
pub(super) fn refuse_at_once(mut socket: &TcpStream) {
    let mut scratch = [0; LINGER_BYTES];
    let _ = socket.write(&ACCESS_DENIED);
    let _ = socket.shutdown(Shutdown::Write);
    // What is here and unread would turn the end into a reset.
    let _ = socket.read(&mut scratch);
}

async fn linger(socket: TcpStream) -> io::Result<()> {
    let mut socket = tokio::net::TcpStream::from_std(socket)?;
    socket.write_all(&ACCESS_DENIED).await?;
    socket.shutdown().await?;
    let mut scratch = [0; 1024];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match socket.read(&mut scratch).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}
