//! How long frames took to handle, by tag, how long round trips were, and how late who was slow:
//! histograms of a whole server.
//!
//! Each worker adds to its own, so that nobody waits; who asks gets the sum.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::latency::Durations;
use crate::room::WorkerId;
use crate::sync::lock;
use crate::wire::Tag;

/// Histograms of one moment.
#[derive(Clone, Debug, Default)]
pub struct Timings {
    /// From decoded to handled, by tag; of lines, under [`Timings::LINES`].
    pub handled: BTreeMap<Tag, Durations>,
    /// Round trips of heartbeats.
    pub round_trips: Durations,
    /// How old the record was at which a peer went on that had taken nothing for a while.
    pub lags: Durations,
}

impl Timings {
    /// Under which tag lines are counted: the one that no frame can have.
    pub const LINES: Tag = Tag::from_byte(0);

    fn merge(&mut self, other: &Self) {
        for (&tag, histogram) in &other.handled {
            self.handled.entry(tag).or_default().merge(histogram);
        }
        self.round_trips.merge(&other.round_trips);
        self.lags.merge(&other.lags);
    }
}

/// The histograms of every worker.
#[derive(Debug)]
pub(super) struct TimingsByWorker(Box<[Mutex<Timings>]>);

impl TimingsByWorker {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Mutex::default()).collect())
    }

    pub(super) fn handle_handled(&self, worker: WorkerId, tag: Tag, took: Duration) {
        if let Some(timings) = self.0.get(worker.0) {
            lock(timings).handled.entry(tag).or_default().record(took);
        }
    }

    pub(super) fn handle_round_trip(&self, worker: WorkerId, took: Duration) {
        if let Some(timings) = self.0.get(worker.0) {
            lock(timings).round_trips.record(took);
        }
    }

    pub(super) fn handle_lag(&self, worker: WorkerId, age: Duration) {
        if let Some(timings) = self.0.get(worker.0) {
            lock(timings).lags.record(age);
        }
    }

    pub(super) fn sum(&self) -> Timings {
        let mut sum = Timings::default();
        for timings in &self.0 {
            sum.merge(&lock(timings));
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_added_up_by_tag() {
        let timings = TimingsByWorker::new(2);
        for worker in [WorkerId(0), WorkerId(1)] {
            timings.handle_handled(worker, Tag::DATA, Duration::from_micros(5));
            timings.handle_round_trip(worker, Duration::from_millis(1));
        }
        timings.handle_handled(WorkerId(1), Tag::CONTROL, Duration::from_micros(9));
        let sum = timings.sum();
        assert_eq!(sum.handled[&Tag::DATA].count(), 2);
        assert_eq!(sum.handled[&Tag::CONTROL].count(), 1);
        assert_eq!(sum.round_trips.count(), 2);
    }
}
