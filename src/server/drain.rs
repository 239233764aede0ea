//! How a server ends: everyone is told when to come back, and later, that it is over.

use std::time::Duration;

use crate::peer::{Mail, Mailbox};
use crate::server::shared::Shared;

/// Over how long those who come back are spread out.
const SPREAD: Duration = Duration::from_secs(5);

/// Tells everyone that the server is about to close.
pub(super) fn tell_everyone(shared: &Shared) {
    for mailbox in shared.peers() {
        tell(&mailbox);
    }
}

/// Tells one that the server is about to close, and when to come back.
pub(super) fn tell(mailbox: &Mailbox) {
    mailbox.post(Mail::GoAway { reason: "shutting_down", reconnect: reconnect(mailbox) });
}

/// Tells everyone who is still there that it is over.
pub(super) fn end_everyone(shared: &Shared) {
    for mailbox in shared.peers() {
        mailbox.post(Mail::ShutDown);
    }
}

/// A time within the spread by the connection's number: neighbours are far apart, whatever their count
/// (multiplication by the golden ratio spreads any run of numbers evenly).
fn reconnect(mailbox: &Mailbox) -> Duration {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let fraction = mailbox.id().0.wrapping_mul(GOLDEN) >> 32;
    SPREAD * u32::try_from(fraction >> 16).unwrap_or_default() / (1 << 16)
}
