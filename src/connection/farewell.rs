//! Goodbye in order: `close_notify`, FIN, and a moment of reading, so that what was said last is not
//! lost to a reset (docs/protocol.md, section 1).

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::timeout;

use crate::connection::Transport;
use crate::session::Closed;

/// How long what still arrives is thrown away, and how much of it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;

/// Ends a transport in order; `within` bounds a peer that does not take our goodbye.
pub async fn farewell(mut transport: impl Transport, why: Closed, within: Duration) {
    if why == Closed::Broken {
        return;
    }
    transport.say_goodbye();
    let finished = timeout(within, poll_fn(|cx| transport.poll_finish(cx))).await;
    if !matches!(finished, Ok(Ok(()))) || matches!(why, Closed::ByPeer | Closed::Truncated) {
        return;
    }
    let discard = async {
        let mut scratch = vec![0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match poll_fn(|cx| transport.poll_discard(cx, &mut scratch)).await {
                Ok(0) | Err(_) => break,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    };
    let _ = timeout(LINGER, discard).await;
}
