//! One look at the server as plain text, for scripts and where there is no terminal.

use ratatui::text::{Line, Span};
use tokio::time::Instant;

use super::columns::{CONNECTIONS, Column, ROOMS};
use super::header::{header, sizes};
use super::model::Model;

/// Everything, however wide and long it is.
pub(super) fn text(model: &Model, now: Instant) -> String {
    let [connections, rooms] = sizes(&model.figures);
    let mut lines: Vec<String> = header(model, now).iter().map(plain).collect();
    lines.extend([String::new(), connections]);
    lines.extend(table(CONNECTIONS, &model.listed_connections()));
    lines.extend([String::new(), rooms]);
    lines.extend(table(ROOMS, &model.listed_rooms()));
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn plain(line: &Line<'_>) -> String {
    line.spans.iter().map(|span| span.content.as_ref()).collect()
}

/// A table with columns as wide as what is in them.
fn table<Row>(columns: &[Column<Row>], rows: &[&Row]) -> Vec<String> {
    let titles = columns.iter().map(|column| column.title.to_owned()).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|column| (column.cell)(row)).collect());
    let lines: Vec<Vec<String>> = [titles].into_iter().chain(cells).collect();
    let mut widths = vec![0; columns.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = Span::raw(cell).width().max(*width);
        }
    }
    let padded = |line: &Vec<String>| {
        let cells = line.iter().zip(columns).zip(&widths).map(|((cell, column), width)| {
            let padding = " ".repeat(width.saturating_sub(Span::raw(cell).width()));
            if column.number { padding + cell } else { format!("{cell}{padding}") }
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    lines.iter().map(padded).collect()
}
