//! The picture of `top` in the README: a real screen, of a real run. This test makes the run, and writes the
//! picture where `TAGWIRE_PICTURE` says:
//!
//! ```sh
//! TAGWIRE_PICTURE=docs/top.svg cargo test --test it picture
//! ```

use std::fmt::Write;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use vt100::{Cell, Color, Screen};

use super::terminal::Terminal;
use crate::support::{Binary, RawPeer, alone, body, pong};

const SIZE: (u16, u16) = (100, 30);
const ROOMS: [&str; 6] = ["lobby", "support", "telemetry", "build-status", "trading-floor", "den"];
const USERS: [&str; 24] = [
    "ann", "bob", "cid", "dora", "emil", "fay", "gus", "hana", "ivo", "jun", "kim", "lea", "max",
    "nia", "olga", "pat", "quinn", "ruth", "sam", "tess", "uma", "vera", "wim", "zoe",
];
/// A cell of the picture.
const CELL: (f32, f32) = (8.0, 17.0);

/// Somebody who hears all, answers pings, and says something now and then.
async fn talk(mut peer: RawPeer, every: Duration, size: usize) {
    let mut ticks = interval(every);
    for number in 0.. {
        tokio::select! {
            frame = peer.next() => if frame.is_ping() {
                peer.send(pong(&frame.payload[1..])).await;
            },
            _ = ticks.tick() => peer.say(body(number, size)).await,
        }
    }
}

#[tokio::test]
async fn the_picture_is_a_real_screen() {
    let _alone = alone().await;
    let settings = [
        "heartbeat.interval=1s",
        "heartbeat.misses=100",
        "rooms.keep_bytes=1MiB",
        "timeouts.write=10m",
    ];
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &settings);
    let mut people = JoinSet::new();
    for (number, user) in USERS.into_iter().enumerate() {
        let mut peer = server.peer().await;
        peer.join(ROOMS[number % ROOMS.len()], user).await;
        if number % 5 == 0 {
            peer.join("lobby", user).await;
        }
        let every = Duration::from_millis(15 + 40 * (number as u64 % 7));
        people.spawn(talk(peer, every, 40 + 60 * (number % 4)));
    }
    // A person with openssl, and two who do not read what they are sent.
    let mut person = server.connect().alpn(&[]).open().await;
    person.send("/join den rosa\n").await;
    let mut slow = server.connect().small_buffer().open().await;
    slow.join("bulk", "archiver").await;
    let mut stopped = server.connect().small_buffer().open().await;
    stopped.join("lobby", "tablet-7").await;
    let mut importer = server.peer().await;
    importer.join("bulk", "importer").await;
    people.spawn(talk(importer, Duration::from_millis(20), 16 << 10));

    let line = format!("top --admin {}", server.admin.unwrap());
    let mut top = Terminal::start(&server, SIZE, &line);
    top.until("who does not read", |text| {
        let row = text.lines().find(|line| line.contains("archiver")).unwrap_or_default();
        text.contains("[1 connections: 28] 2 rooms: 7") && row.starts_with('!')
    })
    .await;
    let start = Instant::now();
    top.press("\x1b[B");
    top.until("its session", |text| text.contains("\nsession ") && text.contains(" (lag ")).await;
    if let Some(path) = std::env::var_os("TAGWIRE_PICTURE") {
        // Long enough for round trips and lags to be those of a server that runs.
        sleep(Duration::from_secs(12).saturating_sub(start.elapsed())).await;
        let svg = picture(top.parser().screen());
        assert!(svg.len() <= 60 << 10, "{} bytes", svg.len());
        std::fs::write(path, svg).unwrap();
    }
    top.press("q");
    top.expect_end(0).await;
    assert!(people.try_join_next().is_none(), "everybody is still there");
}

/// How a cell looks, beside what is in it.
type Look = (Color, bool, bool, bool);

fn look(cell: &Cell) -> Look {
    (cell.fgcolor(), cell.bold(), cell.dim(), cell.inverse())
}

/// A screen as SVG: a text element for each run of cells that look the same.
fn picture(screen: &Screen) -> String {
    let (columns, rows) = SIZE;
    let (width, height) = (CELL.0 * f32::from(columns) + 24.0, CELL.1 * f32::from(rows) + 24.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\">\n<title>tagwire top</title>\n<style>text{{font:13px ui-monospace,\
         \"DejaVu Sans Mono\",Menlo,Consolas,monospace;white-space:pre}}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let first = screen.cell(row, column).unwrap();
            let mut text = String::new();
            let begin = column;
            while let Some(cell) = screen.cell(row, column).filter(|cell| look(cell) == look(first))
            {
                text += if cell.has_contents() { cell.contents() } else { " " };
                column += 1;
            }
            run(&mut svg, (begin, row), &text, look(first));
        }
    }
    svg + "</svg>\n"
}

fn run(
    svg: &mut String,
    (column, row): (u16, u16),
    text: &str,
    (colour, bold, dim, inverse): Look,
) {
    let (x, y) = (12.0 + CELL.0 * f32::from(column), 12.0 + CELL.1 * f32::from(row));
    let ink = match colour {
        Color::Idx(1) => "#ff6b68",
        Color::Idx(2) => "#7bc275",
        Color::Idx(3) => "#e2c16b",
        Color::Idx(5) => "#c792ea",
        _ if dim => "#8a919e",
        _ => "#d7dae0",
    };
    let cells = text.chars().count() as f32;
    if inverse {
        let width = CELL.0 * cells;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{}\" fill=\"{ink}\"/>",
            CELL.1
        );
    }
    let bare = text.trim_end();
    if bare.is_empty() {
        return;
    }
    let (ink, bold) =
        (if inverse { "#16181d" } else { ink }, if bold { " font-weight=\"bold\"" } else { "" });
    let bare_cells = bare.chars().count() as f32;
    let escaped = bare.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{}\" fill=\"{ink}\"{bold} textLength=\"{}\">{escaped}</text>",
        y + 13.0,
        CELL.0 * bare_cells,
    );
}
