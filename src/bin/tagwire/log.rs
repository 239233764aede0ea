//! The log: who sees it, in which form, from which level on. Standard output belongs to what was asked
//! for, so everything here goes to standard error.
//!
//! A thread of its own writes the lines: standard error may be a pipe that nobody reads, and the server goes
//! on serving then. Lines that find no place any more are counted instead of written.

use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::str::FromStr;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Lines that wait to be written; some 4 MiB at most.
const LINES: usize = 8192;

/// How long lines are gathered before they are written: what a line costs is mostly the waking of the thread
/// that writes it, and one write.
const GATHER: Duration = Duration::from_millis(10);

/// Counts the lines that found no place.
static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// For a person.
    Pretty { colour: bool },
    /// One JSON object a line, for a program.
    Json,
}

impl Form {
    /// A person sits at a terminal; `NO_COLOR` counts when it is not empty (no-color.org).
    fn choose(terminal: bool, no_color: Option<&str>) -> Self {
        match terminal {
            true => Self::Pretty { colour: no_color.is_none_or(str::is_empty) },
            false => Self::Json,
        }
    }
}

/// Checks what `--log` or `TAGWIRE_LOG` says: a level, or a list such as `info,tagwire::tls=debug`.
///
/// # Errors
///
/// Returns what is wrong with the filter.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, String> {
    // A word alone could be a module, all of whose lines are wanted; much more likely it is a slip, and
    // would silence everything.
    let is_slip = |part: &&str| {
        part.chars().all(|c| c.is_ascii_alphanumeric())
            && *part != "tagwire"
            && LevelFilter::from_str(part).is_err()
    };
    if let Some(word) = text.split(',').map(str::trim).find(is_slip) {
        return Err(format!("{word:?} is no level: wants error, warn, info, debug, trace or off"));
    }
    EnvFilter::builder().parse(text).map_err(|error| error.to_string())
}

/// Starts the log; to be called once, by `main`. Dropping what it returns writes the lines that wait.
pub(crate) fn start(filter: EnvFilter) -> WorkerGuard {
    let writer = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES);
    let (writer, guard) =
        writer.thread_name("tagwire-log").finish(Gathered(BufWriter::new(io::stderr())));
    let _ = LOST.set(writer.error_counter());
    let no_color = env::var_os("NO_COLOR").map(|value| value.to_string_lossy().into_owned());
    let form = Form::choose(io::stderr().is_terminal(), no_color.as_deref());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match form {
        Form::Pretty { colour } => log.with_ansi(colour).init(),
        Form::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_ansi(false)
            .init(),
    }
    guard
}

/// Writes what came together at once. While it gathers, whoever logs need not wake it.
struct Gathered<W: Write>(BufWriter<W>);

impl<W: Write> Write for Gathered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Called when no line is left to write.
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        thread::sleep(GATHER);
        Ok(())
    }
}

/// Lines that were lost since the start, because nobody read the others.
pub(crate) fn lost() -> u64 {
    LOST.get().map_or(0, |lost| lost.dropped_lines() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_gets_colours_unless_they_are_declined() {
        assert_eq!(Form::choose(true, None), Form::Pretty { colour: true });
        assert_eq!(Form::choose(true, Some("")), Form::Pretty { colour: true });
        assert_eq!(Form::choose(true, Some("1")), Form::Pretty { colour: false });
        assert_eq!(Form::choose(false, None), Form::Json);
    }

    #[test]
    fn a_filter_is_a_level_or_a_list() {
        assert!(filter("info").is_ok());
        assert!(filter("warn,tagwire::tls=debug").is_ok());
        assert!(filter("warn, tagwire::tls").is_ok());
        assert!(filter("tagwire=loudly").is_err());
        assert!(filter("loud").is_err());
    }
}
