//! How a server ends in order: everyone is told when to come back and goes on working; each one's turn to
//! be closed comes after a while; and at last whoever is left is told that it is over.
//!
//! The turns are spread out because those who are closed connect again, somewhere: all at once would be
//! thousands of handshakes in the same second.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, sleep_until};

use crate::peer::{Mail, Mailbox};
use crate::server::guests::Stage;
use crate::server::shared::Shared;
use crate::sync::now;

/// Over how long those who come back are spread out, at least.
const SPREAD: Duration = Duration::from_secs(5);
/// How long one turn takes when there are few: as long as some ten handshakes for whoever serves next.
const TURN: Duration = Duration::from_millis(5);
/// How long connections may take to say goodbye after the drain.
const LAST_GOODBYES: Duration = Duration::from_secs(2);

/// Waits until the server is to end, and brings everyone there; [`Shared::ended`] is cancelled then.
pub(super) async fn conduct(shared: Arc<Shared>) {
    shared.draining.cancelled().await;
    shared.connections.close();
    let timeouts = shared.node.settings().timeouts.clone();
    let begun = now();
    // Whoever reads slowly needs time after the last turn.
    let spread = timeouts.drain_spread.min(timeouts.drain / 2);
    let mut told = shared.guests.advance(Stage::Draining);
    tracing::info!(connections = told.len(), "draining");
    told.iter().for_each(|mailbox| tell(mailbox, spread));
    let close = async {
        // Who is asked to come back first is closed first.
        told.sort_by_key(|mailbox| reconnect(mailbox, spread));
        let count = told.len();
        for (index, mailbox) in told.iter().enumerate() {
            let due = begun + turn(index, count, spread);
            if due > now() {
                sleep_until(due).await;
            }
            mailbox.post(Mail::Close);
        }
        // Those too who came meanwhile; to be told twice changes nothing.
        for mailbox in shared.guests.advance(Stage::Closing) {
            mailbox.post(Mail::Close);
        }
        sleep_until(begun + timeouts.drain).await;
        let left = shared.guests.advance(Stage::Ended);
        tracing::warn!(connections = left.len(), "the time to drain is over");
        for mailbox in left {
            mailbox.post(Mail::ShutDown);
        }
        sleep(LAST_GOODBYES).await;
    };
    tokio::select! {
        () = shared.connections.wait() => {}
        () = close => {}
    }
    shared.ended.cancel();
}

/// Tells one who arrives at this stage what the others were told before.
pub(super) fn catch_up(mailbox: &Mailbox, stage: Stage) {
    if stage >= Stage::Draining {
        tell(mailbox, SPREAD);
    }
    match stage {
        Stage::Serving | Stage::Draining => {}
        Stage::Closing => mailbox.post(Mail::Close),
        Stage::Ended => mailbox.post(Mail::ShutDown),
    }
}

/// Tells one that the server is about to close, and when to come back.
fn tell(mailbox: &Mailbox, spread: Duration) {
    let reconnect = reconnect(mailbox, spread);
    mailbox.post(Mail::GoAway { reason: "shutting_down", reconnect });
}

/// When the turn of one of `count` comes, after the drain began: the first one's at once, those of few soon
/// after, those of many over the whole `spread`.
fn turn(index: usize, count: usize, spread: Duration) -> Duration {
    let turns = u32::try_from(count).unwrap_or(u32::MAX);
    let over = spread.min(TURN.saturating_mul(turns));
    over.mul_f64(index as f64 / count.max(1) as f64)
}

/// When to come back: a time within the spread by the connection's number. Neighbours are far apart,
/// whatever their count (multiplication by the golden ratio spreads any run of numbers evenly).
fn reconnect(mailbox: &Mailbox, spread: Duration) -> Duration {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let fraction = mailbox.id().0.wrapping_mul(GOLDEN) >> 32;
    spread.max(SPREAD).mul_f64(fraction as f64 / (1u64 << 32) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn turns(count: usize, spread: Duration) -> Vec<Duration> {
        (0..count).map(|index| turn(index, count, spread)).collect()
    }

    #[test]
    fn one_who_is_alone_does_not_wait() {
        assert_eq!(turns(1, SPREAD), [Duration::ZERO]);
    }

    #[test]
    fn few_are_closed_one_after_the_other_and_soon() {
        assert_eq!(turns(4, SPREAD), [0, 5, 10, 15].map(|n| n * MS));
    }

    #[test]
    fn many_take_the_whole_spread_and_no_longer() {
        let turns = turns(15_000, SPREAD);
        assert!(turns.is_sorted());
        assert!(turns[14_999] < SPREAD && turns[14_999] > SPREAD - MS, "{:?}", turns[14_999]);
        // No part of the spread gets more than its share.
        let early = turns.iter().filter(|&&turn| turn < SPREAD / 5).count();
        assert!((2_990..=3_010).contains(&early), "{early}");
    }

    #[test]
    fn without_a_spread_all_are_closed_at_once() {
        assert!(turns(100, Duration::ZERO).iter().all(Duration::is_zero));
    }
}
