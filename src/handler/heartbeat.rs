//! HEARTBEAT: pings are answered, pongs are measured (docs/protocol.md, section 5).

use tokio::time::Instant;

use crate::handler::InPlace;
use crate::session::{Problem, Session};
use crate::wire::{BadHeartbeat, Code, Header, Heartbeat as Beat, HeartbeatKind, Tag};

/// Answers pings and measures round trips.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heartbeat;

impl InPlace for Heartbeat {
    fn admit(&self, header: Header) -> Result<(), Problem> {
        match header.length as usize > Beat::MAX_LEN {
            true => Err(problem(&BadHeartbeat::TooLong { length: header.length as usize })),
            false => Ok(()),
        }
    }

    fn handle(&self, session: &mut Session, payload: &[u8], now: Instant) -> Result<(), Problem> {
        let beat = Beat::parse(payload).map_err(|bad| problem(&bad))?;
        match beat.kind {
            HeartbeatKind::Ping => {
                let pong = Beat { kind: HeartbeatKind::Pong, opaque: beat.opaque };
                session.put(Tag::HEARTBEAT, |outbox| pong.encode(outbox));
            }
            HeartbeatKind::Pong => {
                if let Ok(number) = beat.opaque.try_into().map(u64::from_be_bytes) {
                    session.handle_pong(now, number);
                }
            }
        }
        Ok(())
    }
}

fn problem(bad: &BadHeartbeat) -> Problem {
    Problem::new(Code::BadHeartbeat, bad.to_string()).with_tag(Tag::HEARTBEAT)
}
