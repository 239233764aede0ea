//! How fast a connection may send, and its user on all connections together. Over it, the connection is not
//! read from until it has been paid for: nothing is dropped and nothing refused.
//!
//! What arrives is acted on and then paid, from a store that fills up with time and holds one second. So
//! there is at most one frame, and one second's bytes, more than the rate allows.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::limits::Limits;
use crate::session::users::UserShare;
use crate::session::{Identity, Session};
use crate::sync::now as clock;

/// Our clock as the limiter reads it: time since it was made.
#[derive(Clone, Copy, Debug)]
struct Since(Instant);

impl Clock for Since {
    type Instant = Duration;

    fn now(&self) -> Duration {
        clock().saturating_duration_since(self.0)
    }
}

/// One rate.
#[derive(Debug)]
struct Meter {
    limiter: RateLimiter<NotKeyed, InMemoryState, Since, NoOpMiddleware<Duration>>,
    begun: Instant,
    per_second: NonZeroU32,
}

impl Meter {
    /// A meter that is full; none for 0.
    fn new(per_second: u32) -> Option<Self> {
        // Beyond one a nanosecond no clock can tell.
        let per_second = NonZeroU32::new(per_second.min(1_000_000_000))?;
        let begun = clock();
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(per_second), Since(begun));
        Some(Self { limiter, begun, per_second })
    }

    /// Pays as much of a debt as can be paid now; when the rest can be, if others take nothing meanwhile.
    fn pay(&self, debt: &mut u32) -> Option<Instant> {
        let (mut most, mut until) = (self.per_second.get(), None);
        while let Some(part) = NonZeroU32::new(most.min(*debt)) {
            match self.limiter.check_n(part) {
                Ok(Ok(())) => *debt -= part.get(),
                Ok(Err(wait)) => {
                    until.get_or_insert_with(|| self.begun + wait.earliest_possible());
                    // Where several share a rate, those who owe much must get on, too.
                    most = part.get() / 2;
                }
                Err(_) => most = part.get() / 2,
            }
        }
        until.filter(|_| *debt > 0)
    }
}

/// Frames and bytes a second; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PerSecond {
    messages: u32,
    bytes: u32,
}

impl PerSecond {
    /// Those of one connection, and those of one user.
    fn of(limits: &Limits) -> [Self; 2] {
        let own = (limits.messages_per_second, limits.bytes_per_second);
        let user = (limits.user_messages_per_second, limits.user_bytes_per_second);
        [own, user].map(|(messages, bytes)| Self { messages, bytes })
    }

    fn is_off(self) -> bool {
        self.messages == 0 && self.bytes == 0
    }
}

/// The rates of one connection, or of one user.
#[derive(Debug)]
pub(super) struct Meters {
    pub(super) per_second: PerSecond,
    messages: Option<Meter>,
    bytes: Option<Meter>,
}

impl Meters {
    pub(super) fn new(per_second: PerSecond) -> Self {
        let (messages, bytes) = (Meter::new(per_second.messages), Meter::new(per_second.bytes));
        Self { per_second, messages, bytes }
    }
}

/// What was acted on and is not paid yet.
#[derive(Clone, Copy, Debug, Default)]
struct Debt {
    messages: u32,
    bytes: u32,
}

