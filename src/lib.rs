//! tagwire: one TLS port, type-tagged frames, handlers that you register, rooms that broadcast,
//! heartbeats that measure.
//!
//! A room is a log; everything else is a cursor.

pub mod connection;
pub mod handler;
mod http;
pub mod id;
pub mod latency;
pub mod limits;
pub mod lines;
pub mod peer;
pub mod room;
pub mod router;
pub mod server;
pub mod session;
mod sync;
pub mod tls;
pub mod wire;
pub use handler::{Context, Handler, HandlerError};
pub use server::Server;
