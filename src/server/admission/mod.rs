//! Who is let in: decided before any cryptography, by bounds that hold exactly.
//!
//! ```text
//! source       whom limits per source count as one
//! stays        how many connections each source has
//! rates        how many come in a second, in all and from one source
//! proxy        what a load balancer says before the peer's own bytes
//! refusal      what a connection that is not let in is told
//! descriptors  one kept in reserve, to refuse with when there are no others
//! notices      what the log says of it: `seldom`, a line a second at most
//! ```
//!
//! The bound in all is the listener's (`accept`), which alone takes places. Everything else is asked here
//! once the peer's address is known: at once, or behind a PROXY header. Limits are read anew each time, so
//! that new ones hold from the next connection on.

mod descriptors;
mod notices;
mod proxy;
mod rates;
mod refusal;
mod seldom;
mod source;
mod stays;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

use tokio::time::Instant;

pub(super) use self::descriptors::{Reserve, are_used_up};
use self::notices::Notices;
use self::rates::Rates;
use self::refusal::Refusals;
use self::source::Source;
pub(super) use self::source::canonical;
pub(super) use self::stays::Stay;
use self::stays::Stays;
use crate::limits::{IpNet, Limits};
use crate::session::{Counters, Proxied, Refused};
use crate::tls::Failure;

/// Who is let in.
#[derive(Debug, Default)]
pub(super) struct Admission {
    stays: Arc<Stays>,
    rates: Rates,
    refusals: Refusals,
    notices: Notices,
}

/// Whether an address is in one of these networks.
pub(super) fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

impl Admission {
    /// Lets a connection from this address in, and counts it among its source's until the stay is dropped;
    /// no stay for a source that limits leave alone.
    pub(super) fn enter(
        &self,
        address: IpAddr,
        limits: &Limits,
        counters: &Counters,
    ) -> Result<Option<Stay>, Refused> {
        let source = (!is_in(&limits.exempt, address)).then(|| Source::of(address));
        match self.ask(source, limits) {
            Err(why) if limits.dry_run => {
                counters.handle_would_refuse(why);
                self.notices.on_trial(address, why);
                Ok(source.and_then(|source| self.stays.enter(source, usize::MAX)))
            }
            answer => answer,
        }
    }

    /// What a source did comes first, so that what is refused for it takes nothing from the others.
    fn ask(&self, source: Option<Source>, limits: &Limits) -> Result<Option<Stay>, Refused> {
        let mut stay = None;
        if let Some(source) = source {
            let entered = self.stays.enter(source, limits.connections_per_ip);
            stay = Some(entered.ok_or(Refused::ConnectionsPerIp)?);
            if !self.rates.allows_from(source, limits) {
                return Err(Refused::AcceptsPerSecondPerIp);
            }
        }
        if self.rates.allows(limits) { Ok(stay) } else { Err(Refused::AcceptsPerSecond) }
    }

    /// Turns a connection away, with a reason that its TLS library prints.
    pub(super) fn refuse(
        &self,
        socket: TcpStream,
        address: IpAddr,
        why: Refused,
        counters: &Counters,
    ) {
        counters.handle_refused(why);
        self.notices.refused(address, why);
        match why {
            // What it occupies is needed.
            Refused::Descriptors => refusal::refuse_at_once(&socket),
            _ => self.refusals.refuse(socket),
        }
    }

    /// Turns a connection away that is counted elsewhere.
    pub(super) fn turn_away(&self, socket: TcpStream) {
        self.refusals.refuse(socket);
    }

