//! The PROXY protocol, versions 1 and 2: what a load balancer says before the peer's own bytes.
//! <https://www.haproxy.org/download/3.1/doc/proxy-protocol.txt>

use std::io;
use std::net::SocketAddr;

use ppp::{v1, v2};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::session::Proxied;

/// Bytes of a header of version 2: room for addresses and for what balancers add to them.
const V2_BYTES: usize = 536;
/// The part of it that tells its length.
const V2_FIXED: usize = 16;
/// Bytes of a header of version 1, its end of line included.
const V1_BYTES: usize = 107;

/// Takes a PROXY header off the front of a connection and nothing more: whom the balancer speaks for, or
/// `None` if it speaks for itself.
pub(super) async fn read_header(
    socket: &mut TcpStream,
    deadline: Instant,
) -> Result<Option<SocketAddr>, Proxied> {
    match timeout_at(deadline, read(socket)).await {
        Err(_) => Err(Proxied::Late),
        // A balancer that looks whether somebody is there may well reset the connection.
        Ok(Err(_)) => Err(Proxied::Absent),
        Ok(Ok(read)) => read,
    }
}

/// Looks at what is there, and takes it only as far as the header goes.
async fn read(socket: &mut TcpStream) -> io::Result<Result<Option<SocketAddr>, Proxied>> {
    let mut buffer = [0; V2_BYTES];
    let mut held = 0;
    loop {
        let seen = held + socket.peek(buffer.get_mut(held..).unwrap_or_default()).await?;
        if seen == held {
            let how = if held == 0 { Proxied::Absent } else { Proxied::Malformed };
            return Ok(Err(how));
        }
        let Ok(length) = length(buffer.get(..seen).unwrap_or_default()) else {
            return Ok(Err(Proxied::Malformed));
        };
        let whole = length.filter(|&length| length <= seen);
        let take = whole.unwrap_or(seen);
        socket.read_exact(buffer.get_mut(held..take).unwrap_or_default()).await?;
        held = take;
        if whole.is_some() {
            let header = buffer.get(..held).unwrap_or_default();
            return Ok(parse(header).map_err(|Malformed| Proxied::Malformed));
        }
    }
}

/// Not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

/// The length of the header that begins so, or `None` if more must be seen to know.
fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    if begins(bytes, v2::PROTOCOL_PREFIX) {
        let Some(&[.., high, low]) = bytes.first_chunk::<V2_FIXED>() else { return Ok(None) };
        let length = V2_FIXED + usize::from(u16::from_be_bytes([high, low]));
        return if length <= V2_BYTES { Ok(Some(length)) } else { Err(Malformed) };
    }
    if !begins(bytes, v1::PROTOCOL_PREFIX.as_bytes()) {
        return Err(Malformed);
    }
    let line = bytes.get(..V1_BYTES).unwrap_or(bytes);
    match line.windows(2).position(|end| end == v1::PROTOCOL_SUFFIX.as_bytes()) {
        Some(end) => Ok(Some(end + v1::PROTOCOL_SUFFIX.len())),
        None if bytes.len() < V1_BYTES => Ok(None),
        None => Err(Malformed),
    }
}

/// Whether the bytes begin with this, as far as there are any.
fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(is, should)| is == should)
}

/// The address in a whole header; `None` if it has none, or is the balancer's own.
///
/// The header is whole: the parser's «incomplete» is wrong for good here.
fn parse(header: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    if !header.starts_with(v2::PROTOCOL_PREFIX) {
        let header = v1::Header::try_from(header).map_err(|_| Malformed)?;
        return Ok(match header.addresses {
            v1::Addresses::Unknown => None,
            v1::Addresses::Tcp4(of) => Some((of.source_address, of.source_port).into()),
            v1::Addresses::Tcp6(of) => Some((of.source_address, of.source_port).into()),
        });
    }
    let header = v2::Header::try_from(header).map_err(|_| Malformed)?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(of)) => {
            Some((of.source_address, of.source_port).into())
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(of)) => {
            Some((of.source_address, of.source_port).into())
        }
        (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header's length and address, seen byte by byte with something behind it.
    fn read_all(header: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
        let bytes = [header, b"\x16\x03\x01"].concat();
        for seen in 0..=bytes.len() {
            if let Some(length) = length(&bytes[..seen])? {
                let whole = bytes.get(..length).ok_or(Malformed)?;
                assert_eq!(whole, header, "no byte more, and none less");
                return parse(whole);
            }
        }
        panic!("no end: {header:?}");
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, body].concat()
    }

    fn address(text: &str) -> Result<Option<SocketAddr>, Malformed> {
        Ok(Some(text.parse().unwrap()))
    }

    #[test]
    fn version_1_is_a_line() {
        let of = |line: &str| read_all(line.as_bytes());
        assert_eq!(of("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), address("192.0.2.1:1"));
        assert_eq!(of("PROXY TCP6 2001:db8::1 ::1 65535 2\r\n"), address("[2001:db8::1]:65535"));
        assert_eq!(of("PROXY UNKNOWN\r\n"), Ok(None));
        assert_eq!(of("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Ok(None));
        for bad in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
            "PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.\u{661} 192.0.2.2 1 2\r\n",
            "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        ] {
            assert_eq!(of(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn version_2_tells_its_length() {
        let v4 = [192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2];
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        v6[15] = 1;
        v6[33] = 7;
        assert_eq!(read_all(&v2(0x21, 0x11, &v4)), address("192.0.2.1:1"));
        assert_eq!(read_all(&v2(0x21, 0x21, &v6)), address("[2001:db8::1]:7"));
        // What balancers add is passed over, as much of it as there is room for.
        let more = [&v4[..], &[4, 2, 0], &[4, 0, 5, 1, 2, 3, 4, 5]].concat();
        assert_eq!(read_all(&v2(0x21, 0x11, &more)), address("192.0.2.1:1"));
        let most = [&v4[..], &[4; V2_BYTES - V2_FIXED - 12]].concat();
        assert_eq!(read_all(&v2(0x21, 0x11, &most)), address("192.0.2.1:1"));
        for own in
            [v2(0x20, 0x11, &v4), v2(0x20, 0, &[]), v2(0x21, 0, &[]), v2(0x21, 0x31, &[0; 216])]
        {
            assert_eq!(read_all(&own), Ok(None), "{own:?}");
        }
        for bad in [
            v2(0x11, 0x11, &v4),
            v2(0x22, 0x11, &v4),
            v2(0x21, 0x41, &v4),
            v2(0x21, 0x13, &v4),
            v2(0x21, 0x11, &v4[..11]),
            v2(0x21, 0x21, &v4),
            v2(0x21, 0x11, &[&most[..], &[0]].concat()),
            v2(0x21, 0x11, &[0; 65_535]),
        ] {
            assert_eq!(read_all(&bad), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn what_is_none_is_seen_at_its_first_wrong_byte() {
        for bad in [&b"\x16"[..], b"\0", b"G", b"PROXX", b"\r\n\r\n\0\r\nQUIX", b"\r\n\r\nP"] {
            assert_eq!(length(bad), Err(Malformed), "{bad:?}");
            assert_eq!(length(&bad[..bad.len() - 1]), Ok(None), "{bad:?}");
        }
        let long = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
        assert_eq!(length(&long[..V1_BYTES]), Err(Malformed));
        assert_eq!(length(&long[..V1_BYTES - 1]), Ok(None));
    }
}
