//! What a person can try next, printed to standard error once the server listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Commands that reach a server at `addr`; without `ca`, those that need no file of ours.
pub(crate) fn hints(addr: SocketAddr, ca: Option<&Path>) -> String {
    let connect = format!("openssl s_client -quiet -connect {}{}", reachable(addr), trust(ca));
    format!(
        "to talk to it from another terminal:\n\
         \x20 {connect}\n\
         and type\n\
         \x20 /join lobby ann\n\
         or, as a frame:\n\
         \x20 printf '\\x02\\x00\\x00\\x00\\x05hello' | {connect}\n"
    )
}

/// An address that one can connect to: a server on all addresses is also on loopback.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

fn trust(ca: Option<&Path>) -> String {
    ca.map_or_else(String::new, |ca| {
        format!(" -CAfile {}", shell_words::quote(&ca.to_string_lossy()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hinted(addr: &str, ca: Option<&str>) -> String {
        hints(addr.parse().unwrap(), ca.map(Path::new))
    }

    #[test]
    fn the_frame_is_the_protocols_own_example() {
        let line = r"  printf '\x02\x00\x00\x00\x05hello' | openssl s_client -quiet -connect 127.0.0.1:4433 -CAfile certs/ca.pem";
        let text = hinted("127.0.0.1:4433", Some("certs/ca.pem"));
        assert!(text.lines().any(|l| l == line), "{text}");
        assert!(text.contains("\n  /join lobby ann\n"));
    }

    #[test]
    fn one_can_connect_to_what_is_printed() {
        assert!(hinted("0.0.0.0:1", None).contains("-connect 127.0.0.1:1\n"));
        assert!(hinted("[::]:1", None).contains("-connect [::1]:1\n"));
        assert!(hinted("[2001:db8::1]:1", None).contains("-connect [2001:db8::1]:1\n"));
        assert!(hinted("[::1]:1", Some("my certs/ca.pem")).contains("-CAfile 'my certs/ca.pem'\n"));
    }
}
