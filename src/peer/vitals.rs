//! Whether a peer lives: pings and their answers, and deadlines for whoever takes too long.
//!
//! A state machine: what happened comes in as `handle_*` with the time, what to do comes out of
//! `handle_timeout`. It reads no clock and sets no timer.

use std::time::Duration;

use tokio::time::Instant;

use crate::latency::RoundTrips;
use crate::limits::{Heartbeat, Timeouts};

/// What a deadline that has come asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Send a ping with this number as its opaque bytes.
    Ping(u64),
    /// Close, for this reason: the peer is silent, or too slow.
    Dead(&'static str),
}

/// Signs of life of one peer.
#[derive(Debug)]
pub struct Vitals {
    pings: bool,
    interval: Ms,
    misses: u32,
    frame: Ms,
    write: Ms,
    /// Until when something must have been said; `None` once it was.
    identify_by: Option<Instant>,
    next_ping: Instant,
    /// When something last arrived.
    heard: Instant,
    /// Pings in a row after which nothing arrived.
    missed: u32,
    /// The newest ping that is not answered yet.
    asked: Option<Instant>,
    number: u64,
    /// When the frame that is not whole yet began.
    begun: Option<Instant>,
    /// Since when the peer takes nothing.
    blocked: Option<Instant>,
    /// Since when we read nothing from the peer; its own deadlines stand still.
    paused: Option<Instant>,
    rtt: Option<RoundTrips>,
}

impl Vitals {
    /// The state of a peer that has just arrived. `pings` is false for a person at a terminal, who
    /// answers none.
    pub fn new(now: Instant, pings: bool, timeouts: &Timeouts, heartbeat: &Heartbeat) -> Self {
        Self {
            pings,
            interval: Ms::of(heartbeat.interval),
            misses: heartbeat.misses,
            frame: Ms::of(timeouts.frame),
            write: Ms::of(timeouts.write),
            identify_by: Some(now + timeouts.identify),
            next_ping: now + heartbeat.interval,
            heard: now,
            missed: 0,
            asked: None,
            number: 0,
            begun: None,
            blocked: None,
            paused: None,
            rtt: None,
        }
    }

    /// Something arrived, and it ended in the middle of a frame or not.
    pub fn handle_input(&mut self, now: Instant, unfinished: bool, frames: bool) {
        self.heard = now;
        self.missed = 0;
        if frames || !unfinished {
            self.identify_by = None;
        }
        // A frame that ended makes the one that follows it a new one.
        match (unfinished, frames, self.begun) {
            (false, ..) => self.begun = None,
            (true, true, _) | (true, _, None) => self.begun = Some(now),
            (true, false, Some(_)) => {}
        }
    }

    /// The answer to the ping `number` arrived.
    pub fn handle_pong(&mut self, now: Instant, number: u64) -> Option<Duration> {
        if number != self.number {
            return None;
        }
        let sample = now.saturating_duration_since(self.asked.take()?);
        match &mut self.rtt {
            Some(rtt) => rtt.add(sample),
            None => self.rtt = Some(RoundTrips::first(sample)),
        }
        Some(sample)
    }

    /// The peer takes nothing more (`true`), or took what there was.
    pub fn handle_blocked(&mut self, now: Instant, blocked: bool) {
        match (blocked, self.blocked) {
            (true, None) => self.blocked = Some(now),
            (false, Some(_)) => self.blocked = None,
            _ => {}
        }
    }

    /// Some of what was waiting left, though not all: the peer still takes.
    pub fn handle_progress(&mut self, now: Instant) {
        if self.blocked.is_some() {
            self.blocked = Some(now);
        }
    }

    /// Whether we have stopped reading from the peer.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// We stop reading from the peer (`true`), or go on: meanwhile its deadlines stand still.
    pub fn handle_paused(&mut self, now: Instant, paused: bool) {
        match (paused, self.paused) {
            (true, None) => self.paused = Some(now),
            (false, Some(since)) => {
                let pause = now.saturating_duration_since(since);
                self.paused = None;
                self.heard = now.min(self.heard + pause);
                self.next_ping = self.next_ping.max(now);
                for deadline in [&mut self.begun, &mut self.identify_by].into_iter().flatten() {
                    *deadline += pause;
                }
            }
            _ => {}
        }
    }

    /// Looks at every deadline.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        if self.blocked.is_some_and(|since| now >= self.give_up(since)) {
            return Due::Dead("takes nothing, and nothing else arrived");
        }
        if self.paused.is_some() {
            return Due::Nothing;
        }
        if self.identify_by.is_some_and(|by| now >= by) {
            return Due::Dead("said nothing in time");
        }
        if self.begun.is_some_and(|begun| now >= begun + self.frame.time()) {
            return Due::Dead("began a frame and did not finish it in time");
        }
        if !self.pings || now < self.next_ping {
            return Due::Nothing;
        }
        if self.asked.is_some() && now >= self.heard + self.interval.time() {
            self.missed += 1;
        }
        if self.missed >= self.misses {
            return Due::Dead("answered no heartbeat, and nothing else arrived");
        }
        self.next_ping = now + self.interval.time();
        self.asked = Some(now);
        self.number += 1;
        Due::Ping(self.number)
    }

    /// When a peer that takes nothing since `since` is given up. One that still sends, if only pongs,
    /// is alive: it lags, and that costs a cursor. While we do not read we cannot know, and wait as long
    /// as for a dead one.
    fn give_up(&self, since: Instant) -> Instant {
        match self.paused {
            Some(_) => since + self.interval.time() * (self.misses + 1),
            None => since.max(self.heard) + self.write.time(),
        }
    }

    /// When to look again at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let blocked = self.blocked.map(|since| self.give_up(since));
        if self.paused.is_some() {
            return blocked;
        }
        let ping = self.pings.then_some(self.next_ping);
        let frame = self.begun.map(|begun| begun + self.frame.time());
        [ping, frame, self.identify_by, blocked].into_iter().flatten().min()
    }

    /// Round trips so far; `None` before the first.
    pub fn rtt(&self) -> Option<RoundTrips> {
        self.rtt
    }
}

