//! Values that are right alone but not together.

use super::Config;
use super::error::Problem;
use super::keys::KEYS;
use super::value::quoted;

/// The largest `limits.frame`: far below 2^32, so that no sum of a length and a header overflows.
const MAX_FRAME: u32 = 1 << 30;

/// What `rooms.keep_total` must hold beside the largest frame.
const RECORD_EXTRA: usize = 64 << 10;

/// Everything that does not go together, with itself or with the protocol.
pub(crate) fn together(config: &Config) -> Vec<Problem> {
    let (limits, rooms) = (&config.settings.limits, &config.settings.rooms);
    let mut problems = Vec::new();
    let mut refuse = |wrong: bool, what: &str, keys: [&str; 2], why: &'static str| {
        if wrong {
            let [left, right] = keys.map(|key| said(config, key));
            problems.push(Problem::Together { what: format!("{left} {what} {right}"), why });
        }
    };
    refuse(
        rooms.keep_bytes > rooms.keep_total,
        "is more than",
        ["rooms.keep_bytes", "rooms.keep_total"],
        "one room may not keep more than all of them; lower the first or raise the second",
    );
    refuse(
        limits.frame as usize > limits.unfinished,
        "is more than",
        ["limits.frame", "limits.unfinished"],
        "the largest frame could never arrive; lower the first or raise the second",
    );
    refuse(
        rooms.keep_total < limits.frame as usize + RECORD_EXTRA,
        "has no room for a record of",
        ["rooms.keep_total", "limits.frame"],
        "the largest frame, and 64KiB beside it, could not be kept until somebody reads it; raise the \
         first or lower the second",
    );
    if limits.frame > MAX_FRAME {
        let what = format!("{} is more than 1GiB", said(config, "limits.frame"));
        let why = "a frame from the server may be longer still, and its length has 32 bits";
        problems.push(Problem::Together { what, why });
    }
    for rule in rooms.rules.iter().filter(|rule| rule.keep_bytes > Some(rooms.keep_total)) {
        let key = format!("rooms.rules.{}.keep_bytes", quoted(rule.pattern.as_str()));
        let what = format!("{key} is more than {}", said(config, "rooms.keep_total"));
        let why =
            "one room may not keep more than all of them; lower the first or raise the second";
        problems.push(Problem::Together { what, why });
    }
    for (tag, handler) in &config.handlers {
        if handler.command.is_empty() {
            let what = format!("handlers.{tag:#04x} has no command");
            let why = "a handler is a program; set .command, or leave its other keys away";
            problems.push(Problem::Together { what, why });
        }
    }
    problems
}

/// A key with its value and origin.
fn said(config: &Config, name: &str) -> String {
    let shown = KEYS.iter().find(|key| key.name == name).map(|key| (key.show)(config));
    format!("{name} = {} ({})", shown.unwrap_or_default(), config.origin(name))
}
