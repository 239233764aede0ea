//! The screen: a function of the model, the time and the size.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Table, Wrap};
use tokio::time::Instant;

use super::columns::{CONNECTIONS, Column, ROOMS};
use super::figures::{ConnectionRow, RoomRow};
use super::header::{self, header};
use super::model::{Choice, Model, Row, Tab};
use super::words;

const KEYS: &str = "q quit  tab other table  s sort  r reverse  ↑↓ choose  / filter  p pause";
const TYPING: &str = "enter keep the filter  esc take it back";

/// Draws everything.
pub(super) fn draw(model: &Model, now: Instant, frame: &mut Frame<'_>) {
    let head = header(model, now);
    let heights = [
        Constraint::Length(u16::try_from(head.len()).unwrap_or(u16::MAX)),
        Constraint::Length(1),
        Constraint::Min(2),
        Constraint::Length(2),
        Constraint::Length(1),
    ];
    let [top, tabs, table, details, keys] = Layout::vertical(heights).areas(frame.area());
    frame.render_widget(Paragraph::new(head), top);
    frame.render_widget(Paragraph::new(tab_line(model)), tabs);
    frame.render_widget(Paragraph::new(order(model)).right_aligned(), tabs);
    match model.tab {
        Tab::Connections => {
            draw_table(
                model,
                CONNECTIONS,
                &model.listed_connections(),
                &model.connections,
                frame,
                table,
            );
        }
        Tab::Rooms => draw_table(model, ROOMS, &model.listed_rooms(), &model.rooms, frame, table),
    }
    frame.render_widget(below(model), details);
    let hint = if model.typing { TYPING } else { KEYS };
    frame.render_widget(Line::from(hint).style(header::dim()), keys);
}

/// Both tables' names, and how much there is in them.
fn tab_line(model: &Model) -> Line<'_> {
    let tab = |tab: Tab, text: String| match model.tab == tab {
        true => Span::styled(format!("[{text}]"), Modifier::BOLD),
        false => Span::styled(format!(" {text} "), header::dim()),
    };
    let [connections, rooms] = header::sizes(&model.figures);
    Line::from(vec![
        tab(Tab::Connections, format!("1 {connections}")),
        tab(Tab::Rooms, format!("2 {rooms}")),
    ])
}

/// What rows are looked for, and how they are ordered.
fn order(model: &Model) -> Line<'_> {
    let (titles, choice): (Vec<_>, _) = match model.tab {
        Tab::Connections => (CONNECTIONS.iter().map(name_of).collect(), &model.connections),
        Tab::Rooms => (ROOMS.iter().map(name_of).collect(), &model.rooms),
    };
    let (title, number) = titles.get(choice.by).copied().unwrap_or_default();
    let first = match (number, choice.reverse) {
        (true, false) => "most first",
        (true, true) => "least first",
        (false, false) => "a to z",
        (false, true) => "z to a",
    };
    let filter = match (model.typing, model.filter.as_str()) {
        (true, text) => Span::styled(format!("/{text}_  "), Modifier::BOLD),
        (false, "") => Span::default(),
        (false, text) => Span::styled(format!("/{text}  "), Modifier::BOLD),
    };
    Line::from(vec![filter, Span::styled(format!("by {title}, {first}"), header::dim())])
}

fn name_of<R>(column: &Column<R>) -> (&'static str, bool) {
    (column.title, column.number)
}

fn draw_table<R: Row + Shown>(
    model: &Model,
    columns: &[Column<R>],
    rows: &[&R],
    choice: &Choice,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let there: Vec<_> =
        columns.iter().enumerate().filter(|(_, column)| column.from <= area.width).collect();
    let taken: u16 = there.iter().map(|(_, column)| column.width + 1).sum();
    let rest = area.width.saturating_sub(taken.saturating_sub(1));
    let width = |column: &Column<R>| if column.width == 0 { rest } else { column.width };
    let cell = |column: &Column<R>, text: String| {
        let line = Line::from(fit(&text, width(column)));
        Cell::from(if column.number { line.right_aligned() } else { line })
    };
    let titles = there.iter().map(|(i, column)| {
        let style = if *i == choice.by { Modifier::REVERSED } else { Modifier::empty() };
        cell(column, column.title.to_owned()).style(style)
    });
    let height = usize::from(area.height.saturating_sub(1));
    let chosen = choice.row.as_deref();
    let at = chosen.and_then(|chosen| rows.iter().position(|row| row.name() == chosen));
    let body = rows.iter().skip(first(at, height, rows.len())).take(height).map(|row| {
        let mut style = if model.colour { row.style() } else { Style::default() };
        if chosen == Some(row.name()) {
            style = style.add_modifier(Modifier::REVERSED);
        }
        TableRow::new(there.iter().map(|(_, column)| cell(column, (column.cell)(row)))).style(style)
    });
    let widths = there.iter().map(|(_, column)| Constraint::Length(width(column)));
    let table = Table::new(body, widths).column_spacing(1);
    frame.render_widget(table.header(TableRow::new(titles).style(Modifier::BOLD)), area);
}

