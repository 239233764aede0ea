//! CONTROL frames: what clients ask, and what the server says (docs/protocol.md, section 3).
//!
//! Requests come in as JSON and leave as types that are already checked; events go the other way.

mod encode;
mod error;
mod error_event;
mod event;
mod fields;
mod request;
mod request_id;
mod value;

pub use encode::encode_event;
pub use error::ControlError;
pub use error_event::ErrorEvent;
pub use event::{Event, GapReason, HandleUs, MemberEntry, RoomEntry, RttUs};
pub use request::{Deliver, Hello, Join, Op, Request, Start};
pub use request_id::RequestId;
