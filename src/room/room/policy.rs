//! What a server's settings come to for one room, worked out again when they have been exchanged.

use super::{Hold, Room, State};
use crate::limits::SlowPolicy;
use crate::room::log::Keep;

/// What holds for a room, as of the settings of one generation.
#[derive(Debug)]
pub(super) struct Policy {
    /// 0 for none yet.
    generation: u64,
    pub(super) slow: SlowPolicy,
    /// What it keeps, regardless of age.
    pub(super) keep: Keep,
    age_ms: u64,
    /// Members above which joins and leaves are not announced.
    pub(super) presence_limit: usize,
}

impl Default for Policy {
    fn default() -> Self {
        let keep = Keep { bytes: 0, count: 0, since_ms: 0 };
        Self { generation: 0, slow: SlowPolicy::Gap, keep, age_ms: 0, presence_limit: 0 }
    }
}

impl Policy {
    /// What the room keeps at a time.
    pub(super) fn keep_at(&self, now_ms: u64) -> Keep {
        Keep { since_ms: now_ms.saturating_sub(self.age_ms), ..self.keep }
    }
}

impl Room {
    /// Works out what holds for the room, if the settings have been exchanged since the last time.
    #[inline]
    pub(super) fn settle(&self, state: &mut State) {
        let generation = self.home.config.settings.generation();
        if state.policy.generation != generation {
            self.resolve(state, generation);
        }
    }

    #[cold]
    fn resolve(&self, state: &mut State, generation: u64) {
        let policy = self.home.settings().rooms.policy(&self.name);
        state.policy = Policy {
            generation,
            slow: policy.slow,
            keep: Keep { bytes: policy.keep_bytes, count: policy.keep_count as u64, since_ms: 0 },
            age_ms: u64::try_from(policy.keep_age.as_millis()).unwrap_or(u64::MAX),
            presence_limit: policy.presence_limit,
        };
        match (policy.slow, &state.hold) {
            (SlowPolicy::Pause, None) => {
                state.hold = Some(Box::new(Hold::of(state)));
                self.yield_room(state);
            }
            (SlowPolicy::Gap | SlowPolicy::Disconnect, Some(_)) => self.let_go(state),
            _ => {}
        }
    }
}
