//! Who may ask over TCP. A page in a browser can have a name of its own lead to this machine (DNS
//! rebinding), and then reads what it likes; its `Host` gives it away.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{StatusCode, Uri};

use super::problem::Problem;

/// By which hosts one may ask.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    bound: IpAddr,
    names: Arc<[String]>,
}

impl Hosts {
    /// Those of a listener at that address: it, `localhost`, and `names`.
    pub(super) fn new(bound: IpAddr, names: Vec<String>) -> Self {
        Self { bound: bound.to_canonical(), names: names.into() }
    }

    /// Whether one may ask by this host; the port is none of its business.
    fn allow(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            // An address is no name that could lead elsewhere: any way that leads here will do.
            Ok(ip) => {
                let ip = ip.to_canonical();
                self.bound.is_unspecified()
                    || ip == self.bound
                    || (ip.is_loopback() && self.bound.is_loopback())
            }
            Err(_) => {
                let same = |name: &str| name.eq_ignore_ascii_case(host.trim_end_matches('.'));
                same("localhost") || self.names.iter().any(|name| same(name))
            }
        }
    }
}

/// Routes that answer only who asks by an allowed host.
pub(super) fn guarded(routes: Router, hosts: Hosts) -> Router {
    routes.layer(from_fn_with_state(hosts, check))
}

async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let authority = authority(request.uri(), &request);
    match authority {
        Some(authority) if hosts.allow(authority.host()) => next.run(request).await,
        _ => Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "ask by the address on which this listens, or as localhost; other names are to be given as \
             admin.hosts",
        )
        .into_response(),
    }
}

/// Whom the request is to: its target's authority, or its one `Host`.
fn authority(target: &Uri, request: &Request) -> Option<Authority> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()?.parse().ok());
    match (target.authority(), hosts.next()) {
        (_, Some(_)) => None,
        (Some(authority), None) => Some(authority.clone()),
        (None, None) => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(bound: &str, host: &str) -> bool {
        Hosts::new(bound.parse().unwrap(), vec!["metrics.example".to_owned()]).allow(host)
    }

    #[test]
    fn names_of_others_are_refused() {
        for bound in ["127.0.0.1", "::1", "0.0.0.0", "192.0.2.1"] {
            for good in ["localhost", "LOCALHOST", "localhost.", "metrics.example"] {
                assert!(allowed(bound, good), "{bound} {good}");
            }
            for bad in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
                assert!(!allowed(bound, bad), "{bound} {bad}");
            }
        }
    }

    #[test]
    fn addresses_are_those_that_lead_here() {
        assert!(allowed("127.0.0.1", "127.0.0.1") && allowed("127.0.0.1", "[::1]"));
        assert!(allowed("::ffff:127.0.0.1", "127.0.0.1"));
        assert!(!allowed("127.0.0.1", "192.0.2.1"));
        assert!(allowed("0.0.0.0", "192.0.2.1") && allowed("::", "[2001:db8::1]"));
        assert!(allowed("192.0.2.1", "192.0.2.1") && !allowed("192.0.2.1", "192.0.2.2"));
    }
}
