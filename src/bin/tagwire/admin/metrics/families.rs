//! The table of metrics. What is not here is not exposed, and docs/metrics.md is made of it.
//!
//! Labels have few values: names that peers choose, of rooms or users, are never one. All that can be told
//! before it happens is exposed from the start, with 0.

use tagwire::session::{
    Closed, Delivery, GAP_REASONS, Metered, Proxied, Refused, STATUSES, Timings,
};
use tagwire::tls::Failure;
use tagwire::wire::{Code, Tag};

use super::Moment;
use super::process::Process;
use super::samples::{Bounds, Kind, Samples};
use crate::reloads::What;

/// One metric.
pub(super) struct Family {
    /// Its name; a counter's without `_total`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The labels of its samples.
    #[cfg_attr(not(test), allow(dead_code, reason = "for docs/metrics.md"))]
    pub(super) labels: &'static [&'static str],
    /// What it says.
    pub(super) help: &'static str,
    /// Its samples at a moment.
    pub(super) read: fn(&Moment, &mut Samples),
}

/// From 1 us to 1 s.
const HANDLED: Bounds = Bounds { least: 10, most: 30 };
/// From 16 us to 4 s.
const ROUND_TRIPS: Bounds = Bounds { least: 14, most: 32 };
/// From 1 ms to 18 min.
const LAGS: Bounds = Bounds { least: 20, most: 40 };

type Read = fn(&Moment, &mut Samples);
type Labels = &'static [&'static str];

const fn counter(name: &'static str, labels: Labels, help: &'static str, read: Read) -> Family {
    Family { name, kind: Kind::Counter, labels, help, read }
}

const fn gauge(name: &'static str, labels: Labels, help: &'static str, read: Read) -> Family {
    Family { name, kind: Kind::Gauge, labels, help, read }
}

const fn histogram(name: &'static str, labels: Labels, help: &'static str, read: Read) -> Family {
    Family { name, kind: Kind::Histogram, labels, help, read }
}

