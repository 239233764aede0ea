//! What the admin listener says at one moment, as it is read.

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::time::Instant;

/// Everything that was asked for at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// When it arrived.
    pub(super) at: Instant,
    /// When it arrived, milliseconds since 1970.
    pub(super) wall_ms: u64,
    pub(super) metrics: Metrics,
    pub(super) connections: Connections,
    pub(super) rooms: Rooms,
}

/// A page of `/v1/connections`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Connections {
    pub(super) connections: Vec<Connection>,
    /// Connections that did not say how they are.
    pub(super) silent: u64,
    /// There are more.
    pub(super) next: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Connection {
    pub(super) session: String,
    pub(super) address: String,
    pub(super) protocol: String,
    pub(super) tls: Option<Tls>,
    pub(super) user_id: String,
    pub(super) rooms: Vec<Seat>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) frames_in: u64,
    pub(super) frames_out: u64,
    pub(super) errors: u64,
    pub(super) rtt_us: RoundTrips,
    pub(super) uptime_ms: u64,
    pub(super) blocked: bool,
    pub(super) paused: bool,
    pub(super) in_flight: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Tls {
    pub(super) version: String,
    pub(super) key_exchange: String,
    pub(super) cipher: String,
}

/// A connection's place in a room.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Seat {
    pub(super) room_id: String,
    pub(super) user_id: String,
    pub(super) lag: Option<Lag>,
}

/// How far somebody is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Lag {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) ms: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct RoundTrips {
    pub(super) smoothed: Option<u64>,
}

/// A page of `/v1/rooms`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Rooms {
    pub(super) rooms: Vec<Room>,
    /// There are more.
    pub(super) next: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Room {
    pub(super) room_id: String,
    pub(super) members: u64,
    pub(super) next_seq: u64,
    pub(super) epoch: String,
    pub(super) records: u64,
    pub(super) log_bytes: u64,
    pub(super) oldest_time_ms: Option<u64>,
    pub(super) newest_time_ms: Option<u64>,
}

/// `/metrics`: samples by their name with labels, as they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads the text format of version 0.0.4; what is no sample counts for nothing.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        Self(lines.filter_map(sample).collect())
    }

    /// All samples of a name together; `None` if there are none.
    pub(super) fn sum(&self, name: &str) -> Option<f64> {
        self.sum_with(name, "")
    }

    /// Those that have a label, written as in `direction="in"`.
    pub(super) fn sum_with(&self, name: &str, label: &str) -> Option<f64> {
        let of_name = self.0.range(name.to_owned()..).take_while(|(at, _)| at.starts_with(name));
        let labels = of_name.filter_map(|(series, value)| {
            let rest = series.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with('{')).then_some((rest, *value))
        });
        let wanted = labels.filter(|(rest, _)| rest.contains(label)).map(|(_, value)| value);
        wanted.reduce(|sum, value| sum + value)
    }

    /// The value of a label of some sample of a name.
    pub(super) fn label(&self, name: &str, label: &str) -> Option<&str> {
        let (series, _) = self.0.range(name.to_owned()..).next()?;
        let labels = series.strip_prefix(name)?.strip_prefix('{')?;
        let (_, value) = labels.split_once(&format!("{label}=\""))?;
        value.split_once('"').map(|(value, _)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_added_up_by_name_and_label() {
        let metrics = Metrics::parse(
            "# HELP a_total What.\n# TYPE a_total counter\na_total{tag=\"x\",direction=\"in\"} 1\n\
             a_total{tag=\"y\",direction=\"in\"} 2\na_total{tag=\"x\",direction=\"out\"} 4\n\
             a_total_more 8\nb 1.5\ninfo{version=\"0.1.0\"} 1\nnonsense\nbad x\n",
        );
        assert_eq!(metrics.sum("a_total"), Some(7.0));
        assert_eq!(metrics.sum_with("a_total", "direction=\"in\""), Some(3.0));
        assert_eq!(
            (metrics.sum("b"), metrics.sum("c"), metrics.sum("bad")),
            (Some(1.5), None, None)
        );
        assert_eq!(metrics.label("info", "version"), Some("0.1.0"));
        assert_eq!((metrics.label("b", "version"), metrics.label("c", "version")), (None, None));
    }
}
