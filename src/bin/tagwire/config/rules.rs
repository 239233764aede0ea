//! Rules for some rooms: `rooms.rules."audit-*".slow` and the like, most specific first.

use std::cmp::Reverse;
use std::time::Duration;

use figment::value::Value;
use tagwire::limits::{RoomPattern, RoomRule, SlowPolicy};

use super::value::{Count, Size, Time, quoted};

/// One key of a rule.
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
    pub(crate) set: fn(&mut RoomRule, &Value) -> Result<(), String>,
    /// The value in TOML, or `None` where the rule does not say.
    pub(crate) show: fn(&RoomRule) -> Option<String>,
}

const NOTHING: &str = "a room is its log: with 0 nothing could be delivered";
const BYTES: Size = Size { min: 1, why: NOTHING };
const RECORDS: Count = Count { min: 1, why: NOTHING };
const AGE: Time = Time { min: Duration::from_millis(1), why: NOTHING };
const MEMBERS: Count = Count { min: 0, why: "" };

/// A part that reads and shows a field of the rule.
macro_rules! part {
    ($field:ident, $kind:expr, $example:literal, $doc:literal) => {
        Part {
            name: stringify!($field),
            doc: $doc,
            example: $example,
            text: false,
            set: |rule, value| {
                rule.$field = Some($kind.read(value)?);
                Ok(())
            },
            show: |rule| rule.$field.as_ref().map(|value| $kind.show(value)),
        }
    };
}

/// The keys of a rule.
pub(crate) const PARTS: &[Part] = &[
    Part {
        name: "slow",
        doc: "`rooms.slow` for these rooms: \"pause\" for what must not be lost.",
        example: "\"pause\"",
        text: true,
        set: |rule, value| {
            rule.slow = Some(slow(value)?);
            Ok(())
        },
        show: |rule| rule.slow.map(show_slow),
    },
    part!(keep_bytes, BYTES, "\"16MiB\"", "`rooms.keep_bytes` for these rooms."),
    part!(keep_count, RECORDS, "1000", "`rooms.keep_count` for these rooms."),
    part!(keep_age, AGE, "\"24h\"", "`rooms.keep_age` for these rooms."),
    part!(presence_limit, MEMBERS, "0", "`rooms.presence_limit` for these rooms."),
];

/// Reads what happens to a subscriber that falls behind.
pub(crate) fn slow(value: &Value) -> Result<SlowPolicy, String> {
    match value.as_str() {
        Some("gap") => Ok(SlowPolicy::Gap),
        Some("disconnect") => Ok(SlowPolicy::Disconnect),
        Some("pause") => Ok(SlowPolicy::Pause),
        _ => Err("\"gap\", \"disconnect\" or \"pause\"".to_owned()),
    }
}

/// Shows it.
pub(crate) fn show_slow(slow: SlowPolicy) -> String {
    quoted(match slow {
        SlowPolicy::Gap => "gap",
        SlowPolicy::Disconnect => "disconnect",
        SlowPolicy::Pause => "pause",
    })
}

/// The pattern between `rooms.rules.` and the last part of a key. A room's name may have dots, and so be
/// several parts; quotes around it, as TOML wants them, may stand on a command line too.
pub(crate) fn pattern(parts: &[String]) -> Option<RoomPattern> {
    let joined = parts.join(".");
    let bare = joined.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    RoomPattern::new(bare.unwrap_or(&joined))
}

/// The name of a rule's key.
pub(crate) fn name(pattern: &RoomPattern, part: &Part) -> String {
    format!("rooms.rules.{}.{}", quoted(pattern.as_str()), part.name)
}

/// The rule for a pattern, which is made if there is none. What says more of a name comes first.
pub(crate) fn entry<'a>(rules: &'a mut Vec<RoomRule>, pattern: &RoomPattern) -> &'a mut RoomRule {
    let key = |pattern: &RoomPattern| (Reverse(pattern.weight()), pattern.as_str().to_owned());
    let at = match rules.binary_search_by_key(&key(pattern), |rule| key(&rule.pattern)) {
        Ok(at) => at,
        Err(at) => {
            rules.insert(at, RoomRule::new(pattern.clone()));
            at
        }
    };
    &mut rules[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_more_of_a_name_comes_first() {
        let mut rules = Vec::new();
        for text in ["*", "audit-*", "audit-1", "au*", "b*", "audit-1"] {
            entry(&mut rules, &RoomPattern::new(text).unwrap());
        }
        let order: Vec<_> = rules.iter().map(|rule| rule.pattern.as_str()).collect();
        assert_eq!(order, ["audit-1", "audit-*", "au*", "b*", "*"]);
    }
}
