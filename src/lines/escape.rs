//! Text from others, made harmless for a terminal.

use std::fmt::Write;

/// Shows bytes as text: what is not UTF-8 as `\xNN`, control characters as `\n`, `\t`, `\u{1b}`, and so
/// too those that turn the direction of writing or break lines where a program does not expect it.
pub(super) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                c if c.is_control() || is_invisible(c) => {
                    let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
                }
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Line and paragraph separators, and the marks that override the direction of writing (UAX #9).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn plain_text_stays() {
        assert_eq!(escape("héllo \\ wörld 🎉".as_bytes()), "héllo \\ wörld 🎉");
    }

    #[test]
    fn nothing_drives_a_terminal() {
        assert_eq!(escape(b"\x1b[2J\x07"), "\\u{1b}[2J\\u{7}");
        assert_eq!(escape(b"a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(escape("\u{9b}31m\u{202e}".as_bytes()), "\\u{9b}31m\\u{202e}");
        assert_eq!(escape(b"\xff\xc3ok\xc3"), "\\xff\\xc3ok\\xc3");
    }
}