/// Every metric, in the order in which they are exposed.
#[rustfmt::skip]
pub(super) const FAMILIES: &[Family] = &[
    gauge("tagwire_build_info", &["version"],
        "Always 1; the program's version",
        |_, out| out.gauge(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)),
    gauge("tagwire_draining", &[],
        "1 once the server has begun to end, else 0",
        |now, out| out.gauge(&[], f64::from(u8::from(now.draining)))),
    gauge("tagwire_certificate_not_after_seconds", &[],
        "The last second of the server's certificate, since 1970",
        |now, out| out.gauge(&[], now.certificate_not_after as f64)),
    counter("tagwire_reloads", &["what", "result"],
        "Times that the certificate or the configuration was read again, and whether what was there was good",
        reloads),
    gauge("tagwire_reload_last_success_seconds", &["what"],
        "When what was there was last good, since 1970; the start counts",
        |now, out| What::ALL.iter().zip(&now.reloads).for_each(|(what, done)| {
            out.gauge(&[("what", what.as_str())], done.last_ok_s as f64);
        })),
    counter("tagwire_log_lines_lost", &[],
        "Lines of the log that were not written because nobody read those before them",
        |now, out| out.count(&[], now.lines_lost)),

    gauge("tagwire_connections", &[],
        "Connections that are open, handshakes included: accepted less closed",
        |now, out| out.gauge(&[], now.tally.open as f64)),
    counter("tagwire_connections_accepted", &[],
        "Connections that were accepted",
        |now, out| out.count(&[], now.tally.accepted)),
    counter("tagwire_connections_closed", &["reason"],
        "Connections that ended, by reason",
        |now, out| each(out, "reason", Closed::ALL.map(Closed::as_str), now.tally.closed)),
    counter("tagwire_connections_refused", &["reason"],
        "Connections that were refused before their handshake, by reason; none of them was accepted",
        |now, out| each(out, "reason", Refused::ALL.map(Refused::as_str), now.tally.refused)),
    counter("tagwire_connections_on_trial", &["reason"],
        "Connections that were accepted only because limits.dry_run is set, by what would have refused them",
        |now, out| each(out, "reason", Refused::ALL.map(Refused::as_str), now.tally.would_refuse)),
    counter("tagwire_connections_proxied", &["header"],
        "Connections from load balancers (proxy.from), by their PROXY header",
        |now, out| each(out, "header", Proxied::ALL.map(Proxied::as_str), now.tally.proxied)),
    gauge("tagwire_connections_blocked", &[],
        "Connections that take nothing now although they are owed something: slow consumers",
        |now, out| out.gauge(&[], now.tally.blocked as f64)),
    counter("tagwire_slow_consumer_disconnects", &[],
        "Connections that were closed because they fell behind further than their room keeps (rooms.slow)",
        |now, out| out.count(&[], now.metered.error(Code::SlowConsumer))),

    counter("tagwire_handshakes", &["version", "key_exchange", "cipher", "resumed"],
        "TLS handshakes that succeeded, by what they settled",
        handshakes),
    counter("tagwire_handshake_failures", &["reason"],
        "TLS handshakes that failed, by reason",
        |now, out| each(out, "reason", Failure::ALL.map(Failure::as_str), now.metered.failures)),

    counter("tagwire_frames", &["tag", "direction"],
        "Frames by tag, and lines; in: whole ones that arrived, out: those that were to be sent",
        |now, out| by_tag(now, out, |flow| flow.frames)),
    counter("tagwire_frame_bytes", &["tag", "direction"],
        "Their bytes before encryption, headers included; a frame that was refused counts with its header",
        |now, out| by_tag(now, out, |flow| flow.bytes)),
    counter("tagwire_publishes", &[],
        "Publishes that are in their room's log",
        |now, out| out.count(&[], now.tally.published)),
    counter("tagwire_paused_publishes", &[],
        "Publishes that had to wait for slow readers of their room (rooms.slow = \"pause\")",
        |now, out| out.count(&[], now.tally.paused)),
    counter("tagwire_deliveries", &["form"],
        "Records that were to be sent to members, by the form in which they asked for them",
        |now, out| each(out, "form", Delivery::ALL.map(Delivery::as_str), now.metered.delivered.map(|flow| flow.frames))),
    counter("tagwire_delivered_bytes", &["form"],
        "Their bytes before encryption",
        |now, out| each(out, "form", Delivery::ALL.map(Delivery::as_str), now.metered.delivered.map(|flow| flow.bytes))),
    counter("tagwire_gaps", &["reason"],
        "Gaps that members were told of, by reason",
        |now, out| each(out, "reason", GAP_REASONS.map(|reason| reason.as_str()), now.metered.gaps)),
    counter("tagwire_missed_records", &[],
        "Records that these gaps say are missing, as far as that is known",
        |now, out| out.count(&[], now.metered.missed)),
    counter("tagwire_errors", &["code"],
        "Errors that peers were told of, by code",
        |now, out| Code::ALL.iter().zip(now.metered.errors).for_each(|(code, n)| out.count(&[("code", code.as_str())], n))),
    counter("tagwire_handler_results", &["tag", "status"],
        "How application handlers ended, by tag and status",
        handler_results),

    histogram("tagwire_handle_seconds", &["tag"],
        "From a frame decoded to handled, by tag",
        |now, out| now.timings.handled.iter().for_each(|(&tag, durations)| out.histogram(&[("tag", &word(tag))], durations, HANDLED))),
    histogram("tagwire_round_trip_seconds", &[],
        "Round trips of heartbeats",
        |now, out| out.histogram(&[], &now.timings.round_trips, ROUND_TRIPS)),
    histogram("tagwire_delivery_lag_seconds", &[],
        "How old the record was at which a connection went on that had taken nothing for a while",
        |now, out| out.histogram(&[], &now.timings.lags, LAGS)),

    gauge("tagwire_rooms", &[],
        "Rooms",
        |now, out| out.gauge(&[], now.rooms.rooms as f64)),
    gauge("tagwire_members", &[],
        "Members of rooms, each as often as it is in one",
        |now, out| out.gauge(&[], now.rooms.members as f64)),
    gauge("tagwire_publishers", &[],
        "Publishers that rooms remember, to recognise what they send again",
        |now, out| out.gauge(&[], now.rooms.publishers as f64)),
    gauge("tagwire_log_bytes", &[],
        "Memory that the logs of all rooms take (rooms.keep_total)",
        |now, out| out.gauge(&[], now.rooms.log_bytes as f64)),
    gauge("tagwire_unfinished_bytes", &[],
        "Memory that frames take of which not all has arrived (limits.unfinished)",
        |now, out| out.gauge(&[], now.tally.unfinished as f64)),
    gauge("tagwire_unsent_bytes", &[],
        "Bytes that were encrypted for connections that do not take them",
        |now, out| out.gauge(&[], now.tally.unsent as f64)),

    counter("process_cpu_seconds", &[],
        "Processor time of this process, in user and system mode",
        |now, out| process(now, |process| out.sum(process.cpu_seconds))),
    gauge("process_resident_memory_bytes", &[],
        "Memory of this process that is in RAM",
        |now, out| process(now, |process| out.gauge(&[], process.resident_bytes as f64))),
    gauge("process_open_fds", &[],
        "Open file descriptors of this process",
        |now, out| process(now, |process| out.gauge(&[], process.open_fds as f64))),
    gauge("process_max_fds", &[],
        "How many file descriptors this process may have",
        |now, out| process(now, |process| out.gauge(&[], process.max_fds as f64))),
    gauge("process_start_time_seconds", &[],
        "When this process started, in seconds since 1970",
        |now, out| process(now, |process| out.gauge(&[], process.start_seconds))),
];