impl Debt {
    fn add(&mut self, meters: &Meters, messages: u32, bytes: u32) {
        if meters.messages.is_some() {
            self.messages = self.messages.saturating_add(messages);
        }
        if meters.bytes.is_some() {
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// When the rest can be paid; `None` if all is.
    fn pay(&mut self, meters: &Meters) -> Option<Instant> {
        let messages = meters.messages.as_ref().and_then(|meter| meter.pay(&mut self.messages));
        let bytes = meters.bytes.as_ref().and_then(|meter| meter.pay(&mut self.bytes));
        messages.max(bytes)
    }
}

/// What a connection has to pay, if anything is limited at all.
#[derive(Debug)]
pub(super) struct Rates {
    own: (Meters, Debt),
    user: (UserShare, Debt),
    until: Option<Instant>,
}

impl Rates {
    fn charge(&mut self, messages: u32, bytes: u32) {
        self.own.1.add(&self.own.0, messages, bytes);
        self.user.1.add(&self.user.0, messages, bytes);
        self.pay();
    }

    fn pay(&mut self) {
        self.until = self.own.1.pay(&self.own.0).max(self.user.1.pay(&self.user.0));
    }

    /// How much of `len` bytes is looked at before it is paid: what one second brings.
    fn portion(&self, len: usize) -> usize {
        let meters = [&self.own.0, &*self.user.0].into_iter();
        let bytes = meters.filter_map(|meters| meters.bytes.as_ref());
        bytes.map(|meter| meter.per_second.get() as usize).fold(len, usize::min)
    }
}

impl Session {
    /// Works out the rates anew if the settings were exchanged, or the peer has a name since.
    pub fn settle_rates(&mut self) {
        let generation = self.node.generation();
        if self.generation == generation {
            return;
        }
        self.generation = generation;
        let [own, user] = PerSecond::of(&self.node.settings().limits);
        self.rates = (!own.is_off() || !user.is_off()).then(|| {
            let share = match self.user_id.clone().filter(|_| !user.is_off()) {
                Some(user_id) => {
                    self.node.users().enter(Identity::Anonymous, user_id, user, &self.node)
                }
                // A guest is a user of its own, and nobody else can use its name.
                None => UserShare::alone(Arc::new(Meters::new(user))),
            };
            let (own, user) = ((Meters::new(own), Debt::default()), (share, Debt::default()));
            Box::new(Rates { own, user, until: None })
        });
    }

    /// Counts a frame, or a line, that arrived.
    #[inline]
    pub(super) fn handle_frame(&mut self) {
        self.traffic.frames_in += 1;
        if let Some(rates) = &mut self.rates {
            rates.charge(1, 0);
        }
    }

    /// Counts bytes that were looked at.
    #[inline]
    pub fn handle_bytes(&mut self, bytes: usize) {
        self.traffic.bytes_in += bytes as u64;
        if let Some(rates) = &mut self.rates {
            rates.charge(0, u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// How much of `len` bytes that arrived may be looked at in one go.
    #[inline]
    pub fn portion(&self, len: usize) -> usize {
        self.rates.as_ref().map_or(len, |rates| rates.portion(len))
    }

    /// Whether it has sent faster than it may, and is not read from until that is paid.
    pub fn is_over_rate(&self) -> bool {
        self.rates.as_ref().is_some_and(|rates| rates.until.is_some())
    }

    /// When what it owes can be paid.
    pub(super) fn paid_at(&self) -> Option<Instant> {
        self.rates.as_ref().and_then(|rates| rates.until)
    }

    /// Pays what can be paid by now.
    pub(super) fn pay(&mut self) {
        if let Some(rates) = self.rates.as_mut().filter(|rates| rates.until.is_some()) {
            rates.pay();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_one_second_is_free_and_what_follows_waits() {
        let meter = Meter::new(100).unwrap();
        let start = Instant::now();
        let mut debt = 100;
        assert_eq!((meter.pay(&mut debt), debt), (None, 0));
        debt = 1;
        assert_eq!(meter.pay(&mut debt), Some(start + Duration::from_millis(10)));
        advance(Duration::from_millis(9)).await;
        assert!(meter.pay(&mut debt).is_some());
        advance(Duration::from_millis(1)).await;
        assert_eq!((meter.pay(&mut debt), debt), (None, 0));
        // What is not used is kept for a second and no longer.
        advance(Duration::from_secs(1000)).await;
        debt = 150;
        let until = meter.pay(&mut debt).unwrap();
        assert_eq!((debt, until - Instant::now()), (50, Duration::from_millis(500)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_owes_much_gets_on_beside_those_who_owe_little() {
        let meter = Meter::new(1000).unwrap();
        meter.pay(&mut 1000);
        let mut large = 1000;
        let mut seconds = 0;
        while meter.pay(&mut large).is_some() {
            // Others come every millisecond, and take half of what there is.
            for _ in 0..1000 {
                advance(Duration::from_millis(1)).await;
                meter.pay(&mut 1);
                if meter.pay(&mut large).is_none() {
                    break;
                }
                advance(Duration::from_millis(1)).await;
            }
            seconds += 2;
            assert!(seconds < 10, "{large}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn any_rate_works() {
        for rate in [1, 2, 3, 7, 999, 1_000_000, 999_999_999, u32::MAX] {
            let meter = Meter::new(rate).unwrap();
            let mut debt = rate.saturating_mul(2);
            for _ in 0..100 {
                let Some(until) = meter.pay(&mut debt) else { break };
                assert!(until > Instant::now());
                tokio::time::sleep_until(until).await;
            }
            assert_eq!(debt, 0, "{rate}");
        }
        assert!(Meter::new(0).is_none());
    }
}
