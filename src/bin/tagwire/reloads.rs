//! What was reloaded how often, and when the served certificate ends: numbers for whoever shows them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tagwire::tls::Date;

/// Seconds before its end from which on a certificate is warned of.
const SOON_S: i64 = 7 * DAY_S;
const DAY_S: i64 = 86_400;

/// What can be reloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The certificate and its key.
    Certificate,
    /// The configuration file.
    Configuration,
}

impl What {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Certificate, Self::Configuration];

    /// The word for it in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Configuration => "configuration",
        }
    }
}

/// Counters since the start.
#[derive(Debug)]
pub(crate) struct Reloads {
    counts: [Count; What::ALL.len()],
    not_after: AtomicI64,
}

#[derive(Debug, Default)]
struct Count {
    ok: AtomicU64,
    failed: AtomicU64,
    last_ok_s: AtomicI64,
}

impl Reloads {
    /// Both were just loaded for the first time; the certificate's last second is given.
    pub(crate) fn new(not_after: i64) -> Self {
        let count = || Count { last_ok_s: now_s().into(), ..Count::default() };
        Self { counts: [count(), count()], not_after: not_after.into() }
    }

    /// How often it was loaded again, with or without another outcome.
    pub(crate) fn ok(&self, what: What) -> u64 {
        self.of(what).ok.load(Ordering::Relaxed)
    }

    /// How often it was not, because what was there was bad.
    pub(crate) fn failed(&self, what: What) -> u64 {
        self.of(what).failed.load(Ordering::Relaxed)
    }

    /// When it was last loaded, seconds since 1970; the start counts.
    pub(crate) fn last_ok_s(&self, what: What) -> i64 {
        self.of(what).last_ok_s.load(Ordering::Relaxed)
    }

    /// The last second of the served certificate, since 1970.
    pub(crate) fn not_after(&self) -> i64 {
        self.not_after.load(Ordering::Relaxed)
    }

    /// Counts an attempt.
    pub(crate) fn handle(&self, what: What, ok: bool) {
        let count = self.of(what);
        if ok {
            count.ok.fetch_add(1, Ordering::Relaxed);
            count.last_ok_s.store(now_s(), Ordering::Relaxed);
        } else {
            count.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Another certificate is served.
    pub(crate) fn set_not_after(&self, not_after: i64) {
        self.not_after.store(not_after, Ordering::Relaxed);
    }

    /// Warns if the served certificate ends soon, or has ended.
    pub(crate) fn warn_of_end(&self) {
        let not_after = self.not_after();
        match days_left(not_after, now_s()) {
            Some(days @ 0..) => tracing::warn!(until = %Date(not_after), days,
                "the served certificate ends soon: renew it, the new files are taken up by themselves"),
            Some(_) => tracing::warn!(until = %Date(not_after),
                "the served certificate has ended and clients refuse it: renew it"),
            None => {}
        }
    }

    fn of(&self, what: What) -> &Count {
        let [certificate, configuration] = &self.counts;
        match what {
            What::Certificate => certificate,
            What::Configuration => configuration,
        }
    }
}

/// Whole days until a certificate's end, if they are few; below 0 after it.
fn days_left(not_after: i64, now_s: i64) -> Option<i64> {
    let left_s = not_after.saturating_sub(now_s);
    (left_s < SOON_S).then_some(left_s.div_euclid(DAY_S))
}

#[expect(clippy::disallowed_methods, reason = "a certificate's end is a time of the wall clock")]
fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_before_its_end_a_certificate_is_warned_of() {
        const NOW: i64 = 1_800_000_000;
        assert_eq!(days_left(NOW + SOON_S, NOW), None);
        assert_eq!(days_left(NOW + SOON_S - 1, NOW), Some(6));
        assert_eq!(days_left(NOW + 1, NOW), Some(0));
        assert_eq!(days_left(NOW - 1, NOW), Some(-1));
        assert_eq!(days_left(i64::MAX, -1), None);
    }

    #[test]
    fn attempts_are_counted_by_what_and_outcome() {
        let reloads = Reloads::new(7);
        let begun = reloads.last_ok_s(What::Configuration);
        assert!(begun > 0);
        reloads.handle(What::Certificate, false);
        reloads.handle(What::Certificate, true);
        reloads.handle(What::Configuration, false);
        let counted = What::ALL.map(|what| (reloads.ok(what), reloads.failed(what)));
        assert_eq!(counted, [(1, 1), (0, 1)]);
        assert_eq!(reloads.last_ok_s(What::Configuration), begun);
        reloads.set_not_after(8);
        assert_eq!(reloads.not_after(), 8);
    }
}