/// One label's words with their counts.
fn reloads(now: &Moment, out: &mut Samples) {
    for (what, done) in What::ALL.iter().zip(&now.reloads) {
        for (result, count) in [("ok", done.ok), ("failed", done.failed)] {
            out.count(&[("what", what.as_str()), ("result", result)], count);
        }
    }
}

fn each<const N: usize>(
    out: &mut Samples,
    label: &'static str,
    words: [&'static str; N],
    counts: [u64; N],
) {
    for (word, count) in words.into_iter().zip(counts) {
        out.count(&[(label, word)], count);
    }
}

fn handshakes(now: &Moment, out: &mut Samples) {
    for (tls, &count) in &now.metered.handshakes {
        let labels = [
            ("version", tls.version),
            ("key_exchange", tls.key_exchange),
            ("cipher", tls.cipher),
            ("resumed", if tls.resumed { "true" } else { "false" }),
        ];
        out.count(&labels, count);
    }
}

fn by_tag(now: &Moment, out: &mut Samples, read: fn(tagwire::session::Flow) -> u64) {
    for (&tag, tally) in &now.metered.tags {
        let word = word(tag);
        out.count(&[("tag", &word), ("direction", "in")], read(tally.received));
        out.count(&[("tag", &word), ("direction", "out")], read(tally.sent));
    }
}

/// Every status of each tag that has a handler; a call for a tag without one is under `other`.
fn handler_results(now: &Moment, out: &mut Samples) {
    for (&tag, tally) in &now.metered.tags {
        let own = tag.is_application();
        for (status, count) in STATUSES.into_iter().zip(tally.results) {
            let possible = own != (status.as_str() == "no_handler");
            if (possible && (own || tag == Metered::OTHER)) || count > 0 {
                out.count(&[("tag", &word(tag)), ("status", status.as_str())], count);
            }
        }
    }
}

fn process(now: &Moment, read: impl FnOnce(&Process)) {
    if let Some(process) = &now.process {
        read(process);
    }
}

/// A tag as a label.
fn word(tag: Tag) -> String {
    match tag {
        Timings::LINES => "lines".to_owned(),
        Metered::OTHER => "other".to_owned(),
        Tag::CONTROL => "control".to_owned(),
        Tag::DATA => "data".to_owned(),
        Tag::HEARTBEAT => "heartbeat".to_owned(),
        Tag::MESSAGE => "message".to_owned(),
        Tag::CALL => "call".to_owned(),
        Tag::ANSWER => "answer".to_owned(),
        own => own.to_string(),
    }
}
