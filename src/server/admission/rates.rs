//! How many connections come in a second, in all and from one source.

use std::num::NonZeroU32;
use std::sync::Mutex;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::source::Source;
use crate::limits::Limits;
use crate::sync::lock;

/// Sources that are remembered at most, at some 50 bytes each. More than this within a second are beyond
/// what a limit per source can help against.
const SOURCES: usize = 1 << 16;

/// How many connections came of late.
#[derive(Debug, Default)]
pub(super) struct Rates {
    in_all: Mutex<Fitted<DefaultDirectRateLimiter>>,
    by_source: Mutex<Fitted<DefaultKeyedRateLimiter<Source>>>,
}

impl Rates {
    /// Counts a connection; whether there may be one now.
    pub(super) fn allows(&self, limits: &Limits) -> bool {
        let mut limiter = lock(&self.in_all);
        let limiter = limiter.fit(limits.accepts_per_second, RateLimiter::direct);
        limiter.is_none_or(|limiter| limiter.check().is_ok())
    }

    /// Counts a connection of a source; whether it may have one now.
    pub(super) fn allows_from(&self, source: Source, limits: &Limits) -> bool {
        let mut fitted = lock(&self.by_source);
        let limiter = fitted.fit(limits.accepts_per_second_per_ip, RateLimiter::keyed);
        let Some(limiter) = limiter else { return true };
        let allowed = limiter.check_key(&source).is_ok();
        if limiter.len() > SOURCES {
            *fitted = Fitted::default();
        }
        allowed
    }

    /// Forgets sources from which nobody came of late; once a second is enough.
    pub(super) fn sweep(&self) {
        let fitted = lock(&self.by_source);
        if let Some(limiter) = fitted.limiter.as_ref().filter(|limiter| !limiter.is_empty()) {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// A rate limiter that is made anew when its number changes, as by a reload.
#[derive(Debug)]
struct Fitted<L> {
    per_second: u32,
    limiter: Option<L>,
}

impl<L> Fitted<L> {
    /// The limiter for this number; `None` for 0.
    fn fit(&mut self, per_second: u32, make: impl FnOnce(Quota) -> L) -> Option<&L> {
        if self.per_second != per_second {
            let quota = NonZeroU32::new(per_second).map(Quota::per_second);
            *self = Self { per_second, limiter: quota.map(make) };
        }
        self.limiter.as_ref()
    }
}

impl<L> Default for Fitted<L> {
    fn default() -> Self {
        Self { per_second: 0, limiter: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(in_all: u32, per_source: u32) -> Limits {
        let (accepts_per_second, accepts_per_second_per_ip) = (in_all, per_source);
        Limits { accepts_per_second, accepts_per_second_per_ip, ..Limits::default() }
    }

    /// How many of so many pass at once.
    fn pass(count: usize, mut one: impl FnMut() -> bool) -> usize {
        (0..count).filter(|_| one()).count()
    }

    #[test]
    fn as_many_come_at_once_as_in_a_second() {
        let (rates, limits) = (Rates::default(), limits(1, 2));
        let source = |last: u8| Source::of([192, 0, 2, last].into());
        assert_eq!(pass(100, || rates.allows(&limits)), 1);
        assert_eq!(pass(100, || rates.allows_from(source(1), &limits)), 2);
        assert_eq!(pass(100, || rates.allows_from(source(2), &limits)), 2, "each for itself");
    }

    #[test]
    fn none_is_no_limit_and_a_new_number_holds_at_once() {
        let rates = Rates::default();
        assert_eq!(pass(100, || rates.allows(&limits(0, 0))), 100);
        assert_eq!(pass(100, || rates.allows(&limits(3, 0))), 3);
        assert_eq!(pass(100, || rates.allows(&limits(2, 0))), 2);
        assert_eq!(pass(100, || rates.allows(&limits(u32::MAX, 0))), 100);
    }

    #[test]
    fn many_sources_take_no_more_than_so_much_memory() {
        let (rates, limits) = (Rates::default(), limits(0, 1));
        let held = || lock(&rates.by_source).limiter.as_ref().map_or(0, |limiter| limiter.len());
        for number in 0..3 * SOURCES as u64 {
            rates.allows_from(Source::V6(number), &limits);
            assert!(held() <= SOURCES);
        }
        assert!(held() > 0, "otherwise this test shows nothing");
    }

    #[test]
    fn who_did_not_come_of_late_is_forgotten() {
        // A place is free again after a millionth of a second.
        let (rates, limits) = (Rates::default(), limits(0, 1_000_000));
        for number in 0..100 {
            rates.allows_from(Source::V6(number), &limits);
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
        rates.sweep();
        assert!(lock(&rates.by_source).limiter.as_ref().unwrap().is_empty());
    }
}
