//! What tests from outside need: a server, the real binary, and peers that speak bytes, also badly.
//!
//! ```text
//! server  the library's server on a free port, with certificates of its own
//! binary  `tagwire serve` as a process, its signals and its memory
//! peer    a TLS peer that sends what it is told and expects frames
//! plain   the same below TLS: plain TCP, and a ClientHello made by hand
//! bytes   frames and requests as bytes
//! http    HTTP by hand, and metrics read strictly
//! measure what many peers are brought, and threads that give way
//! ```

#[cfg(feature = "cli")]
mod binary;
mod bytes;
#[cfg(feature = "cli")]
pub(crate) mod http;
#[cfg(feature = "cli")]
mod measure;
mod peer;
mod plain;
mod server;

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

#[cfg(feature = "cli")]
pub(crate) use binary::Binary;
pub(crate) use bytes::{Frame, body, call, control, data, frame, ping, pong, publish};
#[cfg(feature = "cli")]
pub(crate) use measure::{Aside, Heard, median};
pub(crate) use peer::{Connect, End, RawPeer};
pub(crate) use plain::{ACCESS_DENIED, ClientHello, PlainPeer, read_to_end};
pub(crate) use server::TestServer;
#[cfg(feature = "cli")]
pub(crate) use server::client_config;

/// How long anything may take that should happen at once: long, because test machines are busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How long nothing must happen for a test to believe that nothing does.
pub(crate) const QUIET: Duration = Duration::from_millis(300);

/// Waits until something is so that no event tells of, such as a counter or a process' memory.
pub(crate) async fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    eventually_within(DEADLINE, what, is_so).await;
}

/// The same for what takes its time.
pub(crate) async fn eventually_within(
    within: Duration,
    what: &str,
    mut is_so: impl FnMut() -> bool,
) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < within, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// One at a time: tests with hundreds of connections, or that measure memory or time.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let guard = ALONE.lock().await;
    raise_open_files();
    guard
}

/// Asks for as many descriptors as this process may have; as it is if that fails.
fn raise_open_files() {
    let pid = std::process::id().to_string();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let Some(hard) = line.and_then(|line| line.split_whitespace().nth(4)) else { return };
    let _ = std::process::Command::new("prlimit")
        .args(["--pid", &pid, &format!("--nofile={hard}:{hard}")])
        .status();
}
