//! What a process says on its standard error: lines for the log, bounded and without control characters.

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::wire::Tag;

/// Bytes of a line; a longer one is told in parts.
const LINE_BYTES: usize = 8 << 10;

/// Logs what a process says until it says no more.
pub(super) async fn log(mut stderr: impl AsyncRead + Unpin, tag: Tag, pid: Option<u32>) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; LINE_BYTES];
    let mut say = |line: &[u8]| {
        tracing::info!(target: "tagwire::process", %tag, pid, "{}", escaped(line));
    };
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        lines.push(buffer.get(..read).unwrap_or_default(), &mut say);
    }
    lines.finish(&mut say);
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
struct Lines {
    /// The line so far.
    begun: Vec<u8>,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8], say: &mut impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let room = LINE_BYTES - self.begun.len();
            let near = bytes.get(..room).unwrap_or(bytes);
            let end = near.iter().position(|byte| *byte == b'\n');
            let (part, rest) = bytes.split_at(end.unwrap_or(near.len()));
            self.begun.extend_from_slice(part);
            bytes = rest;
            if end.is_some() {
                bytes = bytes.get(1..).unwrap_or_default();
                say(self.begun.strip_suffix(b"\r").unwrap_or(&self.begun));
                self.begun.clear();
            } else if self.begun.len() == LINE_BYTES {
                self.finish(say);
            }
        }
    }

    /// Tells what there is of a line without an end.
    fn finish(&mut self, say: &mut impl FnMut(&[u8])) {
        if !self.begun.is_empty() {
            say(&self.begun);
            self.begun.clear();
        }
    }
}

/// The text, with everything that a terminal might obey or hide as an escape sequence.
fn escaped(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for c in String::from_utf8_lossy(line).chars() {
        match c {
            '"' | '\'' => text.push(c),
            _ => text.extend(c.escape_debug()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut lines, mut said) = (Lines::default(), Vec::new());
        let mut say = |line: &[u8]| said.push(line.to_vec());
        parts.iter().for_each(|part| lines.push(part, &mut say));
        lines.finish(&mut say);
        said
    }

    #[test]
    fn lines_are_told_however_they_arrive_the_last_without_its_end_too() {
        let said = lines(&[b"a", b"b\nc\r\n\nd", b"", b"e"]);
        assert_eq!(said, [&b"ab"[..], b"c", b"", b"de"]);
    }

    #[test]
    fn a_long_line_is_told_in_parts() {
        let long = vec![b'x'; 2 * LINE_BYTES + 1];
        let lengths: Vec<_> = lines(&[&long]).iter().map(Vec::len).collect();
        assert_eq!(lengths, [LINE_BYTES, LINE_BYTES, 1]);
    }

    #[test]
    fn a_terminal_is_told_nothing_that_it_obeys() {
        assert_eq!(escaped(b"\x1b[2J\tit's \"\xc3\xa9\" \xff"), "\\u{1b}[2J\\tit's \"é\" \u{fffd}");
        assert_eq!(escaped("a\u{202e}b".as_bytes()), "a\\u{202e}b");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_line_is_too_long(parts: Vec<Vec<u8>>, long in 0..3 * LINE_BYTES) {
            let long = vec![b'y'; long];
            let mut parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            parts.push(&long);
            let said = lines(&parts);
            prop_assert!(said.iter().all(|line| line.len() <= LINE_BYTES));
            let keep = |bytes: Vec<u8>| bytes.into_iter().filter(|b| !b"\r\n".contains(b)).collect();
            let (said, sent): (Vec<u8>, Vec<u8>) = (keep(said.concat()), keep(parts.concat()));
            prop_assert_eq!(said, sent);
        }
    }
}
