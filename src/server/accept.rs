//! Takes connections and hands each to the least busy worker; nothing a peer does stops it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::limits::SocketSettings;
use crate::server::shared::{Shared, Slot};

/// A TLS alert record `access_denied`: the peer's TLS library prints a reason (protocol section 1).
const ACCESS_DENIED: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 0x31];
/// How long, and how much of, what a refused peer sends is read, so that the alert arrives.
const REFUSAL_LINGER: Duration = Duration::from_millis(100);
const REFUSAL_BYTES: usize = 4096;
/// Pauses after an error of the listener, such as too many open files.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// A connection that was accepted and nothing more.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Of no runtime yet: a worker's runtime takes it and keeps it.
    pub(super) socket: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) slot: Slot,
}

/// Accepts until `end`.
pub(super) async fn accept(
    listener: TcpListener,
    end: CancellationToken,
    doors: Vec<UnboundedSender<Accepted>>,
    shared: Arc<Shared>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot listen");
            shared.draining.cancel();
            return;
        }
    };
    let mut pause = BACK_OFF.0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = end.cancelled() => return,
        };
        match accepted.and_then(|(socket, address)| Ok((socket.into_std()?, address))) {
            Ok((socket, address)) => {
                pause = BACK_OFF.0;
                admit(socket, address, &doors, &shared);
            }
            Err(error) if is_peers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, ?pause, "cannot accept");
                sleep(pause).await;
                pause = (pause * 2).min(BACK_OFF.1);
            }
        }
    }
}

/// Whether an error of `accept` is about the connection that was to be accepted, not the listener.
fn is_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

fn admit(
    socket: TcpStream,
    address: SocketAddr,
    doors: &[UnboundedSender<Accepted>],
    shared: &Arc<Shared>,
) {
    let counters = shared.node.counters();
    if shared.is_draining() || shared.open() >= shared.node.settings().limits.connections {
        counters.refused.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(refuse(socket));
        return;
    }
    if let Err(error) = configure(&socket, &shared.node.settings().socket) {
        tracing::debug!(%address, %error, "socket options");
    }
    let slot = Slot::take(shared);
    if let Some(door) = doors.get(slot.worker().0) {
        // If its worker has just ended, the slot says so.
        let _ = door.send(Accepted { socket, address, slot });
    }
}

fn configure(socket: &TcpStream, settings: &SocketSettings) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    let interval = (settings.keepalive / 4).max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new().with_time(settings.keepalive).with_interval(interval);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(settings.user_timeout))?;
        socket.set_tcp_notsent_lowat(settings.notsent_lowat)?;
    }
    if let Some(bytes) = settings.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = settings.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}

/// Refuses a connection before any cryptography.
pub(super) async fn refuse(socket: TcpStream) {
    let Ok(mut socket) = tokio::net::TcpStream::from_std(socket) else { return };
    let farewell = async {
        socket.write_all(&ACCESS_DENIED).await?;
        socket.shutdown().await?;
        let mut scratch = [0; 1024];
        let mut left = REFUSAL_BYTES;
        while left > 0 {
            match socket.read(&mut scratch).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    let _ = timeout(REFUSAL_LINGER, farewell).await;
}