/// The first row that is shown, so that the chosen one is in the middle, as far as there are rows.
fn first(chosen: Option<usize>, height: usize, rows: usize) -> usize {
    let middle = chosen.unwrap_or_default().saturating_sub(height / 2);
    middle.min(rows.saturating_sub(height))
}

/// As much of a text as fits, with a sign that there is more.
fn fit(text: &str, width: u16) -> String {
    let line = Span::raw(text);
    let width = usize::from(width);
    if line.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut left = width.saturating_sub(1);
    for grapheme in line.styled_graphemes(Style::default()) {
        let Some(rest) = left.checked_sub(Span::raw(grapheme.symbol).width()) else { break };
        left = rest;
        out.push_str(grapheme.symbol);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// How a row looks.
trait Shown {
    fn style(&self) -> Style;
}

impl Shown for ConnectionRow {
    fn style(&self) -> Style {
        match self {
            row if row.blocked => Color::Red.into(),
            row if row.paused => Color::Magenta.into(),
            row if row.lag.messages > 0 => Color::Yellow.into(),
            _ => Style::default(),
        }
    }
}

impl Shown for RoomRow {
    fn style(&self) -> Style {
        match &self.worst {
            Some((lag, _)) if lag.messages > 0 => Color::Yellow.into(),
            _ => Style::default(),
        }
    }
}

/// What stands below the table: why there is nothing new, the chosen row, or what the columns say.
fn below(model: &Model) -> Paragraph<'_> {
    if let Some(why) = &model.trouble {
        let line = Line::styled(format!("trying again: {why}"), header::alarm(model));
        return Paragraph::new(line).wrap(Wrap { trim: true });
    }
    let lines = match model.tab {
        Tab::Connections => {
            let chosen = model.connections.row.as_ref();
            let row = model.figures.connections.iter().find(|row| Some(&row.session) == chosen);
            row.map_or_else(|| explained(&CONNECTIONS_EXPLAINED), connection)
        }
        Tab::Rooms => {
            let chosen = model.rooms.row.as_ref();
            let row = model.figures.rooms.iter().find(|row| Some(&row.name) == chosen);
            row.map_or_else(|| explained(&ROOMS_EXPLAINED), room)
        }
    };
    let lines = lines.into_iter().map(|line| Line::styled(line, header::dim()));
    Paragraph::new(lines.collect::<Vec<_>>())
}

const CONNECTIONS_EXPLAINED: [&str; 2] = [
    "LAG, BYTES, AGE: records not sent yet, their bytes, and how old the first is",
    "!: takes nothing of what it is owed   p: is not read from, its replies pile up",
];
const ROOMS_EXPLAINED: [&str; 2] = [
    "RECORDS, BYTES, OLDEST: what the log keeps, and how old the first of it is",
    "WORST LAG: how many records the member furthest behind has not been sent yet",
];

fn explained(lines: &[&str; 2]) -> Vec<String> {
    lines.map(str::to_owned).into()
}

fn connection(row: &ConnectionRow) -> Vec<String> {
    let rooms: Vec<_> = row
        .rooms
        .iter()
        .map(|(room, lag)| match lag {
            Some(lag) if lag.messages > 0 => format!("{room} (lag {})", words::count(lag.messages)),
            Some(_) => room.clone(),
            None => format!("{room} (hears nothing)"),
        })
        .collect();
    vec![
        format!(
            "session {}  up {}  errors {}  in flight {}  {}",
            row.session,
            words::time(row.uptime),
            words::count(row.errors),
            words::count(row.in_flight),
            row.tls,
        ),
        format!("rooms {}", if rooms.is_empty() { "none".to_owned() } else { rooms.join(", ") }),
    ]
}

fn room(row: &RoomRow) -> Vec<String> {
    let age = |age: Option<Duration>| age.map_or_else(|| "-".to_owned(), words::time);
    let worst = match &row.worst {
        Some((lag, who)) if lag.messages > 0 => format!(
            "furthest behind: {who}, by {} records, {}, {}",
            words::count(lag.messages),
            words::bytes(lag.bytes),
            words::time(Duration::from_millis(lag.ms)),
        ),
        _ => "nobody is behind".to_owned(),
    };
    vec![
        format!("epoch {}  next {}  newest {} ago", row.epoch, row.next_seq, age(row.newest)),
        worst,
    ]
}

#[cfg(test)]
mod tests;
