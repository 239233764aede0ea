//! Process handlers by tag (docs/protocol.md, section 10): `handlers.0xNN.command`, `.workers`, `.timeout`.

use std::time::Duration;

use figment::value::Value;

use super::value::{Count, Time, quoted};

/// The processes that answer one application tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HandlerConfig {
    /// The program and its arguments; run without a shell. Never empty once checked.
    pub(crate) command: Vec<String>,
    /// Processes at once. 1: whoever keeps state between requests gets all of them.
    pub(crate) workers: usize,
    /// How long one request may take; `None` for `timeouts.handler`.
    pub(crate) timeout: Option<Duration>,
}

impl Default for HandlerConfig {
    fn default() -> Self {
        Self { command: Vec::new(), workers: 1, timeout: None }
    }
}

/// One key of a handler.
pub(crate) struct Part {
    /// The last part of the key.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) doc: &'static str,
    /// A value, in TOML.
    pub(crate) example: &'static str,
    /// Whether its values are text.
    pub(crate) text: bool,
    /// Puts a value into its place, or returns what the key wants.
    pub(crate) set: fn(&mut HandlerConfig, &Value) -> Result<(), String>,
    /// The value in TOML, or `None` where the default holds that another key has.
    pub(crate) show: fn(&HandlerConfig) -> Option<String>,
}

const WORKERS: Count = Count { min: 1, why: "somebody has to answer" };
const TIMEOUT: Time =
    Time { min: Duration::from_millis(1), why: "with 0 every handler is too slow" };

/// The keys of a handler.
pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "command",
        doc: "The program and its arguments, a list or text in the shell's quoting; run without a shell.",
        example: "[\"python3\", \"echo.py\"]",
        text: true,
        set: |handler, value| {
            handler.command = command(value).ok_or(
                "a program and its arguments: a list, or a string in the shell's quoting, such as \
                 \"python3 echo.py\"",
            )?;
            Ok(())
        },
        show: |handler| {
            let words = handler.command.iter().map(|word| quoted(word));
            Some(format!("[{}]", words.collect::<Vec<_>>().join(", ")))
        },
    },
    Part {
        name: "workers",
        doc: "Processes at once. 1 by default: whoever keeps state between requests gets all of them.",
        example: "1",
        text: false,
        set: |handler, value| {
            handler.workers = WORKERS.read(value)?;
            Ok(())
        },
        show: |handler| Some(WORKERS.show(&handler.workers)),
    },
    Part {
        name: "timeout",
        doc: "How long one request may take; `timeouts.handler` by default.",
        example: "\"30s\"",
        text: false,
        set: |handler, value| {
            handler.timeout = Some(TIMEOUT.read(value)?);
            Ok(())
        },
        show: |handler| handler.timeout.map(|time| TIMEOUT.show(&time)),
    },
];

/// A command's words, or `None` if there are none.
fn command(value: &Value) -> Option<Vec<String>> {
    let words = match value {
        Value::Array(_, words) => {
            words.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?
        }
        value => shell_words::split(value.as_str()?).ok()?,
    };
    // NUL ends a string for the kernel: such a command would fail at the first request.
    let whole = words.iter().all(|word| !word.contains('\0'));
    (whole && words.first().is_some_and(|program| !program.is_empty())).then_some(words)
}

/// An application tag: `0x` and two hexadecimal digits, from `0x10`.
pub(crate) fn tag(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let tag = two.then(|| u8::from_str_radix(digits, 16).ok())??;
    (tag >= 0x10).then_some(tag)
}

/// The name of a handler's key.
pub(crate) fn name(tag: u8, part: &Part) -> String {
    format!("handlers.{tag:#04x}.{}", part.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(value: impl Into<Value>) -> Option<Vec<String>> {
        command(&value.into())
    }

    #[test]
    fn a_command_is_a_list_or_quoted_text() {
        let want = Some(vec!["python3".to_owned(), "my echo.py".to_owned()]);
        assert_eq!(words("python3 'my echo.py'"), want);
        assert_eq!(words(vec!["python3", "my echo.py"]), want);
    }

    #[test]
    fn a_command_names_a_program() {
        for bad in ["", "  ", "''", "unclosed 'quote", "a\0b"] {
            assert_eq!(words(bad), None, "{bad:?}");
        }
        assert_eq!(words(Vec::<&str>::new()), None);
        assert_eq!(words(vec![1, 2]), None);
        assert_eq!(words(7), None);
    }

    #[test]
    fn a_tag_has_two_digits() {
        assert_eq!((tag("0x10"), tag("0xFf"), tag("0XaB")), (Some(0x10), Some(0xff), Some(0xab)));
        for bad in ["0x0f", "0x1", "0x100", "10", "0xzz", "0x+1", ""] {
            assert_eq!(tag(bad), None, "{bad}");
        }
    }
}
