//! Takes connections and hands each to the least busy worker; nothing a peer does stops it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::yield_now;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::limits::SocketSettings;
use crate::server::admission::{Reserve, are_used_up, canonical, is_in};
use crate::server::shared::{Shared, Slot};
use crate::session::Refused;

/// Pauses after an error of the listener.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// Between two connections that are refused for want of a descriptor, so that a flood of them costs little.
const REFUSAL_PAUSE: Duration = Duration::from_millis(1);
/// Connections in a row before those who are connected have their turn.
const IN_A_ROW: usize = 16;

/// A connection that was accepted and nothing more.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Of no runtime yet: a worker's runtime takes it and keeps it.
    pub(super) socket: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) slot: Slot,
    /// It is from a load balancer, and let in when that has said whom it speaks for.
    pub(super) is_proxied: bool,
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
    let (mut reserve, mut pause, mut in_a_row) = (Reserve::new(), BACK_OFF.0, 0);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = end.cancelled() => return,
        };
        match accepted.and_then(|(socket, address)| Ok((socket.into_std()?, canonical(address)))) {
            Ok((socket, address)) if reserve.restore() => {
                pause = BACK_OFF.0;
                admit(socket, address, &doors, &shared);
            }
            Ok((socket, address)) => {
                let (why, counters) = (Refused::Descriptors, shared.node.counters());
                shared.admission.refuse(socket, address.ip(), why, counters);
                reserve.restore();
                sleep(REFUSAL_PAUSE).await;
            }
            Err(error) if is_peers(&error) => {}
            // Also where nobody comes: with it, this waits until somebody does.
            Err(error) if are_used_up(&error) && reserve.give_up() => {}
            Err(error) => {
                shared.admission.handle_error(&error);
                sleep(pause).await;
                pause = (pause * 2).min(BACK_OFF.1);
            }
        }
        in_a_row = (in_a_row + 1) % IN_A_ROW;
        if in_a_row == 0 {
            yield_now().await;
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
    let (settings, counters) = (shared.node.settings(), shared.node.counters());
    let refuse = |socket, why| shared.admission.refuse(socket, address.ip(), why, counters);
    if shared.is_draining() {
        return refuse(socket, Refused::Draining);
    }
    if shared.open() >= settings.limits.connections {
        return refuse(socket, Refused::Connections);
    }
    let mut slot = Slot::take(shared);
    let is_proxied = is_in(&settings.proxy.from, address.ip());
    if !is_proxied {
        match shared.admission.enter(address.ip(), &settings.limits, counters) {
            Ok(stay) => slot.let_in(stay),
            Err(why) => return refuse(socket, why),
        }
    }
    if let Err(error) = configure(&socket, &settings.socket) {
        tracing::debug!(%address, %error, "socket options");
    }
    if let Some(door) = doors.get(slot.worker().0) {
        // If its worker has just ended, the slot says so.
        let _ = door.send(Accepted { socket, address, slot, is_proxied });
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

/// Takes the kernel's patience with unacknowledged bytes away again: it would also end a peer that is alive
/// and reads nothing for a while (a window of zero), where heartbeats know better.
pub(super) fn trust_heartbeats(socket: &tokio::net::TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(socket).set_tcp_user_timeout(None) {
        tracing::debug!(%error, "socket options");
    }
}
