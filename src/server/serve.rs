//! One connection: its handshake, what it speaks, its service, and its goodbye.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncBufReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use crate::connection::{Connection, Frames, Protocol, Tls, farewell};
use crate::http;
use crate::lines::Lines;
use crate::peer::{PeerInfo, Speaks, Vitals};
use crate::server::accept::{self, Accepted};
use crate::server::opening::Opening;
use crate::server::shared::{Shared, Slot};
use crate::server::{drain, journal};
use crate::session::{Closed, Meter, Proxied, Refused, Session};
use crate::sync::{now, wall_ms};
use crate::tls::{Alpn, Failure, PeerTls};

/// Begins a connection: makes the handshake and finds out what the peer speaks.
///
/// What follows is a task of its own: what the beginning needs is large, and gone with it.
pub(super) async fn begin(accepted: Accepted, shared: Arc<Shared>) {
    let Accepted { socket, address, slot, is_proxied } = accepted;
    let mut guest = Guest { shared, slot };
    let deadline = now() + guest.shared.node.settings().timeouts.handshake;
    let Ok(socket) = TcpStream::from_std(socket) else { return };
    let (socket, address) = match is_proxied {
        true => match Box::pin(introduce(&mut guest, socket, address, deadline)).await {
            Some(introduced) => introduced,
            None => return,
        },
        false => (socket, address),
    };
    guest.slot.ends(Closed::Broken);
    let mut stream = match handshake(socket, &guest, deadline).await {
        Ok(stream) => stream,
        Err(error) => {
            let (why, draining) = (Failure::of(&error), guest.shared.is_draining());
            guest.meter().handle_failure(why);
            guest.shared.admission.handle_failure(address.ip(), why, &error);
            guest.slot.ends(if draining { Closed::Drained } else { Closed::Handshake });
            return;
        }
    };
    let tls = PeerTls::of(stream.get_ref().1);
    if let Some(tls) = tls {
        guest.meter().handle_handshake(tls);
    }
    let speaks = match tls.and_then(|tls| tls.alpn) {
        Some(Alpn::Tagwire) => Ok(Speaks::Frames),
        Some(Alpn::Http) => Ok(Speaks::Http),
        None => detect(&mut stream, &guest.shared).await,
    };
    match speaks {
        Ok(Speaks::Frames) => {
            accept::trust_heartbeats(stream.get_ref().0);
            let max_frame = guest.shared.node.settings().limits.frame;
            let frames = Frames::new(guest.shared.router.clone(), max_frame);
            let info = PeerInfo { address, tls, speaks: Speaks::Frames };
            tokio::spawn(converse(stream, info, frames, guest));
        }
        Ok(Speaks::Lines) => {
            let info = PeerInfo { address, tls, speaks: Speaks::Lines };
            tokio::spawn(converse(stream, info, Lines::new(), guest));
        }
        Ok(Speaks::Http) => {
            let why = tokio::select! {
                () = http::serve(stream) => Closed::ByPeer,
                () = guest.shared.grace() => Closed::Drained,
            };
            journal::answered(address, tls, why);
            guest.slot.ends(why);
        }
        Err(why) => {
            guest.slot.ends(why);
            let (socket, session) = stream.into_inner();
            let within = guest.shared.node.settings().timeouts.write;
            farewell(Tls::new(socket, session), why, within).await;
        }
    }
}

/// A connection from accept to its end.
struct Guest {
    shared: Arc<Shared>,
    slot: Slot,
}

impl Guest {
    /// Where its worker counts, on which it is.
    fn meter(&self) -> &Meter {
        self.shared.node.meter(self.slot.worker())
    }
}

/// Lets a load balancer say whom it speaks for, and lets that one in; `None` if it is turned away.
async fn introduce(
    guest: &mut Guest,
    mut socket: TcpStream,
    balancer: SocketAddr,
    deadline: Instant,
) -> Option<(TcpStream, SocketAddr)> {
    let Guest { shared, slot } = guest;
    let (admission, counters) = (&shared.admission, shared.node.counters());
    let introduced = tokio::select! {
        introduced = admission.introduce(&mut socket, balancer.ip(), deadline, counters) => introduced,
        () = shared.draining.cancelled() => {
            admission.refuse(socket.into_std().ok()?, balancer.ip(), Refused::Draining, counters);
            return None;
        }
    };
    let peer = match introduced {
        Ok(Some(peer)) => peer,
        Ok(None) => {
            slot.let_in(None);
            return Some((socket, balancer));
        }
        // It looked whether somebody is there.
        Err(Proxied::Absent) => return None,
        Err(_) => {
            admission.turn_away(socket.into_std().ok()?);
            return None;
        }
    };
    let entered = admission.enter(peer.ip(), &shared.node.settings().limits, counters);
    match entered {
        Ok(stay) => slot.let_in(stay),
        Err(why) => {
            admission.refuse(socket.into_std().ok()?, peer.ip(), why, counters);
            return None;
        }
    }
    Some((socket, peer))
}

