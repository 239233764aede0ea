//! Whether a peer lives: pings and their answers, and deadlines for whoever takes too long.
//!
//! A state machine: what happened comes in as `handle_*` with the time, what to do comes out of
//! `handle_timeout`. It reads no clock and sets no timer.

use std::time::Duration;

use tokio::time::Instant;

use crate::latency::RoundTrips;
use crate::limits::{FRAME_FLOOR, FRAME_GRACE, Heartbeat, Timeouts};

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
    /// Until when something whole must have been said; `None` once it was.
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
    /// How much of it has arrived.
    received: u32,
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
            received: 0,
            blocked: None,
            paused: None,
            rtt: None,
        }
    }

    /// Something arrived: whole frames or not, and at its end so much of one that is not whole.
    pub fn handle_input(&mut self, now: Instant, unfinished: Option<u64>, frames: bool) {
        self.heard = now;
        self.missed = 0;
        if frames {
            self.identify_by = None;
        }
        let Some(received) = unfinished else {
            self.begun = None;
            return;
        };
        self.received = u32::try_from(received).unwrap_or(u32::MAX);
        // A frame that ended makes the one that follows it a new one.
        if frames || self.begun.is_none() {
            self.begun = Some(now);
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
                // What was asked meanwhile is answered late, and not by the peer's fault.
                if self.asked.is_some_and(|asked| asked >= since) {
                    self.asked = None;
                }
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
            // The peer sees that we live; whether it does we cannot know.
            return if self.pings && now >= self.next_ping { self.ping(now) } else { Due::Nothing };
        }
        if self.identify_by.is_some_and(|by| now >= by) {
            return Due::Dead("said nothing in time");
        }
        if self.frame_by().is_some_and(|by| now >= by) {
            return Due::Dead("began a frame and is too slow to finish it");
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
        self.ping(now)
    }

    fn ping(&mut self, now: Instant) -> Due {
        self.next_ping = now + self.interval.time();
        self.asked = Some(now);
        self.number += 1;
        Due::Ping(self.number)
    }

    /// When the frame that was begun is given up. What has arrived of it buys time, as much as it may take
    /// at the slowest, so that a drip ends soon and whoever sends at that pace has all of it.
    fn frame_by(&self) -> Option<Instant> {
        let whole = self.frame.time();
        let earned = Duration::from_millis(u64::from(self.received) * 1000 / FRAME_FLOOR);
        self.begun.map(|begun| begun + whole.min(whole / FRAME_GRACE + earned))
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
        let ping = self.pings.then_some(self.next_ping);
        if self.paused.is_some() {
            return [ping, blocked].into_iter().flatten().min();
        }
        [ping, self.frame_by(), self.identify_by, blocked].into_iter().flatten().min()
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
    const MS: Duration = Duration::from_millis(1);

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

    /// Begins a frame of which so much arrives a second, in ten parts; after how many ms it is given up.
    fn given_up(vitals: &mut Vitals, start: Instant, rate: u32) -> Option<u32> {
        (0..60_000).find(|&ms| {
            let now = start + MS * ms;
            if ms % 100 == 0 {
                vitals.handle_input(now, Some((1 + rate * (ms / 100) / 10).into()), false);
            }
            matches!(vitals.handle_timeout(now), Due::Dead(_))
        })
    }

    #[test]
    fn a_peer_that_answers_no_ping_is_dead_after_three_intervals() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        vitals.handle_input(start, None, true);
        let due = watch(&mut vitals, start, 0..46);
        assert!(matches!(due[..], [(15, Due::Ping(1)), (30, Due::Ping(2)), (45, Due::Dead(_))]));
    }

    #[test]
    fn any_traffic_is_life() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        for tenth in 0..30 {
            vitals.handle_input(start + SECOND * (10 * tenth), None, true);
            let due = watch(&mut vitals, start, 10 * tenth..10 * tenth + 10);
            assert!(due.iter().all(|(_, due)| matches!(due, Due::Ping(_))), "{due:?}");
        }
    }

    #[test]
    fn a_pong_measures_the_round_trip_once() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        vitals.handle_input(start, None, true);
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
    fn what_is_begun_is_nothing_said() {
        let start = Instant::now();
        let mut vitals = Vitals::new(start, false, &Timeouts::default(), &Heartbeat::default());
        // Of a line nobody knows that it was begun.
        vitals.handle_input(start + SECOND, None, false);
        let due = watch(&mut vitals, start, 1..61);
        assert!(matches!(due[..], [(60, Due::Dead(_))]), "{due:?}");
    }

    #[test]
    fn a_frame_that_arrives_at_the_floor_ends_after_its_deadline() {
        let start = Instant::now();
        assert_eq!(given_up(&mut vitals(start), start, 1 << 10), Some(30_000));
        // However much of it came at once.
        let mut vitals = vitals(start);
        vitals.handle_input(start, Some(1 << 20), false);
        let due = watch(&mut vitals, start, 0..31);
        assert!(matches!(due[..], [.., (30, Due::Dead(_))]), "{due:?}");
    }

    #[test]
    fn a_frame_that_drips_ends_soon_and_a_typed_one_has_time() {
        let start = Instant::now();
        // 100 B/s: after the grace, which what had arrived prolongs by half a second.
        let by = given_up(&mut vitals(start), start, 100).unwrap();
        assert!((5_000..6_000).contains(&by), "{by} ms");
        let silent = given_up(&mut vitals(start), start, 0);
        assert_eq!(silent, Some(5_000));
        // 16 bytes over 3 s.
        let mut vitals = vitals(start);
        for byte in 1..16 {
            let now = start + 200 * MS * byte;
            vitals.handle_input(now, Some(byte.into()), false);
            assert_eq!(vitals.handle_timeout(now), Due::Nothing);
        }
        vitals.handle_input(start + 3 * SECOND, None, true);
        let due = watch(&mut vitals, start, 3..15);
        assert_eq!(due, []);
    }

    #[test]
    fn each_frame_has_a_time_of_its_own() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        // Each read ends one and begins the next.
        for s in 0..100 {
            vitals.handle_input(start + SECOND * s, Some(7), true);
            assert!(!matches!(vitals.handle_timeout(start + SECOND * s), Due::Dead(_)));
        }
        assert_eq!(vitals.frame_by(), Some(start + 104 * SECOND + 6 * MS));
    }

    #[test]
    fn deadlines_stand_still_while_we_do_not_read() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        vitals.handle_input(start, Some(0), true);
        vitals.handle_paused(start + SECOND, true);
        // It is pinged meanwhile, so that it sees that we are there.
        let due = watch(&mut vitals, start, 1..200);
        assert_eq!(due.len(), 13);
        assert!(due.iter().all(|(_, due)| matches!(due, Due::Ping(_))), "{due:?}");
        vitals.handle_paused(start + 200 * SECOND, false);
        // Its answers lay unread: they measure nothing.
        assert_eq!(vitals.handle_pong(start + 200 * SECOND, 13), None);
        let due = watch(&mut vitals, start, 200..204);
        assert!(due.iter().all(|(_, due)| matches!(due, Due::Ping(_))), "{due:?}");
        let due = watch(&mut vitals, start, 204..205);
        assert!(matches!(due[..], [(204, Due::Dead(_))]), "{due:?}");
    }

    #[test]
    fn who_takes_nothing_lives_as_long_as_something_arrives() {
        let start = Instant::now();
        let mut vitals = vitals(start);
        vitals.handle_blocked(start, true);
        for s in 1..60 {
            vitals.handle_input(start + SECOND * s, None, true);
            assert!(!matches!(vitals.handle_timeout(start + SECOND * s), Due::Dead(_)));
        }
        let due = watch(&mut vitals, start, 60..70);
        assert!(matches!(due[..], [.., (69, Due::Dead(_))]), "{due:?}");
    }

    #[test]
    fn a_person_is_neither_pinged_nor_closed_for_silence() {
        let start = Instant::now();
        let mut vitals = Vitals::new(start, false, &Timeouts::default(), &Heartbeat::default());
        vitals.handle_input(start, None, true);
        assert_eq!(vitals.poll_timeout(), None);
        assert_eq!(watch(&mut vitals, start, 0..1000), []);
    }
}
