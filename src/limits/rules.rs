//! Rules for some rooms: what differs there from what holds for all.

use std::fmt;
use std::time::Duration;

use crate::id::RoomName;
use crate::limits::{RoomSettings, SlowPolicy};

/// Which rooms a rule is for: one by its name, or all whose names begin alike (`audit-*`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomPattern(Box<str>);

impl RoomPattern {
    /// Checks a pattern: a room's name, or the beginning of one and a `*`. `None` if no room could match.
    pub fn new(pattern: &str) -> Option<Self> {
        let begin = pattern.strip_suffix('*');
        let good = begin == Some("") || RoomName::new(begin.unwrap_or(pattern)).is_some();
        good.then(|| Self(pattern.into()))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is for that room.
    pub fn matches(&self, room: &RoomName) -> bool {
        match self.0.strip_suffix('*') {
            Some(begin) => room.as_str().starts_with(begin),
            None => room.as_str() == &*self.0,
        }
    }

    /// How much of a name it says: a whole name more than any beginning.
    pub fn weight(&self) -> usize {
        match self.0.strip_suffix('*') {
            Some(begin) => begin.len(),
            None => usize::MAX,
        }
    }
}

impl fmt::Debug for RoomPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RoomPattern").field(&self.as_str()).finish()
    }
}

/// What is different in some rooms. What it does not say is as in [`RoomSettings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRule {
    /// Which rooms.
    pub pattern: RoomPattern,
    /// What happens to a subscriber that falls behind.
    pub slow: Option<SlowPolicy>,
    /// Bytes of records that such a room keeps.
    pub keep_bytes: Option<usize>,
    /// Records that such a room keeps.
    pub keep_count: Option<usize>,
    /// How long such a room keeps a record.
    pub keep_age: Option<Duration>,
    /// Members above which joins and leaves are not announced.
    pub presence_limit: Option<usize>,
}

impl RoomRule {
    /// A rule that says nothing yet.
    pub fn new(pattern: RoomPattern) -> Self {
        Self {
            pattern,
            slow: None,
            keep_bytes: None,
            keep_count: None,
            keep_age: None,
            presence_limit: None,
        }
    }
}

/// What holds for one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomPolicy {
    /// What happens to a subscriber that falls behind.
    pub slow: SlowPolicy,
    /// Bytes of records that it keeps.
    pub keep_bytes: usize,
    /// Records that it keeps.
    pub keep_count: usize,
    /// How long it keeps a record.
    pub keep_age: Duration,
    /// Members above which joins and leaves are not announced.
    pub presence_limit: usize,
}

impl RoomSettings {
    /// What holds for a room: the first rule that is for it, and of what that does not say, the defaults.
    pub fn policy(&self, room: &RoomName) -> RoomPolicy {
        let rule = self.rules.iter().find(|rule| rule.pattern.matches(room));
        RoomPolicy {
            slow: rule.and_then(|rule| rule.slow).unwrap_or(self.slow),
            keep_bytes: rule.and_then(|rule| rule.keep_bytes).unwrap_or(self.keep_bytes),
            keep_count: rule.and_then(|rule| rule.keep_count).unwrap_or(self.keep_count),
            keep_age: rule.and_then(|rule| rule.keep_age).unwrap_or(self.keep_age),
            presence_limit: rule
                .and_then(|rule| rule.presence_limit)
                .unwrap_or(self.presence_limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_names() {
        let matches = |pattern: &str, room: &str| {
            RoomPattern::new(pattern).unwrap().matches(&RoomName::new(room).unwrap())
        };
        assert!(matches("audit", "audit") && !matches("audit", "audit-1"));
        assert!(matches("audit-*", "audit-1") && matches("audit-*", "audit-"));
        assert!(!matches("audit-*", "audit") && matches("*", "anything"));
        assert!(matches("a.b:c*", "a.b:c.d"));
        for bad in ["", "a b", "*a", "a*b", "a**", "é*"] {
            assert_eq!(RoomPattern::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_counts_and_says_what_differs() {
        let rule = |pattern| RoomRule::new(RoomPattern::new(pattern).unwrap());
        let settings = RoomSettings {
            rules: vec![
                RoomRule { slow: Some(SlowPolicy::Pause), keep_count: Some(7), ..rule("audit-*") },
                RoomRule { slow: Some(SlowPolicy::Disconnect), ..rule("*") },
            ],
            ..RoomSettings::default()
        };
        let policy = |room| settings.policy(&RoomName::new(room).unwrap());
        assert_eq!((policy("audit-1").slow, policy("audit-1").keep_count), (SlowPolicy::Pause, 7));
        assert_eq!(policy("audit-1").keep_bytes, settings.keep_bytes);
        let want = RoomPolicy { slow: SlowPolicy::Disconnect, ..policy("b") };
        assert_eq!((policy("lobby"), policy("lobby").keep_count), (want, 100_000));
    }
}
