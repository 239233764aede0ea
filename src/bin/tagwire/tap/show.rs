//! A frame as a line for people.

use tagwire::session::Timings;
use tagwire::wire::Tag;

use super::frame::{Frame, InOut, Told};
use crate::decode;
use crate::terminal::{Paint, harmless, paint};

/// The line, with its end.
pub(super) fn line(told: &Told, colour: bool) -> String {
    match told {
        Told::Missed { missed } => {
            let said = format!("-- {missed} more frames were not shown (--rate) --");
            format!("{}\n", paint(&said, Paint::Warning, colour))
        }
        Told::Frame(frame) => frame_line(frame, colour),
    }
}

fn frame_line(frame: &Frame, colour: bool) -> String {
    let tag = Tag::from_byte(frame.tag);
    let (arrow, ink) = match frame.way {
        InOut::In => ("→", Paint::In),
        InOut::Out => ("←", Paint::Out),
    };
    // Lines have no tag.
    let number = if tag == Timings::LINES { String::new() } else { tag.to_string() };
    let what = format!("{arrow} {number:4} {:11}", harmless(&frame.name));
    let room = frame.room.as_deref().map_or_else(|| "-".to_owned(), harmless);
    let mut line = format!(
        "{} {:16} {} {room:16} {:>7} B",
        clock(frame.time_ms),
        harmless(&frame.session),
        paint(&what, ink, colour),
        frame.length,
    );
    if let Some(payload) = frame.bytes() {
        let is_cut = payload.len() < frame.length as usize;
        // Half a request is none, which says nothing of the whole.
        let words = match tag {
            Tag::CONTROL if is_cut => decode::text(&payload),
            tag => decode::words(tag, &payload),
        };
        line += &format!("  {words}{}", if is_cut { " …" } else { "" });
    }
    line.push('\n');
    line
}

/// The time of day, UTC.
fn clock(time_ms: u64) -> String {
    let (seconds, ms) = (time_ms / 1000, time_ms % 1000);
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{ms:03}Z", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, payload: Option<&str>) -> Frame {
        Frame {
            time_ms: 1_700_000_000_123,
            session: "k3v9x2m4q7wp-1f".to_owned(),
            way: InOut::In,
            tag,
            name: decode::name(Tag::from_byte(tag)).to_owned(),
            length: payload.map_or(5, |payload| payload.len() as u32),
            room: Some("lobby".to_owned()),
            payload: payload.map(str::to_owned),
            payload_base64: None,
        }
    }

    fn shown(frame: Frame) -> String {
        line(&Told::Frame(frame), false)
    }

    #[test]
    fn a_frame_is_a_line() {
        let want = "22:13:20.123Z k3v9x2m4q7wp-1f  → 0x02 DATA        lobby                  5 B";
        assert_eq!(shown(frame(2, None)), format!("{want}\n"));
        assert_eq!(shown(frame(2, Some("hello"))), format!("{want}  \"hello\"\n"));
        let out = Frame { way: InOut::Out, room: None, ..frame(3, Some("\u{1}")) };
        let want = "22:13:20.123Z k3v9x2m4q7wp-1f  ← 0x03 HEARTBEAT   -                      1 B";
        assert_eq!(shown(out), format!("{want}  pong \"\"\n"));
        let line = Frame { name: "lines".to_owned(), ..frame(0, Some("/join r ann")) };
        let want = "22:13:20.123Z k3v9x2m4q7wp-1f  →      lines       lobby                 11 B";
        assert_eq!(shown(line), format!("{want}  \"/join r ann\"\n"));
    }

    #[test]
    fn what_is_cut_is_not_judged() {
        let half = "{\"op\":\"hello\",\"user";
        assert!(shown(frame(1, Some(half))).contains("(bad_control: "));
        let cut = shown(Frame { length: 9000, ..frame(1, Some(half)) });
        assert!(!cut.contains("bad_control") && cut.ends_with(" …\n"), "{cut}");
    }

    #[test]
    fn nobody_drives_the_terminal() {
        let evil = "\u{1b}[2J\u{9b}1m\u{202e}\u{7}\n";
        let turned = "{\"op\":\"x\",\"id\":\"\u{202e}\"}".to_owned();
        for tag in 0..=255 {
            for payload in [format!("\0{evil}"), evil.to_owned(), turned.clone()] {
                let (session, room) = (evil.to_owned(), Some(evil.to_owned()));
                let name = evil.to_owned();
                let line = shown(Frame { name, session, room, ..frame(tag, Some(&payload)) });
                let line = line.strip_suffix('\n').unwrap();
                assert_eq!(harmless(line), line, "{tag}");
            }
        }
    }

    #[test]
    fn colours_are_asked_for() {
        let told = Told::Missed { missed: 7 };
        assert_eq!(line(&told, false), "-- 7 more frames were not shown (--rate) --\n");
        assert!(line(&told, true).starts_with("\u{1b}[33m"));
    }
}