    /// Finds out whom a load balancer speaks for: a peer, or `None` for the balancer itself.
    pub(super) async fn introduce(
        &self,
        socket: &mut tokio::net::TcpStream,
        balancer: IpAddr,
        deadline: Instant,
        counters: &Counters,
    ) -> Result<Option<SocketAddr>, Proxied> {
        let header = proxy::read_header(socket, deadline).await;
        counters.handle_proxied(match header {
            Ok(Some(_)) => Proxied::Address,
            Ok(None) => Proxied::Local,
            Err(how) => how,
        });
        if let Err(how @ (Proxied::Malformed | Proxied::Late)) = header {
            self.notices.not_proxied(balancer, how);
        }
        Ok(header?.map(canonical))
    }

    /// A handshake came to nothing.
    pub(super) fn handle_failure(&self, address: IpAddr, why: Failure, error: &io::Error) {
        self.notices.no_handshake(address, why, error);
    }

    /// The listener has an error that is not a peer's.
    pub(super) fn handle_error(&self, error: &io::Error) {
        self.notices.cannot_accept(error);
    }

    /// Does what time asks for; once a second is enough.
    pub(super) fn sweep(&self) {
        self.rates.sweep();
        self.notices.sweep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::limits::Settings;
    use crate::room::Memory;
    use crate::session::Node;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
        let mut limits = Limits { connections_per_ip: 2, ..Limits::default() };
        change(&mut limits);
        limits
    }

    #[test]
    fn a_refused_connection_leaves_no_trace() {
        let (admission, counters) = (Admission::default(), Counters::default());
        let limits = limits(|l| l.accepts_per_second_per_ip = 1);
        let first = admission.enter(HERE, &limits, &counters).unwrap();
        let second = admission.enter(HERE, &limits, &counters).unwrap_err();
        assert_eq!(second, Refused::AcceptsPerSecondPerIp);
        drop(first);
        assert_eq!(Arc::strong_count(&admission.stays), 1, "nobody stays");
    }

    #[test]
    fn a_source_that_is_refused_takes_nothing_from_the_others() {
        let (admission, counters) = (Admission::default(), Counters::default());
        let limits = limits(|l| l.accepts_per_second = 3);
        let greedy: Vec<_> = (0..100).map(|_| admission.enter(HERE, &limits, &counters)).collect();
        assert_eq!(greedy.iter().filter(|entered| entered.is_ok()).count(), 2);
        let other = [192, 0, 2, 2].into();
        assert!(admission.enter(other, &limits, &counters).is_ok());
        let why = admission.enter(other, &limits, &counters).unwrap_err();
        assert_eq!(why, Refused::AcceptsPerSecond);
    }

    #[test]
    fn who_is_exempt_is_bounded_in_all_alone() {
        let (admission, counters) = (Admission::default(), Counters::default());
        let limits = limits(|l| {
            l.accepts_per_second = 5;
            l.exempt = vec!["192.0.2.0/24".parse().unwrap()];
        });
        let entered: Vec<_> = (0..9).map(|_| admission.enter(HERE, &limits, &counters)).collect();
        assert!(entered[..5].iter().all(|one| matches!(one, Ok(None))));
        assert!(entered[5..].iter().all(|one| matches!(one, Err(Refused::AcceptsPerSecond))));
    }

    #[test]
    fn on_trial_everybody_comes_in_and_is_counted() {
        let node = Node::new(NodeId::new(1), Settings::default(), 1, Box::new(Memory));
        let (admission, counters) = (Admission::default(), node.counters());
        let trial = limits(|l| l.dry_run = true);
        let entered: Vec<_> = (0..5).map(|_| admission.enter(HERE, &trial, counters)).collect();
        assert!(entered.iter().all(|one| matches!(one, Ok(Some(_)))));
        let why = Refused::ALL.iter().position(|&each| each == Refused::ConnectionsPerIp).unwrap();
        let tally = node.tally();
        assert_eq!((tally.would_refuse[why], tally.would_refuse.iter().sum::<u64>()), (3, 3));
        assert_eq!(tally.refused, [0; Refused::ALL.len()]);
        // In earnest they count, too.
        assert!(admission.enter(HERE, &limits(|_| {}), counters).is_err());
    }
}
