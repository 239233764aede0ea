//! A peer's newest errors, for `too_many_errors`.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::session::Session;

/// When the newest errors were, in milliseconds of the session's life: 4 bytes for each.
#[derive(Debug, Default)]
pub(super) struct Errors(VecDeque<u32>);

impl Errors {
    const WINDOW_MS: u32 = 10_000;

    /// Adds one; how many there were within the last 10 s.
    fn add(&mut self, uptime: Duration) -> usize {
        // After 49 days it begins anew, which differences do not mind.
        let now_ms = uptime.as_millis() as u32;
        while self.0.front().is_some_and(|&ms| now_ms.wrapping_sub(ms) >= Self::WINDOW_MS) {
            self.0.pop_front();
        }
        self.0.push_back(now_ms);
        self.0.len()
    }
}

impl Session {
    /// Counts an error that is about to be answered; whether it is one too many within 10 s.
    pub fn handle_error(&mut self, now: Instant) -> bool {
        self.traffic.errors += 1;
        let uptime = self.uptime(now);
        let errors = self.errors.get_or_insert_default().add(uptime);
        errors >= self.node.settings().limits.errors as usize
    }
}
