//! Lines: newline-terminated text, so that `openssl s_client -quiet` is a chat client
//! (docs/protocol.md, section 7).
//!
//! ```text
//! command  what a line asks for
//! act      doing it, and the answer in words
//! render   what rooms deliver, in words
//! escape   nobody drives another person's terminal
//! ```

mod act;
mod command;
mod escape;
mod render;

use bytes::{BufMut, Bytes};
use tokio::time::Instant;

use crate::connection::Protocol;
use crate::limits::LINE_BYTES;
use crate::peer::Parcel;
use crate::session::{Problem, Session, Timings};
use crate::sync::now as clock;
use crate::wire::{Code, Event};

/// The text protocol of one connection.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line that is not whole yet.
    begun: Vec<u8>,
    /// The line is too long: the rest of it is thrown away.
    skipping: bool,
    /// Bytes that arrived since the last line that was counted.
    uncounted: usize,
}

impl Lines {
    /// The protocol of a connection that has said nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a part of a line, or its end; the line, if it is whole.
    fn collect(&mut self, part: &[u8]) -> Option<Result<Vec<u8>, Problem>> {
        let (part, ends) = match part.split_last() {
            Some((b'\n', rest)) => (rest, true),
            _ => (part, false),
        };
        if !self.skipping && self.begun.len() + part.len() > LINE_BYTES {
            self.begun = Vec::new();
            // If its end is here already, the next line is not part of it.
            self.skipping = !ends;
            let message = format!("a line has at most {LINE_BYTES} bytes");
            return Some(Err(Problem::new(Code::BadControl, message)));
        }
        if !self.skipping {
            self.begun.extend_from_slice(part);
        }
        if !ends {
            return None;
        }
        let mut line = std::mem::take(&mut self.begun);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        (!std::mem::take(&mut self.skipping)).then_some(Ok(line))
    }
}

impl Protocol for Lines {
    const PINGS: bool = false;

    fn receive(
        &mut self,
        session: &mut Session,
        input: &mut &[u8],
        now: Instant,
        until: u64,
    ) -> Result<(), Problem> {
        let mut since = now;
        let is_over = |session: &Session| {
            session.is_waiting() || session.is_closing() || session.traffic.frames_in >= until
        };
        while !input.is_empty() && !is_over(session) {
            let end = input.iter().position(|&b| b == b'\n').map_or(input.len(), |at| at + 1);
            let (part, rest) = input.split_at(end);
            *input = rest;
            self.uncounted += part.len();
            let Some(line) = self.collect(part) else { continue };
            session.handle_received(Timings::LINES, std::mem::take(&mut self.uncounted));
            let acted = line.and_then(|line| {
                session.tap_received(Timings::LINES, line.len(), &line);
                act::act(session, &line, since)
            });
            if let Err(problem) = acted {
                complain(session, &problem, since)?;
            }
            let done = clock();
            session.handle_handled(Timings::LINES, done.saturating_duration_since(since));
            since = done;
        }
        if session.is_closing() {
            *input = &[];
        }
        Ok(())
    }

    /// A person may take long over a line: it is bounded in bytes, not in time.
    fn begun(&self) -> Option<u64> {
        None
    }

    fn held(&self) -> usize {
        self.begun.capacity()
    }

    fn is_waiting(&self, session: &Session) -> bool {
        session.is_waiting()
    }

    fn in_flight(&self) -> usize {
        0
    }

    fn handle_answer(
        &mut self,
        _session: &mut Session,
        _parcel: Parcel,
        _now: Instant,
    ) -> Result<(), Problem> {
        Ok(())
    }

    fn resume(&mut self, _session: &mut Session, _now: Instant) -> Result<(), Problem> {
        Ok(())
    }

    fn say(&mut self, session: &mut Session, event: &Event<'_>) {
        if let Some(line) = render::event(event) {
            say(session, &line);
        }
    }

    fn refuse(&mut self, session: &mut Session, problem: &Problem) {
        session.handle_told(problem.code);
        say(session, &words(problem));
    }

    fn ping(&mut self, _session: &mut Session, _number: u64) {}

    fn render(&mut self, session: &Session, frames: &mut Vec<Bytes>) {
        render::render(session, frames);
    }
}

/// Adds a line to what the person is told. It must be harmless already.
fn say(session: &mut Session, line: &str) {
    session.put(Timings::LINES, |outbox| {
        outbox.put_slice(line.as_bytes());
        outbox.put_u8(b'\n');
    });
}

/// Tells the person what is wrong.
///
/// # Errors
///
/// Returns the problem that ends the connection, if it is one too many.
fn complain(session: &mut Session, problem: &Problem, now: Instant) -> Result<(), Problem> {
    let too_many = session.handle_error(now);
    if problem.code.is_fatal() {
        return Err(problem.clone());
    }
    session.handle_told(problem.code);
    say(session, &words(problem));
    match too_many {
        true => Err(Problem::new(Code::TooManyErrors, "too many errors within 10 s")),
        false => Ok(()),
    }
}

fn words(problem: &Problem) -> String {
    match problem.code {
        Code::UserTaken => "User ID already taken".to_owned(),
        _ => format!("error: {}", escape::escape(problem.message.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    /// The lines that come of parts; `None` for one that is too long.
    fn collected(parts: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new();
        parts.iter().filter_map(|part| lines.collect(part)).map(Result::ok).collect()
    }

    #[test]
    fn a_line_is_put_together_from_its_parts() {
        let lines = collected(&[b"he", b"llo\r\n", b"\n", b"next"]);
        assert_eq!(lines, [Some(b"hello".to_vec()), Some(Vec::new())]);
    }

    #[test]
    fn a_line_that_is_too_long_takes_no_other_with_it() {
        let most = vec![b'y'; LINE_BYTES];
        let ok = || Some(b"ok".to_vec());
        // Its end comes with the byte that is one too many, or later, or it never was too long.
        assert_eq!(collected(&[&most, b"y\n", b"ok\n"]), [None, ok()]);
        assert_eq!(collected(&[&most, b"y", b"yy", b"y\n", b"ok\n"]), [None, ok()]);
        assert_eq!(collected(&[&most, b"\n", b"ok\n"]), [Some(most.clone()), ok()]);
    }
}
