//! What a room remembers of each publisher: what it has, what is on its way, what comes again.
//!
//! Numbered publishes go back N: after a refusal of N, those above N are refused until N comes again, so
//! publishes never overtake each other (docs/protocol.md, section 6). Those without a number are only
//! remembered while an asynchronous engine has them, so that a refusal finds its sender.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{PublishId, Seq};
use crate::peer::Mailbox;

/// How long a publisher that says nothing more is remembered. The protocol promises at least two minutes.
pub(super) const REMEMBER: Duration = Duration::from_secs(150);
/// How long an engine may take. The protocol says 5 s until `unavailable`; a sweep each second finds it.
pub(super) const ANSWER_WITHIN_MS: u64 = 3800;
/// Publishes whose exact numbers are remembered, to answer a repeated one with its own.
const EXACT: usize = 64;
/// Publishes of one publisher that an engine may hold.
const IN_FLIGHT: usize = 4096;

/// What to do with a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Hand it to the engine.
    New,
    /// The log has it: acknowledge it again.
    Known(PublishId, Seq),
    /// The engine has it; its answer is on its way.
    Underway,
    /// Refuse it, because of one before it, or because too many are on their way.
    Refused(&'static str),
}

#[derive(Debug)]
pub(super) struct Publisher {
    /// Whom to tell; `None` for the server itself.
    pub(super) mailbox: Option<Arc<Mailbox>>,
    /// Whether it is a connection, not a named client: it is over when that is closed.
    nameless: bool,
    /// The highest number in the log, and its record.
    accepted: (PublishId, Seq),
    recent: VecDeque<(PublishId, Seq)>,
    /// Handed to the engine and not answered yet, with the time: numbered ones, and the times of others.
    underway: VecDeque<(PublishId, u64)>,
    unnumbered: VecDeque<u64>,
    /// The number from which on publishes are refused until it comes again.
    refused_from: Option<PublishId>,
    /// When it last published, milliseconds since 1970.
    used_ms: u64,
}

impl Publisher {
    pub(super) fn new(mailbox: Option<Arc<Mailbox>>, nameless: bool) -> Self {
        Self {
            mailbox,
            nameless,
            accepted: Default::default(),
            recent: VecDeque::new(),
            underway: VecDeque::new(),
            unnumbered: VecDeque::new(),
            refused_from: None,
            used_ms: 0,
        }
    }

    /// The highest number that is in the log.
    pub(super) fn last_publish_id(&self) -> PublishId {
        self.accepted.0
    }

    pub(super) fn handle_publish(&mut self, id: PublishId, now_ms: u64) -> Verdict {
        self.used_ms = now_ms;
        if id <= self.accepted.0 {
            self.refused_from = self.refused_from.filter(|&from| from > id);
            return self.known(id);
        }
        match self.refused_from {
            Some(from) if id > from => return Verdict::Refused("refused_before"),
            _ => self.refused_from = None,
        }
        if self.underway.back().is_some_and(|&(newest, _)| id <= newest) {
            return Verdict::Underway;
        }
        if self.underway.len() >= IN_FLIGHT {
            self.refused_from = Some(id);
            return Verdict::Refused("too_many_in_flight");
        }
        Verdict::New
    }

    /// Its exact record if it is among the newest, else the newest: an `ack` covers all before it.
    fn known(&self, id: PublishId) -> Verdict {
        let exact = self.recent.binary_search_by_key(&id, |&(id, _)| id);
        match exact.ok().and_then(|at| self.recent.get(at)) {
            Some(&(id, seq)) => Verdict::Known(id, seq),
            None => Verdict::Known(self.accepted.0, self.accepted.1),
        }
    }

    /// Whether an engine may get one more publish without a number.
    pub(super) fn has_room(&self) -> bool {
        self.unnumbered.len() < IN_FLIGHT
    }

    /// An engine has taken it and will answer.
    pub(super) fn handle_submitted(&mut self, id: PublishId, now_ms: u64) {
        self.used_ms = now_ms;
        match id {
            PublishId(0) => self.unnumbered.push_back(now_ms),
            _ => self.underway.push_back((id, now_ms)),
        }
    }

    /// It is in the log. Whether somebody still waits to hear that: not who was told that it was refused.
    pub(super) fn handle_stored(&mut self, id: PublishId, seq: Seq) -> bool {
        if id.0 == 0 {
            self.unnumbered.pop_front();
            return false;
        }
        let through = self.underway.partition_point(|&(underway, _)| underway <= id);
        let awaited = through.checked_sub(1).is_some_and(|at| self.underway[at].0 == id);
        self.underway.drain(..through);
        if id > self.accepted.0 {
            self.accepted = (id, seq);
            if self.recent.len() == EXACT {
                self.recent.pop_front();
            }
            self.recent.push_back((id, seq));
        }
        awaited
    }

    /// Takes back what is on its way from `id` on: each of it is to be told that it was refused.
    pub(super) fn handle_refused(&mut self, id: PublishId) -> Vec<PublishId> {
        if id.0 == 0 {
            return self.unnumbered.pop_front().map(|_| id).into_iter().collect();
        }
        let from = self.underway.partition_point(|&(underway, _)| underway < id);
        let refused: Vec<_> = self.underway.drain(from..).map(|(id, _)| id).collect();
        if let Some(&first) = refused.first() {
            self.refused_from = Some(first);
        }
        refused
    }

    /// The next publish is refused, and those above it until it comes again.
    pub(super) fn refuse_from(&mut self, id: PublishId) {
        if id.0 != 0 {
            self.refused_from = Some(id);
        }
    }

    /// Whether an engine owes it an answer.
    pub(super) fn is_waiting(&self) -> bool {
        !self.underway.is_empty() || !self.unnumbered.is_empty()
    }

    /// A publish that an engine has left unanswered for too long, the oldest of its kind.
    pub(super) fn overdue(&self, now_ms: u64) -> Option<PublishId> {
        let late = |since: u64| now_ms.saturating_sub(since) >= ANSWER_WITHIN_MS;
        let numbered = self.underway.front().filter(|&&(_, since)| late(since)).map(|&(id, _)| id);
        let other = self.unnumbered.front().filter(|&&since| late(since)).map(|_| PublishId(0));
        numbered.or(other)
    }

    /// Whether it may be forgotten, if those that say nothing are remembered for `remember`.
    pub(super) fn is_idle(&self, now_ms: u64, remember: Duration) -> bool {
        if self.is_waiting() {
            return false;
        }
        let closed = self.mailbox.as_ref().is_none_or(|mailbox| mailbox.is_closed());
        if closed && self.nameless {
            return true;
        }
        // Who is there, and was refused, has to come again with that number.
        let owes = !closed && self.refused_from.is_some();
        !owes && u128::from(now_ms.saturating_sub(self.used_ms)) > remember.as_millis()
    }
}
