//! What may happen ten thousand times a second is logged once a second at first, and less often as long as
//! it goes on.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::{lock, now};

/// Between two lines at least, and at most while it goes on: each pause is twice the one before.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// A line of the log that is written seldom, with how many were left out before it.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When a line was last written, and how long to wait for the next.
    written: Option<(Instant, Duration)>,
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
        let pause = match self.written {
            Some((written, pause)) if now < written + pause => return None,
            // It goes on: something came soon after the pause.
            Some((written, pause)) if now < written + pause * 2 => (pause * 2).min(LONGEST),
            _ => PAUSE,
        };
        self.written = Some((now, pause));
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_a_line_that_tells_of_the_others() {
        let seldom = Seldom::default();
        assert_eq!(seldom.rest(), None);
        let lines: Vec<_> = (0..1000).filter_map(|_| seldom.happened()).collect();
        assert_eq!(lines, [0]);
        assert_eq!(seldom.rest(), None, "not yet");
        advance(PAUSE).await;
        assert_eq!((seldom.happened(), seldom.happened()), (Some(999), None));
        advance(PAUSE * 2).await;
        assert_eq!((seldom.rest(), seldom.rest()), (Some(1), None));
        // It has ended: what comes next is told at once.
        advance(LONGEST).await;
        assert_eq!((seldom.rest(), seldom.happened()), (None, Some(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_for_an_hour_is_some_sixty_lines() {
        let seldom = Seldom::default();
        let (mut lines, mut told) = (0, 0);
        for _ in 0..36_000 {
            if let Some(left_out) = seldom.happened() {
                (lines, told) = (lines + 1, told + 1 + left_out);
            }
            advance(Duration::from_millis(100)).await;
        }
        assert!((60..70).contains(&lines), "{lines}");
        assert!(told > 36_000 - 600 && told <= 36_000, "{told}");
    }
}
