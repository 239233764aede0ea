//! What is shown, made of two samples: rates are their difference.

use std::collections::HashMap;
use std::time::Duration;

use super::sample::{Connection, Lag, Metrics, Room, Sample, Seat};
use crate::terminal::harmless;

/// What happens in a second; `None` where it is not known: there was nothing before, no time has passed, or
/// the counter began anew.
pub(super) type Rate = Option<f64>;

/// The rate of a counter.
pub(super) fn per_second(before: Option<f64>, now: Option<f64>, over: Duration) -> Rate {
    let more = now? - before?;
    (more >= 0.0 && !over.is_zero()).then(|| more / over.as_secs_f64())
}

/// What is shown of one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) totals: Totals,
    pub(super) connections: Vec<ConnectionRow>,
    /// There are more connections than are listed.
    pub(super) more_connections: bool,
    pub(super) silent: u64,
    pub(super) rooms: Vec<RoomRow>,
    /// There are more rooms than are listed.
    pub(super) more_rooms: bool,
}

/// The whole server.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) version: String,
    pub(super) draining: bool,
    pub(super) uptime: Option<Duration>,
    pub(super) connections: u64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) blocked: u64,
    pub(super) frames: InOut,
    pub(super) bytes: InOut,
    pub(super) rooms: u64,
    pub(super) members: u64,
    pub(super) publishes: Rate,
    pub(super) deliveries: Rate,
    pub(super) gaps: u64,
    pub(super) slow: u64,
    pub(super) errors: u64,
    pub(super) failed_handshakes: u64,
    pub(super) log_bytes: u64,
    pub(super) unsent_bytes: u64,
    pub(super) resident: Option<u64>,
    /// Of one core.
    pub(super) cpu: Rate,
}

/// The rates of both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct InOut {
    pub(super) received: Rate,
    pub(super) sent: Rate,
}

/// One connection.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionRow {
    pub(super) session: String,
    pub(super) user: String,
    pub(super) peer: String,
    pub(super) protocol: String,
    pub(super) tls: String,
    pub(super) rooms: Vec<(String, Option<Lag>)>,
    pub(super) frames: InOut,
    pub(super) bytes: InOut,
    pub(super) rtt: Option<Duration>,
    /// Of all its rooms together: records and bytes are added up, the oldest counts.
    pub(super) lag: Lag,
    pub(super) blocked: bool,
    pub(super) paused: bool,
    pub(super) errors: u64,
    pub(super) in_flight: u64,
    pub(super) uptime: Duration,
}

/// One room.
#[derive(Clone, Debug, Default)]
pub(super) struct RoomRow {
    pub(super) name: String,
    pub(super) members: u64,
    pub(super) publishes: Rate,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) next_seq: u64,
    pub(super) epoch: String,
    pub(super) oldest: Option<Duration>,
    pub(super) newest: Option<Duration>,
    /// The furthest that a listed connection is behind, and who that is.
    pub(super) worst: Option<(Lag, String)>,
}

impl Figures {
    /// What a sample shows; rates since the one before.
    pub(super) fn of(before: Option<&Sample>, now: &Sample) -> Self {
        let over = before.map_or(Duration::ZERO, |before| now.at.duration_since(before.at));
        let earlier: HashMap<&str, &Connection> = before
            .iter()
            .flat_map(|sample| &sample.connections.connections)
            .map(|connection| (connection.session.as_str(), connection))
            .collect();
        let earlier_rooms: HashMap<(&str, &str), &Room> = before
            .iter()
            .flat_map(|sample| &sample.rooms.rooms)
            .map(|room| ((room.room_id.as_str(), room.epoch.as_str()), room))
            .collect();
        let listed = &now.connections.connections;
        let worst = worst(listed);
        let connection = |connection: &Connection| {
            ConnectionRow::of(earlier.get(connection.session.as_str()).copied(), connection, over)
        };
        let room = |room: &Room| {
            let earlier = earlier_rooms.get(&(room.room_id.as_str(), room.epoch.as_str()));
            let worst = worst.get(room.room_id.as_str()).copied();
            RoomRow::of(earlier.copied(), room, over, now.wall_ms, worst)
        };
        Self {
            totals: Totals::of(before.map(|before| &before.metrics), now, over),
            connections: listed.iter().map(connection).collect(),
            more_connections: now.connections.next.is_some(),
            silent: now.connections.silent,
            rooms: now.rooms.rooms.iter().map(room).collect(),
            more_rooms: now.rooms.next.is_some(),
        }
    }
}

