//! Samples for tests.

use tokio::time::Instant;

use super::sample::{
    Connection, Connections, Lag, Metrics, Room, Rooms, RoundTrips, Sample, Seat, Tls,
};

/// Of that moment; the clock on the wall shows 1,000,000 s.
pub(super) fn sample(at: Instant, metrics: &str) -> Sample {
    Sample {
        at,
        wall_ms: 1_000_000_000,
        metrics: Metrics::parse(metrics),
        connections: Connections::default(),
        rooms: Rooms::default(),
    }
}

pub(super) fn connection(session: &str, user: &str) -> Connection {
    Connection {
        session: session.to_owned(),
        address: "127.0.0.1:54321".to_owned(),
        protocol: "frames".to_owned(),
        tls: Some(Tls {
            version: "TLSv1.3".to_owned(),
            key_exchange: "X25519MLKEM768".to_owned(),
            cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        }),
        user_id: user.to_owned(),
        rooms: Vec::new(),
        bytes_in: 1000,
        bytes_out: 2000,
        frames_in: 10,
        frames_out: 20,
        errors: 0,
        rtt_us: RoundTrips { smoothed: Some(120) },
        uptime_ms: 65_000,
        blocked: false,
        paused: false,
        in_flight: 0,
    }
}

/// A seat that is so many records, bytes and milliseconds behind.
pub(super) fn seat(room: &str, user: &str, (messages, bytes, ms): (u64, u64, u64)) -> Seat {
    let lag = Some(Lag { messages, bytes, ms });
    Seat { room_id: room.to_owned(), user_id: user.to_owned(), lag }
}

pub(super) fn room(name: &str, next_seq: u64) -> Room {
    Room {
        room_id: name.to_owned(),
        members: 3,
        next_seq,
        epoch: "life".to_owned(),
        records: next_seq - 1,
        log_bytes: 100 * next_seq,
        oldest_time_ms: Some(999_000_000),
        newest_time_ms: Some(999_999_000),
    }
}
