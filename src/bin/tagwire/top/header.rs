//! The lines above the tables: the server as a whole.

use std::time::Duration;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use tokio::time::Instant;

use super::figures::Figures;
use super::model::Model;
use super::words::{byte_rate, bytes, count, grouped, rate, time, uptime};

/// After how long without an answer that is said.
const STALE: Duration = Duration::from_secs(5);

/// All of it.
pub(super) fn header(model: &Model, now: Instant) -> Vec<Line<'static>> {
    let totals = &model.figures.totals;
    let large = |n: u64| if n < 1_000_000 { grouped(n) } else { count(n) };
    let lines = [
        (
            "peers",
            vec![
                (large(totals.connections), "open", false),
                (large(totals.accepted), "accepted", false),
                (large(totals.refused), "refused", totals.refused > 0),
                (large(totals.blocked), "blocked", totals.blocked > 0),
            ],
        ),
        (
            "traffic/s",
            vec![
                (rate(totals.frames.received), "frames in", false),
                (rate(totals.frames.sent), "frames out", false),
                (byte_rate(totals.bytes.received), "in", false),
                (byte_rate(totals.bytes.sent), "out", false),
            ],
        ),
        (
            "rooms",
            vec![
                (large(totals.rooms), "rooms", false),
                (large(totals.members), "members", false),
                (rate(totals.publishes), "published/s", false),
                (rate(totals.deliveries), "delivered/s", false),
            ],
        ),
        (
            "trouble",
            vec![
                (large(totals.gaps), "gaps", totals.gaps > 0),
                (large(totals.slow), "too slow", totals.slow > 0),
                (large(totals.errors), "errors", totals.errors > 0),
                (large(totals.failed_handshakes), "bad handshakes", totals.failed_handshakes > 0),
            ],
        ),
        (
            "memory",
            vec![
                (bytes(totals.log_bytes), "logs", false),
                (bytes(totals.unsent_bytes), "unsent", false),
                (totals.resident.map_or_else(|| "-".to_owned(), bytes), "resident", false),
                (
                    totals.cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{:.0}%", cpu * 100.0)),
                    "cpu",
                    false,
                ),
            ],
        ),
    ];
    let figures = lines.into_iter().map(|(name, figures)| figure_line(model, name, figures));
    [title(model, now)].into_iter().chain(figures).collect()
}

/// A line of figures in columns.
fn figure_line(
    model: &Model,
    name: &'static str,
    figures: Vec<(String, &'static str, bool)>,
) -> Line<'static> {
    let mut spans = vec![Span::styled(format!("{name:<10}"), dim())];
    for (value, what, alarming) in figures {
        let style = match alarming {
            true => warning(model),
            false => Modifier::BOLD.into(),
        };
        let padding = 16_usize.saturating_sub(value.len() + what.len()).max(1);
        spans.push(Span::styled(value, style));
        spans.push(Span::raw(format!(" {what}{:padding$}", "")));
    }
    Line::from(spans)
}

fn title(model: &Model, now: Instant) -> Line<'static> {
    let totals = &model.figures.totals;
    let since = |seen: Instant| now.saturating_duration_since(seen);
    let silent = model.seen.map(since).unwrap_or_default();
    let state = match (&model.trouble, model.seen) {
        (Some(_), _) => Span::styled(format!("GONE for {}", time(silent)), alarm(model)),
        (None, None) => Span::raw("asking…"),
        _ if model.paused => Span::styled(format!("paused for {}", time(silent)), warning(model)),
        _ if silent > STALE => {
            Span::styled(format!("no answer for {}", time(silent)), warning(model))
        }
        _ if totals.draining => Span::styled("DRAINING", warning(model)),
        _ => Span::styled("serving", good(model)),
    };
    let mut spans = vec![Span::styled("tagwire top", Modifier::BOLD)];
    let mut add = |span: Span<'static>| spans.extend([Span::raw("  "), span]);
    add(Span::raw(model.address.clone()));
    if model.seen.is_some() {
        add(Span::raw(format!("version {}", totals.version)));
    }
    if let Some(up) = totals.uptime {
        add(Span::raw(format!("up {}", uptime(up.as_secs()))));
    }
    add(state);
    Line::from(spans)
}

/// How many connections and rooms there are, and how many of them are listed.
pub(super) fn sizes(figures: &Figures) -> [String; 2] {
    let size = |name: &str, listed: usize, all: u64, more: bool| match more {
        true => format!("{name}: first {} of {}", grouped(listed as u64), grouped(all)),
        false => format!("{name}: {}", grouped(listed as u64)),
    };
    let (connections, rooms) = (figures.connections.len(), figures.rooms.len());
    let totals = &figures.totals;
    let silent = match figures.silent {
        0 => String::new(),
        silent => format!(", {} silent", grouped(silent)),
    };
    [
        size("connections", connections, totals.connections, figures.more_connections) + &silent,
        size("rooms", rooms, totals.rooms, figures.more_rooms),
    ]
}

/// What is there to be read once.
pub(super) fn dim() -> Style {
    Style::from(Modifier::DIM)
}

/// What wants to be looked at.
fn warning(model: &Model) -> Style {
    coloured(model, Color::Yellow, Modifier::BOLD)
}

/// What is broken.
pub(super) fn alarm(model: &Model) -> Style {
    coloured(model, Color::Red, Modifier::BOLD)
}

fn good(model: &Model) -> Style {
    coloured(model, Color::Green, Modifier::BOLD)
}

fn coloured(model: &Model, colour: Color, modifier: Modifier) -> Style {
    let style = Style::from(modifier);
    if model.colour { style.fg(colour) } else { style }
}
