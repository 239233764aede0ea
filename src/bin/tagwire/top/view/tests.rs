//! Screens as files in `../screens`; `TAGWIRE_BLESS=1 cargo test --bin tagwire top::view` writes them.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;

use super::*;
use crate::blessed;
use crate::top::example::{connection, room, sample, seat};
use crate::top::sample::Sample;

const SECOND: Duration = Duration::from_secs(1);

/// The screen as text, without what is only there to fill it.
fn screen(model: &Model, now: Instant, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, now, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let mut out = String::new();
    for y in 0..height {
        let (mut line, mut x) = (String::new(), 0);
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // What is wide covers the cells behind it.
            x += u16::try_from(Span::raw(symbol).width()).unwrap().max(1);
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

fn assert_screen(name: &str, model: &Model, now: Instant) {
    let is = screen(model, now, (80, 24));
    for line in is.lines() {
        assert!(Span::raw(line).width() <= 80, "{line}");
    }
    blessed::assert_file(&format!("src/bin/tagwire/top/screens/{name}.txt"), |_| is.clone());
}

/// A server with traffic, as `/metrics` says it after so many seconds.
fn metrics(seconds: u64) -> String {
    format!(
        "tagwire_build_info{{version=\"0.1.0\"}} 1\ntagwire_draining 0\ntagwire_connections 4\n\
         tagwire_connections_accepted_total 1234567\ntagwire_connections_refused_total 12\n\
         tagwire_connections_blocked 1\nprocess_start_time_seconds 988475\n\
         tagwire_frames_total{{tag=\"data\",direction=\"in\"}} {}\n\
         tagwire_frames_total{{tag=\"data\",direction=\"out\"}} {}\n\
         tagwire_frame_bytes_total{{tag=\"data\",direction=\"in\"}} {}\n\
         tagwire_frame_bytes_total{{tag=\"data\",direction=\"out\"}} {}\n\
         tagwire_publishes_total {}\ntagwire_deliveries_total{{form=\"data\"}} {}\n\
         tagwire_gaps_total{{reason=\"behind\"}} 3\ntagwire_rooms 2\ntagwire_members 5\n\
         tagwire_log_bytes 12900000\ntagwire_unsent_bytes 65536\n\
         tagwire_slow_consumer_disconnects_total 0\ntagwire_errors_total{{code=\"bad_room\"}} 2\n\
         tagwire_handshake_failures_total{{reason=\"no_cipher\"}} 0\n\
         process_resident_memory_bytes 47185920\nprocess_cpu_seconds_total {}\n",
        12_300 * seconds,
        99_900 * seconds,
        1_000_000 * seconds,
        99_900_000 * seconds,
        12_300 * seconds,
        99_900 * seconds,
        0.34 * seconds as f64,
    )
}

/// Two samples of a server, a second apart, changed by a test.
fn watched(change: impl Fn(&mut Sample)) -> (Model, Instant) {
    let start = Instant::now();
    let mut model = Model::new("127.0.0.1:9433".to_owned(), false);
    for second in [0, 1] {
        let mut now = sample(start + SECOND * second, &metrics(100 + u64::from(second)));
        let mut slow = connection("k3v9x2m4q7wp-2a", "bob");
        slow.blocked = true;
        slow.rooms = vec![seat("lobby", "bob", (12_345, 4_200_000, 65_000))];
        slow.frames_out += 2;
        let mut ann = connection("k3v9x2m4q7wp-1f", "ann");
        ann.rooms = vec![seat("lobby", "ann", (0, 0, 0)), seat("dev", "ann", (0, 0, 0))];
        ann.frames_in += u64::from(second) * 12;
        let mut person = connection("k3v9x2m4q7wp-30", "guest-k3v9x2m4q7wp-30");
        person.protocol = "lines".to_owned();
        person.rtt_us.smoothed = None;
        let mut busy = connection("k3v9x2m4q7wp-31", "importer");
        busy.paused = true;
        now.connections.connections = vec![ann, slow, person, busy];
        now.rooms.rooms = vec![room("dev", 4), room("lobby", 100_000 + 250 * u64::from(second))];
        change(&mut now);
        model.take(Ok(now));
    }
    (model, start + SECOND)
}

fn press(model: &mut Model, keys: &[KeyCode]) {
    for &key in keys {
        model.key(key.into());
    }
}

#[test]
fn connections() {
    let (model, now) = watched(|_| {});
    assert_screen("connections", &model, now);
}

#[test]
fn rooms() {
    let (mut model, now) = watched(|_| {});
    press(&mut model, &[KeyCode::Tab]);
    assert_screen("rooms", &model, now);
}

#[test]
fn nothing_is_there_yet() {
    let model = Model::new("127.0.0.1:9433".to_owned(), false);
    assert_screen("asking", &model, Instant::now());
}

#[test]
fn an_empty_server() {
    let (model, now) = watched(|sample| *sample = self::sample(sample.at, ""));
    assert_screen("empty", &model, now);
}

#[test]
fn a_chosen_row_and_a_filter_tell_more() {
    let (mut model, now) = watched(|_| {});
    press(&mut model, &[KeyCode::Down, KeyCode::Char('/'), KeyCode::Char('o')]);
    assert_screen("chosen", &model, now);
}

#[test]
fn long_and_wide_names() {
    let (model, now) = watched(|sample| {
        let users =
            ["a".repeat(64), "日本語の長い名前です".to_owned(), "e\u{301}🎉\u{202e}x".to_owned()];
        for (connection, user) in sample.connections.connections.iter_mut().zip(users) {
            connection.user_id = user;
            connection.address = "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535".to_owned();
        }
    });
    assert_screen("long", &model, now);
}

#[test]
fn a_thousand_of_more_connections() {
    let (mut model, now) = watched(|sample| {
        sample.connections.connections = (0..1000)
            .map(|n| connection(&format!("k3v9x2m4q7wp-{n:x}"), &format!("user-{n:03}")))
            .collect();
        sample.connections.next = Some("k3v9x2m4q7wp-3e7".to_owned());
        sample.connections.silent = 7;
        sample.metrics = crate::top::sample::Metrics::parse(
            &metrics(100).replace("connections 4", "connections 15000"),
        );
    });
    press(&mut model, &[KeyCode::Down; 500]);
    assert_screen("thousand", &model, now);
}

#[test]
fn a_server_that_drains() {
    let (model, now) = watched(|sample| {
        let text = metrics(100).replace("tagwire_draining 0", "tagwire_draining 1");
        sample.metrics = crate::top::sample::Metrics::parse(&text);
    });
    assert_screen("draining", &model, now);
}

#[test]
fn a_server_that_is_gone_and_one_that_is_silent() {
    let (mut model, now) = watched(|_| {});
    assert!(screen(&model, now + 7 * SECOND, (80, 24)).contains("  no answer for 7.0s\n"));
    model.take(Err("127.0.0.1:9433: nobody listens there: the server has ended".to_owned()));
    assert_screen("gone", &model, now + 12 * SECOND);
}

#[test]
fn a_wide_screen_has_more_columns_and_a_small_one_is_no_trouble() {
    let (model, now) = watched(|_| {});
    let wide = screen(&model, now, (160, 40));
    assert!(wide.contains("SESSION") && wide.contains("k3v9x2m4q7wp-2a"), "{wide}");
    for width in [0, 1, 20, 79, 500] {
        for height in [0, 1, 5, 9, 200] {
            screen(&model, now, (width, height));
        }
    }
}

#[test]
fn colours_are_there_only_if_they_are_wanted() {
    let (mut model, now) = watched(|_| {});
    let coloured = |model: &Model| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(model, now, frame)).unwrap();
        let cells = &terminal.backend().buffer().content;
        cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(!coloured(&model));
    model.colour = true;
    assert!(coloured(&model));
}

#[test]
fn plain_text_has_everything() {
    let (model, now) = watched(|_| {});
    let text = crate::top::once::text(&model, now);
    blessed::assert_file("src/bin/tagwire/top/screens/once.txt", |_| text.clone());
}
