//! One peer over a transport: one task, both directions, no lock between reading and writing.
//!
//! ```text
//! transport  bytes, encrypted or (in tests) not: sealed from the log straight into what goes out
//! protocol   what the bytes mean: frames here, lines elsewhere
//! frames     the framed protocol: decoder, lanes of requests, the router's handlers
//! lanes      the order of requests: what must wait for what
//! drive      the task: mail, deadlines, reading, writing, and how it ends
//! farewell   goodbye in order: close_notify, FIN, and a moment to let the peer read why
//! ```

mod drive;
mod farewell;
mod frames;
mod lanes;
mod protocol;
mod share;
mod transport;

pub use drive::Connection;
pub use farewell::farewell;
pub use frames::Frames;
pub use protocol::Protocol;
pub use transport::{Plain, Received, Sink, Tls, Transport};
