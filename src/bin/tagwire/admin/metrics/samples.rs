//! What one family of metrics has at one moment: values by labels.

use std::fmt;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use tagwire::latency::Durations;

/// What a family's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows; its name ends in `_total`, which the table leaves out.
    Counter,
    /// Comes and goes.
    Gauge,
    /// Durations by size.
    Histogram,
}

impl From<Kind> for MetricType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Gauge => Self::Gauge,
            Kind::Histogram => Self::Histogram,
        }
    }
}

type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
enum Value {
    Counted(u64),
    Summed(f64),
    Gauge(f64),
    Histogram { sum: f64, count: u64, buckets: Vec<(f64, u64)> },
}

/// The values of one family, by labels.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<(Labels, Value)>);

/// Between which powers of two of nanoseconds a histogram tells durations apart; each of its bounds is four
/// times the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) least: u32,
    pub(super) most: u32,
}

impl Samples {
    fn add(&mut self, labels: &[(&'static str, &str)], value: Value) {
        let labels = labels.iter().map(|&(key, value)| (key, value.to_owned())).collect();
        self.0.push((labels, value));
    }

    pub(super) fn count(&mut self, labels: &[(&'static str, &str)], count: u64) {
        self.add(labels, Value::Counted(count));
    }

    pub(super) fn sum(&mut self, sum: f64) {
        self.add(&[], Value::Summed(sum));
    }

    pub(super) fn gauge(&mut self, labels: &[(&'static str, &str)], value: f64) {
        self.add(labels, Value::Gauge(value));
    }

    pub(super) fn histogram(
        &mut self,
        labels: &[(&'static str, &str)],
        durations: &Durations,
        bounds: Bounds,
    ) {
        let (sum, count) = (durations.sum().as_secs_f64(), durations.count());
        let buckets = buckets(durations, bounds);
        self.add(labels, Value::Histogram { sum, count, buckets });
    }

    /// Writes them all.
    pub(super) fn encode(&self, mut metric: MetricEncoder<'_>) -> fmt::Result {
        for (labels, value) in &self.0 {
            match labels.is_empty() {
                true => value.encode(&mut metric)?,
                false => value.encode(&mut metric.encode_family(labels)?)?,
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counted(count) => metric.encode_counter::<NoLabelSet, _, u64>(count, None),
            Self::Summed(sum) => metric.encode_counter::<NoLabelSet, _, u64>(sum, None),
            Self::Gauge(value) => metric.encode_gauge(value),
            Self::Histogram { sum, count, buckets } => {
                metric.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
            }
        }
    }
}

/// How many durations lie below each bound and not below the last; above all bounds, at the end.
fn buckets(durations: &Durations, bounds: Bounds) -> Vec<(f64, u64)> {
    let nanos = (bounds.least..=bounds.most).step_by(2).map(|power| 1u64 << power);
    let mut buckets: Vec<(u64, u64)> = nanos.map(|nanos| (nanos, 0)).collect();
    let mut above = 0;
    for (bound, count) in durations.buckets() {
        let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        match buckets.iter_mut().find(|(upper, _)| bound <= *upper) {
            Some((_, sum)) => *sum += count,
            None => above += count,
        }
    }
    let seconds = |(nanos, count): (u64, u64)| (nanos as f64 / 1e9, count);
    buckets.into_iter().map(seconds).chain([(f64::INFINITY, above)]).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_duration_is_in_the_first_bucket_that_is_above_it() {
        let mut durations = Durations::default();
        for nanos in [1, 1000, 1025, 5000, u64::MAX] {
            durations.record(Duration::from_nanos(nanos));
        }
        let buckets = buckets(&durations, Bounds { least: 10, most: 14 });
        let want = [(1.024e-6, 2), (4.096e-6, 1), (16.384e-6, 1), (f64::INFINITY, 1)];
        assert_eq!(buckets, want);
    }
}
