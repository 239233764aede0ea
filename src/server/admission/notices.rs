//! What the log says of those who are not let in, or whose handshake fails: seldom a line of each kind, however
//! many there are.

use std::fmt::Display;
use std::io;
use std::net::IpAddr;

use super::seldom::Seldom;
use super::source::Source;
use crate::session::{Proxied, Refused};
use crate::tls::Failure;

const REFUSED: &str = "refused";
const ON_TRIAL: &str = "let in on trial (limits.dry_run): it would have been refused";
const NOT_PROXIED: &str =
    "no PROXY header from a source of proxy.from: is the PROXY protocol on there?";
const NO_HANDSHAKE: &str = "handshake failed";
const CANNOT_ACCEPT: &str = "cannot accept";

/// The lines, by what they say.
#[derive(Debug, Default)]
pub(super) struct Notices {
    refused: [Seldom; Refused::ALL.len()],
    on_trial: [Seldom; Refused::ALL.len()],
    not_proxied: [Seldom; Proxied::ALL.len()],
    no_handshake: [Seldom; Failure::ALL.len()],
    cannot_accept: Seldom,
}

impl Notices {
    /// A connection was turned away.
    pub(super) fn refused(&self, address: IpAddr, why: Refused) {
        let line = self.refused.iter().zip(Refused::ALL).find(|(_, known)| *known == why);
        say(line.map(|(line, _)| line), &Source::of(address), why.as_str(), REFUSED);
    }

    /// A connection would have been turned away.
    pub(super) fn on_trial(&self, address: IpAddr, why: Refused) {
        let line = self.on_trial.iter().zip(Refused::ALL).find(|(_, known)| *known == why);
        say(line.map(|(line, _)| line), &Source::of(address), why.as_str(), ON_TRIAL);
    }

    /// A load balancer did not say whom it speaks for.
    pub(super) fn not_proxied(&self, balancer: IpAddr, how: Proxied) {
        let line = self.not_proxied.iter().zip(Proxied::ALL).find(|(_, known)| *known == how);
        say(line.map(|(line, _)| line), &balancer, how.as_str(), NOT_PROXIED);
    }

    /// A handshake came to nothing: the peer's fault, mostly, so not a warning.
    pub(super) fn no_handshake(&self, address: IpAddr, why: Failure, error: &io::Error) {
        let line = self.no_handshake.iter().zip(Failure::ALL).find(|(_, known)| *known == why);
        if let Some(left_out) = line.and_then(|(line, _)| line.happened()) {
            let (from, reason) = (Source::of(address), why.as_str());
            tracing::info!(%from, reason, %error, left_out, "{NO_HANDSHAKE}");
        }
    }

    /// The listener has an error that is not a peer's.
    pub(super) fn cannot_accept(&self, error: &io::Error) {
        if let Some(left_out) = self.cannot_accept.happened() {
            tracing::warn!(%error, left_out, "{CANNOT_ACCEPT}");
        }
    }

    /// Tells of what was left out and not followed by a line.
    pub(super) fn sweep(&self) {
        let refused = self.refused.iter().zip(Refused::ALL).map(|(l, w)| (l, w.as_str(), REFUSED));
        let trial = self.on_trial.iter().zip(Refused::ALL).map(|(l, w)| (l, w.as_str(), ON_TRIAL));
        let proxy = self.not_proxied.iter().zip(Proxied::ALL);
        let proxy = proxy.map(|(l, how)| (l, how.as_str(), NOT_PROXIED));
        for (line, why) in self.no_handshake.iter().zip(Failure::ALL) {
            if let Some(left_out) = line.rest() {
                tracing::info!(reason = why.as_str(), left_out, "{NO_HANDSHAKE}");
            }
        }
        let listener = std::iter::once((&self.cannot_accept, "listener", CANNOT_ACCEPT));
        for (line, reason, what) in refused.chain(trial).chain(proxy).chain(listener) {
            if let Some(left_out) = line.rest() {
                tracing::warn!(reason, left_out, "{what}");
            }
        }
    }
}

fn say(line: Option<&Seldom>, from: &dyn Display, reason: &'static str, what: &'static str) {
    if let Some(left_out) = line.and_then(Seldom::happened) {
        tracing::warn!(%from, reason, left_out, "{what}");
    }
}
