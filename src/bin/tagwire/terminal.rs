//! What a terminal may be shown: text from others made harmless, and colours only where they are wanted.

use std::env;
use std::io::IsTerminal;

/// Text from others without what could drive a terminal or turn the direction of writing; that is shown
/// escaped, as in `\u{1b}`.
pub(crate) fn harmless(text: &str) -> String {
    let quotes = ['"', '\'', '\\'];
    let mut out = String::with_capacity(text.len());
    // Quotes and backslashes drive nothing; Rust's own escaping would have them too.
    for piece in text.split_inclusive(quotes) {
        let bare = piece.trim_end_matches(quotes);
        out.extend(bare.escape_debug());
        out.push_str(piece.get(bare.len()..).unwrap_or_default());
    }
    out
}

/// Whether a stream wants colours: it is a terminal, and `NO_COLOR` is empty or not set (no-color.org).
pub(crate) fn wants_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Colours of the terminal's own palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// What comes in.
    In,
    /// What goes out.
    Out,
    /// What wants to be looked at.
    Warning,
}

/// Text in a colour, if colours are wanted.
pub(crate) fn paint(text: &str, paint: Paint, colour: bool) -> String {
    let number = match paint {
        Paint::In => 32,
        Paint::Out => 36,
        Paint::Warning => 33,
    };
    if colour { format!("\x1b[{number}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn plain_text_stays() {
        for text in ["", "héllo wörld 🎉", "O'Brien \"\\\"", "cafe\u{301}", "नि", "日本"]
        {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn nothing_drives_a_terminal() {
        assert_eq!(harmless("\u{1b}[2J\u{7}\r\n"), "\\u{1b}[2J\\u{7}\\r\\n");
        assert_eq!(harmless("\u{9b}31m\u{202e}\u{feff}"), "\\u{9b}31m\\u{202e}\\u{feff}");
        assert_eq!(harmless("'\u{202e}"), "'\\u{202e}");
    }
}
