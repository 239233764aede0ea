//! HTTP on the same port: for now, an answer that says so.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a request's head may take, and how large it may be.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
const HEAD_BYTES: usize = 8 << 10;
/// How long what still arrives is thrown away, and how much of it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;

/// Answers one request with a status that says what to do instead, and closes.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let head = timeout(HEAD_WITHIN, read_head(&mut stream)).await;
    let (status, title, detail) = judge(head.as_deref().unwrap_or_default());
    let body = format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"{detail}\"}}\n"
    );
    let answer = format!(
        "HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let farewell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut scratch = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut scratch).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    let _ = timeout(LINGER, farewell).await;
}

/// Reads up to the empty line that ends a request's head, or as much as one may have.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while head.len() < HEAD_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(read @ 1..) => head.extend_from_slice(part.get(..read).unwrap_or_default()),
            Ok(0) | Err(_) => break,
        }
        // What is no request line needs no empty line to be refused.
        if head.contains(&b'\n') && judge(&head).0 == 400 {
            break;
        }
    }
    head
}

/// The answer to a request line (RFC 9112, section 3).
fn judge(head: &[u8]) -> (u16, &'static str, &'static str) {
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or_default();
    let mut words = line.split(|&b| b == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let is_three = words.next().is_none();
    let is_method = method.is_some_and(|m| !m.is_empty() && m.iter().all(u8::is_ascii_uppercase));
    let is_target = target.is_some_and(|target| !target.is_empty());
    match version {
        Some(b"HTTP/1.1" | b"HTTP/1.0") if is_method && is_target && is_three => (
            501,
            "Not Implemented",
            "this server does not speak HTTP yet: connect with ALPN tagwire/1 and frames, or without ALPN and lines of text (docs/protocol.md)",
        ),
        Some(version) if is_method && is_three && version.starts_with(b"HTTP/") => {
            (505, "HTTP Version Not Supported", "HTTP/1.1 is the version of this port")
        }
        _ => (400, "Bad Request", "the request line is not one of HTTP/1.1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        assert_eq!(judge(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").0, 501);
        assert_eq!(judge(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").0, 505);
        assert_eq!(judge(b"\x01\0\0\0\x02{}").0, 400);
        assert_eq!(judge(b"GET /\r\n").0, 400);
        assert_eq!(judge(b"GET / HTTP/1.1 x\r\n").0, 400);
        assert_eq!(judge(b"").0, 400);
    }
}
