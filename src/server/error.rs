//! Why a server does not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::router::RouteError;

/// Why a server does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// No certificate was chosen.
    NoTls,
    /// A handler cannot be registered.
    Route(RouteError),
    /// The address names no place to listen.
    Resolve(io::Error),
    /// The address cannot be listened on.
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread or a runtime cannot be started.
    Start(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls => f.write_str("a server needs a certificate: call `tls` on its builder"),
            Self::Route(_) => f.write_str("a handler cannot be registered"),
            Self::Resolve(_) => f.write_str("the address to listen on cannot be resolved"),
            Self::Bind { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "{address} is in use: stop what listens there, or choose another port")
            }
            Self::Bind { address, .. } => write!(f, "cannot listen on {address}"),
            Self::Start(_) => f.write_str("a worker cannot be started"),
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoTls => None,
            Self::Route(error) => Some(error),
            Self::Resolve(source) | Self::Bind { source, .. } | Self::Start(source) => Some(source),
        }
    }
}

impl From<RouteError> for ServerError {
    fn from(error: RouteError) -> Self {
        Self::Route(error)
    }
}
