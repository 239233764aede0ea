//! Metrics as Prometheus reads them: every scrape looks at the server anew, and nothing is kept between
//! two.
//!
//! ```text
//! families  the table of metrics: name, kind, labels, help, and where the value comes from
//! samples   what one family has at one moment
//! process   the process as the kernel sees it
//! reference docs/metrics.md, made of the table
//! ```

mod families;
mod process;
#[cfg(test)]
mod reference;
mod samples;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;
use tagwire::room::RoomsTally;
use tagwire::session::{Metered, Tally, Timings};
use tagwire::wire::Tag;

use self::families::FAMILIES;
use self::process::Process;
use self::samples::{Kind, Samples};
use super::Watched;
use crate::log;
use crate::reloads::What;

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0, which Prometheus asks for.
    OpenMetrics,
    /// The older text, for everybody else.
    Text,
}

impl Format {
    /// The format that a request's `Accept` asks for.
    pub(super) fn choose(accept: &str) -> Self {
        match accept.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Everything that the metrics are made of, at one moment.
#[derive(Debug)]
struct Moment {
    tally: Tally,
    metered: Metered,
    timings: Timings,
    rooms: RoomsTally,
    draining: bool,
    certificate_not_after: i64,
    reloads: [Reloaded; What::ALL.len()],
    lines_lost: u64,
    process: Option<Process>,
}

/// How often one thing was reloaded.
#[derive(Debug)]
struct Reloaded {
    ok: u64,
    failed: u64,
    last_ok_s: i64,
}

impl Moment {
    fn of(Watched { handle, reloads }: &Watched) -> Self {
        let mut timings = handle.timings();
        // Those that every server handles are there before the first of them came.
        for tag in [Tag::CONTROL, Tag::DATA, Tag::HEARTBEAT, Tag::MESSAGE, Timings::LINES] {
            timings.handled.entry(tag).or_default();
        }
        Self {
            tally: handle.tally(),
            metered: handle.metered(),
            timings,
            rooms: handle.rooms(),
            draining: handle.is_draining(),
            certificate_not_after: handle.certificate_not_after(),
            reloads: What::ALL.map(|what| Reloaded {
                ok: reloads.ok(what),
                failed: reloads.failed(what),
                last_ok_s: reloads.last_ok_s(what),
            }),
            lines_lost: log::lost(),
            process: Process::now(),
        }
    }
}

impl Collector for Moment {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in FAMILIES {
            let mut samples = Samples::default();
            (family.read)(self, &mut samples);
            let metric =
                encoder.encode_descriptor(family.name, family.help, None, family.kind.into())?;
            samples.encode(metric)?;
        }
        Ok(())
    }
}

/// The server's metrics now.
///
/// # Errors
///
/// Returns an error if the text cannot be written, which memory always can.
pub(super) fn expose(watched: &Watched, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Moment::of(watched)));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(match format {
        Format::OpenMetrics => text,
        Format::Text => older(&text),
    })
}

/// The same in the older format, which differs where a counter is described: by its whole name.
fn older(text: &str) -> String {
    let is_counter = |name: &str| {
        FAMILIES.iter().any(|family| family.name == name && family.kind == Kind::Counter)
    };
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|head| {
            let (name, rest) = line.strip_prefix(head)?.split_once(' ')?;
            is_counter(name).then(|| format!("{head}{name}_total {rest}"))
        });
        match (described, line) {
            (Some(described), _) => out.push_str(&described),
            // The end is where it ends.
            (None, "# EOF") => continue,
            (None, line) => out.push_str(line),
        }
        out.push('\n');
    }
    out
}
