//! The admin listener: metrics, health and lists over plain HTTP, and on a Unix socket also what acts. It
//! runs on the program's own thread, apart from the workers; what it asks of them they answer between two
//! turns.
//!
//! ```text
//! listen   TCP and its bounds; connections
//! socket   the Unix socket: its mode, a stale one, its end
//! guard    who may ask: the `Host` of a request
//! routes   what can be asked for, and what acts
//! lists    connections, rooms and members as JSON
//! tap      frames as they come and go
//! problem  errors as JSON (RFC 9457)
//! metrics  Prometheus
//! client   the other side: for `drain`, `top` and `tap`
//! ```

pub(crate) mod client;
mod guard;
mod listen;
mod lists;
mod metrics;
mod problem;
mod routes;
mod socket;
mod tap;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::extract::FromRef;
use tagwire::server::Handle;
use tokio::net::TcpListener;

use self::guard::Hosts;
use self::listen::{Door, Running};
use self::socket::Socket;
use crate::reloads::Reloads;

/// Where the admin listener is unless somebody says otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9433);

/// Where metrics and health are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// At the default address if it is free.
    #[default]
    Default,
    /// Nowhere.
    Off,
    /// Here, or the server does not start.
    At(SocketAddr),
}

impl Choice {
    /// Reads the value of `--admin`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            address => address
                .parse()
                .map(Self::At)
                .map_err(|error| format!("{error}: wants an address such as {DEFAULT}, or `off`")),
        }
    }
}

/// What the listeners show.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// The server.
    pub(crate) handle: Handle,
    /// What was reloaded.
    pub(crate) reloads: Arc<Reloads>,
}

impl FromRef<Watched> for Handle {
    fn from_ref(watched: &Watched) -> Self {
        watched.handle.clone()
    }
}

/// Listeners that are bound and not served yet.
#[derive(Debug)]
pub(crate) struct Admin {
    tcp: Option<TcpListener>,
    socket: Option<Socket>,
    names: Vec<String>,
}

impl Admin {
    /// Binds what was asked for; `names` are hosts by which one may ask, beside addresses and `localhost`.
    ///
    /// # Errors
    ///
    /// Returns what cannot be bound, with what to do; only the default address may be taken.
    pub(crate) async fn bind(
        choice: Choice,
        socket: Option<&Path>,
        names: &[String],
    ) -> anyhow::Result<Self> {
        let tcp = match choice {
            Choice::Off => None,
            Choice::At(address) => Some(bind(address).await?),
            Choice::Default => match TcpListener::bind(DEFAULT).await {
                Ok(listener) => Some(listener),
                Err(error) => {
                    tracing::warn!(
                        address = %DEFAULT, %error,
                        "no admin listener: its default address is not free; `--admin 127.0.0.1:0` takes \
                         a free one, `--admin off` none"
                    );
                    None
                }
            },
        };
        let socket = socket.map(Socket::bind).transpose()?;
        Ok(Self { tcp, socket, names: names.to_vec() })
    }

    /// Where it listens: the real port, where port 0 was asked for.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until what this returns is stopped or dropped.
    pub(crate) fn serve(self, watched: &Watched) -> Running {
        let mut running = Running::default();
        if let Some(address) = self.address()
            && let Some(listener) = self.tcp
        {
            let hosts = Hosts::new(address.ip(), self.names);
            running.add(Door::Tcp(listener), guard::guarded(routes::reading(watched), hosts));
        }
        if let Some(socket) = self.socket {
            let (listener, file) = socket.into_parts();
            running.add(Door::Unix(listener), routes::acting(watched));
            running.keep(file);
        }
        running
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        let free = SocketAddr::new(address.ip(), 0);
        format!("cannot listen on the admin address {address} (`--admin {free}` takes a free port, `--admin off` none)")
    })
}

/// Whether nobody listens there.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}
