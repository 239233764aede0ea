//! Rooms: a room is a log, a subscriber is a cursor in it, and nothing else is kept per subscriber.
//!
//! ```text
//! chunk   records that lie together, encoded once
//! cursor  a place in a log
//! log     chunks, presence events; bounded from the front; no lock, no clock, no members
//! publisher  what a room remembers of who publishes with numbers
//! engine  the door to whatever keeps records; memory behind it
//! wake    who is woken when a log has grown
//! room    a log with its members, behind one lock
//! registry  all rooms of a server
//! ```
//!
//! Lock order: registry, then room, then a worker's seats or a mailbox. No lock is held across an await.

mod chunk;
mod cursor;
mod engine;
mod log;
mod publisher;
mod registry;
#[expect(clippy::module_inception, reason = "the room itself, beside what it is made of")]
mod room;
#[cfg(test)]
mod tests;
mod wake;

pub use cursor::{Cursor, Form, Given};
pub use engine::{Engine, Memory, PublisherId, Stamp, Submission, Submitted, Ticket};
pub use log::{Found, Keep, Log, Mark, Missed};
pub use registry::{Full, Rooms, RoomsConfig, RoomsTally};
pub use room::{Entered, Entry, Gap, Published, Record, Refusal, Room, Summary};
pub use wake::{Audience, Doorbell, WorkerId};