/// By room, the furthest that somebody is behind.
fn worst(connections: &[Connection]) -> HashMap<&str, (Lag, &Seat)> {
    let mut worst: HashMap<&str, (Lag, &Seat)> = HashMap::new();
    for seat in connections.iter().flat_map(|connection| &connection.rooms) {
        let Some(lag) = seat.lag else { continue };
        let furthest = worst.entry(&seat.room_id).or_insert((lag, seat));
        if lag > furthest.0 {
            *furthest = (lag, seat);
        }
    }
    worst
}

impl Totals {
    fn of(before: Option<&Metrics>, sample: &Sample, over: Duration) -> Self {
        let now = &sample.metrics;
        let number = |name| now.sum(name).unwrap_or_default() as u64;
        let rate = |name, label| {
            let of = |metrics: &Metrics| metrics.sum_with(name, label);
            per_second(before.and_then(of), of(now), over)
        };
        let both = |name| InOut {
            received: rate(name, "direction=\"in\""),
            sent: rate(name, "direction=\"out\""),
        };
        let started = now.sum("process_start_time_seconds");
        let uptime = started.map(|start| (sample.wall_ms as f64 / 1000.0 - start).max(0.0));
        let version = now.label("tagwire_build_info", "version").unwrap_or("?");
        Self {
            version: harmless(version),
            draining: number("tagwire_draining") > 0,
            uptime: uptime.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            connections: number("tagwire_connections"),
            accepted: number("tagwire_connections_accepted_total"),
            refused: number("tagwire_connections_refused_total"),
            blocked: number("tagwire_connections_blocked"),
            frames: both("tagwire_frames_total"),
            bytes: both("tagwire_frame_bytes_total"),
            rooms: number("tagwire_rooms"),
            members: number("tagwire_members"),
            publishes: rate("tagwire_publishes_total", ""),
            deliveries: rate("tagwire_deliveries_total", ""),
            gaps: number("tagwire_gaps_total"),
            slow: number("tagwire_slow_consumer_disconnects_total"),
            errors: number("tagwire_errors_total"),
            failed_handshakes: number("tagwire_handshake_failures_total"),
            log_bytes: number("tagwire_log_bytes"),
            unsent_bytes: number("tagwire_unsent_bytes"),
            resident: now.sum("process_resident_memory_bytes").map(|bytes| bytes as u64),
            cpu: rate("process_cpu_seconds_total", ""),
        }
    }
}

impl ConnectionRow {
    fn of(before: Option<&Connection>, now: &Connection, over: Duration) -> Self {
        let rate = |of: fn(&Connection) -> u64| {
            per_second(before.map(|before| of(before) as f64), Some(of(now) as f64), over)
        };
        let tls = now.tls.as_ref().map(|tls| {
            let cipher = tls.cipher.strip_prefix("TLS_").unwrap_or(&tls.cipher);
            harmless(&format!("{} {} {cipher}", tls.version, tls.key_exchange))
        });
        Self {
            session: harmless(&now.session),
            user: harmless(user(now)),
            peer: harmless(&now.address),
            protocol: harmless(&now.protocol),
            tls: tls.unwrap_or_default(),
            rooms: now.rooms.iter().map(|seat| (harmless(&seat.room_id), seat.lag)).collect(),
            frames: InOut { received: rate(|c| c.frames_in), sent: rate(|c| c.frames_out) },
            bytes: InOut { received: rate(|c| c.bytes_in), sent: rate(|c| c.bytes_out) },
            rtt: now.rtt_us.smoothed.map(Duration::from_micros),
            lag: lag(&now.rooms),
            blocked: now.blocked,
            paused: now.paused,
            errors: now.errors,
            in_flight: now.in_flight,
            uptime: Duration::from_millis(now.uptime_ms),
        }
    }
}

/// The name that says most: that of its `hello`, or of the room that it joined by one.
fn user(connection: &Connection) -> &str {
    let is_guest = |name: &str| name.strip_prefix("guest-") == Some(&connection.session);
    let seats = connection.rooms.iter().map(|seat| seat.user_id.as_str());
    let mut names = [connection.user_id.as_str()].into_iter().chain(seats);
    names.find(|name| !is_guest(name)).unwrap_or(&connection.user_id)
}

fn lag(seats: &[Seat]) -> Lag {
    seats.iter().filter_map(|seat| seat.lag).fold(Lag::default(), |sum, lag| Lag {
        messages: sum.messages.saturating_add(lag.messages),
        bytes: sum.bytes.saturating_add(lag.bytes),
        ms: sum.ms.max(lag.ms),
    })
}

