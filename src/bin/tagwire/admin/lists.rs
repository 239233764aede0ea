//! Connections, rooms and members as JSON; the words are the protocol's where it has them.

use std::time::Duration;

use serde_json::{Value, json};
use tagwire::peer::{Lag, Report, Seated};
use tagwire::room::Summary;
use tagwire::server::{Connections, Members};

/// A page of connections.
pub(super) fn connections(page: &Connections) -> Value {
    let connections: Vec<_> = page.reports.iter().map(connection).collect();
    json!({
        "connections": connections,
        "silent": page.silent,
        "next": page.next.as_ref().map(|session| session.as_str()),
    })
}

fn connection(report: &Report) -> Value {
    let tls = report.info.tls.map(|tls| {
        json!({
            "version": tls.version,
            "key_exchange": tls.key_exchange,
            "cipher": tls.cipher,
            "alpn": tls.alpn.map(|alpn| alpn.as_str()),
            "resumed": tls.resumed,
        })
    });
    let rtt = |time: fn(&tagwire::latency::RoundTrips) -> Duration| {
        report.rtt.as_ref().map(|rtt| u64::try_from(time(rtt).as_micros()).unwrap_or(u64::MAX))
    };
    let traffic = report.traffic;
    json!({
        "session": report.session.as_str(),
        "address": report.info.address.to_string(),
        "protocol": report.info.speaks.as_str(),
        "tls": tls,
        "user_id": report.user_id.as_str(),
        "rooms": report.rooms.iter().map(seated).collect::<Vec<_>>(),
        "bytes_in": traffic.bytes_in,
        "bytes_out": traffic.bytes_out,
        "frames_in": traffic.frames_in,
        "frames_out": traffic.frames_out,
        "errors": traffic.errors,
        "rtt_us": {
            "last": rtt(|rtt| rtt.last()),
            "min": rtt(|rtt| rtt.min()),
            "smoothed": rtt(|rtt| rtt.smoothed()),
        },
        "uptime_ms": millis(report.uptime),
        "blocked": report.blocked,
        "paused": report.paused,
        "in_flight": report.in_flight,
    })
}

fn seated(seated: &Seated) -> Value {
    json!({
        "room_id": seated.room.as_str(),
        "user_id": seated.user_id.as_str(),
        "lag": seated.lag.map(lag),
    })
}

fn lag(lag: Lag) -> Value {
    json!({"messages": lag.records, "bytes": lag.bytes, "ms": millis(lag.age)})
}

/// A page of rooms.
pub(super) fn rooms(rooms: &[Summary], more: bool) -> Value {
    let next = rooms.last().filter(|_| more).map(|room| room.name.as_str());
    json!({"rooms": rooms.iter().map(room).collect::<Vec<_>>(), "next": next})
}

fn room(room: &Summary) -> Value {
    json!({
        "room_id": room.name.as_str(),
        "members": room.members,
        "next_seq": room.next_seq.0,
        "epoch": &*room.epoch,
        "records": room.records,
        "log_bytes": room.log_bytes,
        "oldest_time_ms": room.oldest_ms,
        "newest_time_ms": room.newest_ms,
    })
}

/// A page of a room's members.
pub(super) fn members(room: &str, page: &Members) -> Value {
    let next = page.members.last().filter(|_| page.more).map(|member| member.user_id.as_str());
    let members: Vec<_> = page
        .members
        .iter()
        .map(|member| {
            json!({
                "user_id": member.user_id.as_str(),
                "session": member.session.as_str(),
                "lag": member.lag.map(lag),
            })
        })
        .collect();
    json!({"room_id": room, "members": members, "next": next})
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
