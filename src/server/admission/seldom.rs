//! What may happen ten thousand times a second is logged once a second.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::{lock, now};

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// A line of the log that is written at most once a second, with how many were left out before it.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    written: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Something happened: how many were left out since the last line, if now is the time for another.
    pub(super) fn happened(&self) -> Option<u64> {
        let mut state = lock(&self.0);
        let due = state.is_due();
        if due.is_none() {
            state.left_out += 1;
        }
        due
    }

    /// Nothing happened: how many were left out, if some were and it is time to say so.
    pub(super) fn rest(&self) -> Option<u64> {
        let mut state = lock(&self.0);
        if state.left_out == 0 { None } else { state.is_due() }
    }
}

impl State {
    fn is_due(&mut self) -> Option<u64> {
        let now = now();
        if self.written.is_some_and(|written| now < written + PAUSE) {
            return None;
        }
        self.written = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_a_line_a_second_that_tells_of_the_others() {
        let seldom = Seldom::default();
        assert_eq!(seldom.rest(), None);
        let lines: Vec<_> = (0..1000).filter_map(|_| seldom.happened()).collect();
        assert_eq!(lines, [0]);
        assert_eq!(seldom.rest(), None, "not yet");
        advance(PAUSE).await;
        assert_eq!((seldom.happened(), seldom.happened()), (Some(999), None));
        advance(PAUSE).await;
        assert_eq!((seldom.rest(), seldom.rest()), (Some(1), None));
        advance(PAUSE).await;
        assert_eq!((seldom.rest(), seldom.happened()), (None, Some(0)));
    }
}