/// A time in milliseconds, in 4 bytes: every connection has three of them. 49 days at most.
#[derive(Clone, Copy, Debug)]
struct Ms(u32);

impl Ms {
    fn of(time: Duration) -> Self {
        Self(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
    }

    fn time(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn vitals(now: Instant) -> Vitals {
        Vitals::new(now, true, &Timeouts::default(), &Heartbeat::default())
    }

    /// Lets time pass second by second; what was due, and when.
    fn watch(
        vitals: &mut Vitals,
        start: Instant,
        seconds: std::ops::Range<u32>,
    ) -> Vec<(u32, Due)> {
        seconds
            .map(|s| (s, vitals.handle_timeout(start + SECOND * s)))
            .filter(|(_, due)| *due != Due::Nothing)
            .collect()
    }

    #[test]
    fn a_peer_that_answers_no_ping_is_dead_after_three_intervals() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        vitals.handle_input(start, false, true);
        let due = watch(&mut vitals, start, 0..46);
        assert!(matches!(due[..], [(15, Due::Ping(1)), (30, Due::Ping(2)), (45, Due::Dead(_))]));
    }

    #[test]
    fn any_traffic_is_life() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        for tenth in 0..30 {
            vitals.handle_input(start + SECOND * (10 * tenth), false, true);
            let due = watch(&mut vitals, start, 10 * tenth..10 * tenth + 10);
            assert!(due.iter().all(|(_, due)| matches!(due, Due::Ping(_))), "{due:?}");
        }
    }

    #[test]
    fn a_pong_measures_the_round_trip_once() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        vitals.handle_input(start, false, true);
        assert_eq!(vitals.handle_timeout(start + 15 * SECOND), Due::Ping(1));
        assert_eq!(vitals.handle_pong(start + 16 * SECOND, 7), None);
        assert_eq!(vitals.handle_pong(start + 17 * SECOND, 1), Some(2 * SECOND));
        assert_eq!(vitals.handle_pong(start + 18 * SECOND, 1), None);
        assert_eq!(vitals.rtt().unwrap().last(), 2 * SECOND);
    }

    #[test]
    fn silence_ends_with_the_identification_timeout() {
        let start = Instant::now();
        let timeouts = Timeouts { identify: 2 * SECOND, ..Timeouts::default() };
        let mut vitals = Vitals::new(start, true, &timeouts, &Heartbeat::default());
        assert_eq!(vitals.poll_timeout(), Some(start + 2 * SECOND));
        assert_eq!(vitals.handle_timeout(start + SECOND), Due::Nothing);
        assert!(matches!(vitals.handle_timeout(start + 2 * SECOND), Due::Dead(_)));
    }

    #[test]
    fn a_frame_that_drips_ends_after_its_deadline() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        for s in 0..30 {
            vitals.handle_input(start + SECOND * s, true, s == 0);
            assert!(!matches!(vitals.handle_timeout(start + SECOND * s), Due::Dead(_)));
        }
        assert!(matches!(vitals.handle_timeout(start + 30 * SECOND), Due::Dead(_)));
    }

    #[test]
    fn deadlines_stand_still_while_we_do_not_read() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        vitals.handle_input(start, true, true);
        vitals.handle_paused(start + SECOND, true);
        assert_eq!(watch(&mut vitals, start, 1..200), []);
        vitals.handle_paused(start + 200 * SECOND, false);
        let due = watch(&mut vitals, start, 200..229);
        assert!(due.iter().all(|(_, due)| matches!(due, Due::Ping(_))), "{due:?}");
        let due = watch(&mut vitals, start, 229..230);
        assert!(matches!(due[..], [(229, Due::Dead(_))]), "{due:?}");
    }

    #[test]
    fn who_takes_nothing_lives_as_long_as_something_arrives() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        vitals.handle_blocked(start, true);
        for s in 1..60 {
            vitals.handle_input(start + SECOND * s, false, true);
            assert!(!matches!(vitals.handle_timeout(start + SECOND * s), Due::Dead(_)));
        }
        let due = watch(&mut vitals, start, 60..70);
        assert!(matches!(due[..], [.., (69, Due::Dead(_))]), "{due:?}");
    }

    #[test]
    fn a_person_is_neither_pinged_nor_closed_for_silence() {
        let start = Instant::now();
        let mut vitals = Vitals::new(start, false, &Timeouts::default(), &Heartbeat::default());
        vitals.handle_input(start, false, true);
        assert_eq!(vitals.poll_timeout(), None);
        assert_eq!(watch(&mut vitals, start, 0..1000), []);
    }
}