impl RoomRow {
    fn of(
        before: Option<&Room>,
        now: &Room,
        over: Duration,
        wall_ms: u64,
        worst: Option<(Lag, &Seat)>,
    ) -> Self {
        let next = |room: &Room| room.next_seq as f64;
        let age = |time: Option<u64>| Some(Duration::from_millis(wall_ms.saturating_sub(time?)));
        Self {
            name: harmless(&now.room_id),
            members: now.members,
            publishes: per_second(before.map(next), Some(next(now)), over),
            records: now.records,
            bytes: now.log_bytes,
            next_seq: now.next_seq,
            epoch: harmless(&now.epoch),
            oldest: age(now.oldest_time_ms),
            newest: age(now.newest_time_ms),
            worst: worst.map(|(lag, seat)| (lag, harmless(&seat.user_id))),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::top::example::{connection, room, sample, seat};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rate_is_a_difference_over_time() {
        let rate = |before, now| per_second(before, now, 2 * SECOND);
        assert_eq!(rate(Some(10.0), Some(14.0)), Some(2.0));
        assert_eq!(rate(Some(10.0), Some(10.0)), Some(0.0));
        assert_eq!(rate(None, Some(14.0)), None, "nothing before it");
        assert_eq!(rate(Some(10.0), None), None, "it is gone");
        assert_eq!(rate(Some(10.0), Some(3.0)), None, "it began anew");
        assert_eq!(per_second(Some(1.0), Some(2.0), Duration::ZERO), None);
    }

    #[test]
    fn the_first_sample_has_no_rates_and_the_second_has() {
        let mut first = sample(Instant::now(), "tagwire_frames_total{direction=\"in\"} 100\n");
        first.connections.connections = vec![connection("n-1", "ann")];
        first.rooms.rooms = vec![room("lobby", 5)];
        let figures = Figures::of(None, &first);
        assert_eq!(figures.totals.frames, InOut::default());
        assert_eq!(figures.connections[0].frames, InOut::default());
        assert_eq!(figures.rooms[0].publishes, None);

        let mut second =
            sample(first.at + 2 * SECOND, "tagwire_frames_total{direction=\"in\"} 300\n");
        second.connections.connections = vec![connection("n-2", "bob"), connection("n-1", "ann")];
        second.connections.connections[1].frames_in += 8;
        second.rooms.rooms = vec![room("lobby", 9)];
        let figures = Figures::of(Some(&first), &second);
        assert_eq!(figures.totals.frames, InOut { received: Some(100.0), sent: None });
        assert_eq!(figures.connections[0].frames.received, None, "it is new");
        assert_eq!(figures.connections[1].frames, InOut { received: Some(4.0), sent: Some(0.0) });
        assert_eq!(figures.rooms[0].publishes, Some(2.0));

        // A server that started anew, and a room whose numbers did.
        let mut third = sample(second.at + SECOND, "tagwire_frames_total{direction=\"in\"} 7\n");
        third.rooms.rooms = vec![Room { epoch: "other".to_owned(), ..room("lobby", 99) }];
        let figures = Figures::of(Some(&second), &third);
        assert_eq!(figures.totals.frames, InOut::default());
        assert_eq!(figures.rooms[0].publishes, None);
    }

    #[test]
    fn lags_are_added_up_by_connection_and_the_worst_is_told_by_room() {
        let mut now = sample(Instant::now(), "");
        let mut ann = connection("n-1", "ann");
        ann.rooms = vec![seat("a", "ann", (1, 10, 100)), seat("b", "ann", (2, 20, 50))];
        let mut bob = connection("n-2", "bob");
        bob.rooms = vec![seat("a", "bob", (3, 5, 1))];
        now.connections.connections = vec![ann, bob];
        now.rooms.rooms = vec![room("a", 1), room("c", 1)];
        let figures = Figures::of(None, &now);
        assert_eq!(figures.connections[0].lag, Lag { messages: 3, bytes: 30, ms: 100 });
        let (lag, who) = figures.rooms[0].worst.clone().unwrap();
        assert_eq!((lag.messages, who.as_str()), (3, "bob"));
        assert_eq!(figures.rooms[1].worst, None);
    }

    #[test]
    fn who_joined_by_a_name_has_it() {
        let mut guest = connection("n-1", "guest-n-1");
        assert_eq!(user(&guest), "guest-n-1");
        guest.rooms = vec![seat("a", "guest-n-1", (0, 0, 0)), seat("b", "ann", (0, 0, 0))];
        assert_eq!(user(&guest), "ann");
        guest.user_id = "bob\u{1b}".to_owned();
        let row = ConnectionRow::of(None, &guest, SECOND);
        assert_eq!(row.user, "bob\\u{1b}");
    }
}
