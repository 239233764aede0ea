//! How long to wait before the next start of a process: longer each time, until one answers.

use std::time::Duration;

/// Delays that double from 10 ms to 5 s.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(10);
    const LAST: Duration = Duration::from_secs(5);

    pub(super) const fn new() -> Self {
        Self(Self::FIRST)
    }

    /// How long to wait this time.
    pub(super) fn next(&mut self) -> Duration {
        let delay = self.0;
        self.0 = delay.saturating_mul(2).min(Self::LAST);
        delay
    }

    /// All is well: the next time it begins anew.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_5_s_and_begin_anew_after_a_reset() {
        let mut backoff = Backoff::new();
        let delays: Vec<_> = (0..12).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(delays, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next(), Backoff::FIRST);
    }
}
