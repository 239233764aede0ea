//! tagwire: one TLS port, type-tagged frames, handlers that you register, rooms that broadcast,
//! heartbeats that measure.
//!
//! **A room is a log; everything else is a cursor.** What is published to a room is appended to its log once,
//! and every member reads it from there at its own pace, in the same order. A member that comes back says what
//! it read last, and goes on from there; one that falls behind further than the room keeps is told so.
//!
//! # A server
//!
//! A [`Server`] is made of a certificate, an address, and handlers by tag. Rooms, heartbeats and the other
//! built-in tags (0x01 to 0x0f) are there already; yours begin at 0x10. This one answers the tag 0x20 in
//! capitals, and lets the room `lobby` know who asked for it:
//!
//! ```no_run
//! use bytes::Bytes;
//! use tagwire::tls::ServerTls;
//! use tagwire::{Context, HandlerError, Server};
//!
//! async fn shout(cx: Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
//!     let note = format!("{} shouts", cx.user_id());
//!     cx.publish("lobby", note.as_bytes()).map_err(HandlerError::failed)?;
//!     Ok(Some(payload.to_ascii_uppercase().into()))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::builder()
//!         .tls(ServerTls::from_files("certs/server.pem", "certs/server.key")?)
//!         .route(0x20, shout)
//!         .bind("127.0.0.1:4433")
//!         .await?;
//!     println!("listening on {}", server.local_addr());
//!     Ok(server.run(std::future::pending()).await?)
//! }
//! ```
//!
//! The connections run on threads of the server's own, one for each core; [`Server::run`] only waits, on any
//! runtime, and ends in order when the future that it is given is ready: everyone is told, what is owed is
//! delivered. [`server::Handle`] is what the rest of a program has meanwhile: it publishes, counts, ends.
//!
//! - A [`Handler`] is an async function of a [`Context`] and a payload. [`handler::Blocking`] takes a function
//!   that computes or waits, [`handler::Service`] a tower service with its layers, and
//!   [`handler::ProcessPool`] programs in any language.
//! - [`limits::Settings`] has every bound and time, with a default that is safe on the open internet.
//! - [`tls::ServerTls`] reads PEM files and says what is wrong with them; [`tls::DevCerts`] makes some.
//! - [`room::Engine`] is the door for records that live somewhere else than in memory.
//! - What happens is told by [`tracing`](https://docs.rs/tracing); only the program `tagwire` installs a
//!   subscriber, reads the environment, or exits.
//!
//! # Layout
//!
//! From the bottom up; a module imports those above it in this list, and `tests/it/layers.rs` holds it to that.
//!
//! - [`id`]: names and numbers as types, checked once when they come in.
//! - [`latency`]: round trips and a histogram that fits in 256 bytes. `sync`: the clock and the lock.
//! - [`limits`]: every bound, its default and the reason for the number.
//! - [`wire`]: bytes in, frames out, and back; a parser per tag, no sockets.
//! - [`tls`]: certificates and keys, from files or made for development.
//! - [`peer`]: one peer without its socket: whether it lives, and the mailbox that others write to.
//! - [`room`]: the log, cursors into it, members, and the one door for engines.
//! - [`session`]: what one peer does here: its name, its rooms, its publishes, what it is owed.
//! - [`handler`]: what answers a tag: the built-in handlers, and the kinds that yours can be.
//! - [`router`]: 256 slots, and a promise that each request is answered exactly once.
//! - [`connection`]: one task for one peer: reading, writing, deadlines, over TLS or plain memory.
//! - [`lines`]: text for a person at `openssl s_client`. [`http`]: for now an answer that says so.
//! - [`server`]: the listener, the workers, and the end in order.
//! - `src/bin/tagwire`: the program; it sees only what is public here.
//!
//! The protocol is `docs/protocol.md`, the life of a frame and the invariants are in `docs/architecture.md`, and
//! `docs/decisions.md` says what this server does where the protocol leaves it open.

pub mod connection;
pub mod handler;
pub mod http;
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

/// The README's Rust is compiled with the other examples of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
