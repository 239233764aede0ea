//! Round trips and handling times: a smoothed estimate, a histogram that fits in 256 bytes, and one for a whole server.

use std::fmt;
use std::time::Duration;

/// Round trips of one connection's heartbeats, to the microsecond, in 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrips {
    last_us: u32,
    min_us: u32,
    smoothed_us: u32,
}

impl RoundTrips {
    /// What is known after the first sample.
    pub fn first(sample: Duration) -> Self {
        let us = micros(sample);
        Self { last_us: us, min_us: us, smoothed_us: us }
    }

    /// Adds a sample.
    pub fn add(&mut self, sample: Duration) {
        let us = micros(sample);
        self.last_us = us;
        self.min_us = self.min_us.min(us);
        let smoothed = (u64::from(self.smoothed_us) * 7 + u64::from(us)) / 8;
        self.smoothed_us = u32::try_from(smoothed).unwrap_or(u32::MAX);
    }

    /// The newest.
    pub fn last(&self) -> Duration {
        Duration::from_micros(self.last_us.into())
    }

    /// The shortest.
    pub fn min(&self) -> Duration {
        Duration::from_micros(self.min_us.into())
    }

    /// The weighted mean in which each new sample counts for an eighth (RFC 6298, section 2).
    pub fn smoothed(&self) -> Duration {
        Duration::from_micros(self.smoothed_us.into())
    }
}

/// Microseconds; 71 minutes and more are one.
fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// Counts of durations in 64 buckets, two for each power of two of nanoseconds.
///
/// A bucket's bounds are at most a factor of 1.5 apart; 4.3 s and more share the last one.
#[derive(Clone)]
pub struct Histogram {
    counts: [u32; Self::BUCKETS],
}

impl Histogram {
    /// Buckets.
    pub const BUCKETS: usize = 64;

    /// Adds a duration.
    #[inline]
    pub fn record(&mut self, sample: Duration) {
        if let Some(count) = self.counts.get_mut(Self::bucket(sample)) {
            *count = count.saturating_add(1);
        }
    }

    /// How many durations were added.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|&n| u64::from(n)).sum()
    }

    /// The duration that `percent` of the samples do not exceed, to the bucket's upper bound; `None`
    /// without samples.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let total = self.count();
        let rank = ((total as f64 * percent / 100.0).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            if count > 0 && seen >= rank {
                return Some(upper_bound(bucket));
            }
        }
        None
    }

    /// Each bucket's upper bound and count, from the shortest.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u32)> + '_ {
        self.counts.iter().enumerate().map(|(i, &n)| (upper_bound(i), n))
    }

    /// Adds another histogram's counts.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.saturating_add(theirs);
        }
    }

    fn bucket(sample: Duration) -> usize {
        bucket(u32::try_from(sample.as_nanos()).unwrap_or(u32::MAX).into())
    }
}

/// The bucket of a duration: two for each power of two of nanoseconds.
#[inline]
fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(1);
    let octave = nanos.ilog2();
    // The bit below the highest one halves the octave.
    let upper = if octave == 0 { 0 } else { (nanos >> (octave - 1)) as u32 & 1 };
    (2 * octave + upper) as usize
}

/// What every duration of a bucket is below.
fn upper_bound(bucket: usize) -> Duration {
    let octave = 1u64 << (bucket / 2);
    let top = if bucket.is_multiple_of(2) { octave + octave / 2 } else { 2 * octave };
    Duration::from_nanos(top)
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; Self::BUCKETS] }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("p50", &self.percentile(50.0))
            .field("p99", &self.percentile(99.0))
            .finish()
    }
}

/// Durations of a whole server, for all its life: the same buckets, further up, in counts that do not
/// end, and the exact sum.
#[derive(Clone)]
pub struct Durations {
    counts: [u64; Self::BUCKETS],
    sum_ns: u64,
}

impl Durations {
    /// Buckets; 73 minutes and more share the last one.
    pub const BUCKETS: usize = 84;

    /// Adds a duration.
    #[inline]
    pub fn record(&mut self, sample: Duration) {
        let nanos = u64::try_from(sample.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(nanos).min(Self::BUCKETS - 1)) {
            *count += 1;
        }
        self.sum_ns = self.sum_ns.saturating_add(nanos);
    }

    /// How many durations were added.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// Each bucket's upper bound and count, from the shortest.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.counts.iter().enumerate().map(|(i, &n)| (upper_bound(i), n))
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self { counts: [0; Self::BUCKETS], sum_ns: 0 }
    }
}

impl fmt::Debug for Durations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, sum) = (self.count(), self.sum());
        f.debug_struct("Durations").field("count", &count).field("sum", &sum).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_takes_256_bytes() {
        assert_eq!(size_of::<Histogram>(), 256);
    }

    #[test]
    fn every_duration_lies_below_its_bound_and_within_half() {
        for nanos in (0..40).flat_map(|p| [1u64 << p, (1 << p) + 1, 3 << p >> 1, (1 << p) - 1]) {
            let sample = Duration::from_nanos(nanos);
            let mut one = Histogram::default();
            one.record(sample);
            let bound = one.percentile(50.0).unwrap();
            if nanos > 2 && nanos < u64::from(u32::MAX) {
                assert!(sample <= bound && bound.as_nanos() as u64 * 2 <= nanos * 3 + 3, "{nanos}");
            }
        }
    }

    #[test]
    fn durations_are_summed_exactly_and_have_a_bucket_each() {
        let mut all = Durations::default();
        let samples = [0, 1, 999, 5_000_000_000, u64::MAX].map(Duration::from_nanos);
        for (i, sample) in samples.into_iter().enumerate() {
            let mut one = Durations::default();
            one.record(sample);
            assert_eq!(one.sum(), sample);
            let (bound, _) = one.buckets().find(|&(_, count)| count == 1).unwrap();
            assert!(bound >= sample || i == 4, "{sample:?} is above {bound:?}");
            all.merge(&one);
        }
        assert_eq!((all.count(), all.sum()), (5, Duration::from_nanos(u64::MAX)));
    }

    #[test]
    fn percentiles_count_samples() {
        let mut all = Histogram::default();
        assert_eq!(all.percentile(50.0), None);
        for _ in 0..99 {
            all.record(Duration::from_micros(10));
        }
        all.record(Duration::from_millis(10));
        assert!(all.percentile(50.0).unwrap() < Duration::from_micros(20));
        assert!(all.percentile(99.0).unwrap() < Duration::from_micros(20));
        assert!(all.percentile(100.0).unwrap() > Duration::from_millis(9));
    }

    #[test]
    fn round_trips_smooth_by_an_eighth() {
        let mut rtt = RoundTrips::first(Duration::from_millis(8));
        rtt.add(Duration::from_millis(16));
        assert_eq!(rtt.smoothed(), Duration::from_millis(9));
        assert_eq!(rtt.min(), Duration::from_millis(8));
        assert_eq!(rtt.last(), Duration::from_millis(16));
    }
}