/// Makes the handshake, within its time, and not much longer once the server drains.
///
/// It asks for its turns only when the ClientHello is whole: who sends that slowly holds up nobody. The
/// ClientHello has a bound of its own, for whoever has said nothing holds little.
async fn handshake(
    socket: TcpStream,
    guest: &Guest,
    deadline: Instant,
) -> io::Result<TlsStream<TcpStream>> {
    let Guest { shared, slot } = guest;
    let handshake = async {
        let start = hello(socket, shared).await?;
        let limit = shared.node.settings().limits.handshakes;
        // The first step is in the call, before anything is polled: it too must wait for its turn.
        let made = async {
            let config = shared.tls.load().config();
            start.into_stream(config).await
        };
        shared.handshakes.make(slot.worker(), limit, made).await
    };
    tokio::select! {
        made = timeout_at(deadline, handshake) => made?,
        () = shared.grace() => Err(io::Error::other("the server drains")),
    }
}

/// Reads the ClientHello. Who has not sent it when the server begins to drain is refused as those are
/// who come later.
async fn hello(socket: TcpStream, shared: &Shared) -> io::Result<StartHandshake<TcpStream>> {
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), Opening::new(socket));
    tokio::select! {
        biased;
        start = &mut acceptor => {
            let start = start?;
            return Ok(StartHandshake::from_parts(start.accepted, start.io.socket));
        }
        () = shared.draining.cancelled() => {}
    }
    if let Some(opening) = acceptor.take_io() {
        shared.admission.turn_away(opening.socket.into_std()?);
    }
    Err(io::Error::other("the server drains"))
}

/// Looks at the first byte, which stays where it is.
async fn detect(stream: &mut TlsStream<TcpStream>, shared: &Shared) -> Result<Speaks, Closed> {
    let within = shared.node.settings().timeouts.identify;
    let first = tokio::select! {
        first = timeout(within, stream.fill_buf()) => first.map_err(|_| Closed::Idle)?,
        // Who has said nothing is owed nothing, and holds up no end.
        () = shared.draining.cancelled() => return Err(Closed::Drained),
    };
    match first {
        Ok(&[first, ..]) => Speaks::by_first_byte(first).ok_or(Closed::Refused),
        Ok([]) => Err(Closed::ByPeer),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Closed::Truncated),
        Err(_) => Err(Closed::Broken),
    }
}

/// Frames or lines until the connection ends, and the goodbye.
fn converse<P: Protocol>(
    stream: TlsStream<TcpStream>,
    info: PeerInfo,
    protocol: P,
    mut guest: Guest,
) -> impl Future<Output = ()> + Send {
    let (node, begun) = (guest.shared.node.clone(), now());
    let settings = node.settings();
    let mailbox = node.mailbox();
    let info = Arc::new(info);
    let vitals = Vitals::new(begun, P::PINGS, &settings.timeouts, &settings.heartbeat);
    let worker = guest.slot.worker();
    let session = Session::new(node, worker, mailbox.clone(), info, vitals, begun);
    journal::opened(mailbox.session().as_str(), session.info(), session.user_id().as_str());
    let (socket, tls) = stream.into_inner();
    let mut connection = Connection::new(Tls::new(socket, tls), protocol, session);
    let (visit, stage) = guest.shared.guests.enter(mailbox.clone());
    drain::catch_up(&mailbox, stage);
    async move {
        let why = (&mut connection).await;
        guest.slot.ends(why);
        journal::closed(&connection.session().report(now(), wall_ms()), why, connection.code());
        drop(visit);
        let within = guest.shared.node.settings().timeouts.write;
        Box::pin(farewell(connection.into_transport(), why, within)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of a future, without making one.
    fn size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_is_small() {
        let connection = size_of::<Connection<Tls<TcpStream>, Frames>>();
        assert!(connection <= 768, "the connection: {connection} bytes");
        let task = size(converse::<Frames>);
        assert!(task <= connection + 128, "the task: {task} bytes");
    }
}
