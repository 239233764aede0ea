//! Asks the admin listener for everything that is shown.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use hyper::Method;
use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::sample::{Metrics, Sample};
use crate::admin::client::Client;
use crate::exit::{Exit, Failure};

/// Connections and rooms that are asked for, at most: a page of the listener's.
const MOST: usize = 1000;

/// Asks once.
///
/// # Errors
///
/// Returns a failure if the server cannot be asked, or answers what is none of ours.
pub(super) async fn ask(server: &Client) -> Result<Sample, Failure> {
    let connections = format!("/v1/connections?limit={MOST}");
    let rooms = format!("/v1/rooms?limit={MOST}");
    let get =
        async |path: &str| Ok::<_, Failure>(server.ask(Method::GET, path).await?.good()?.body);
    let (metrics, connections, rooms) =
        tokio::try_join!(get("/metrics"), get(&connections), get(&rooms))?;
    Ok(Sample {
        at: Instant::now(),
        wall_ms: wall_ms(),
        metrics: Metrics::parse(&String::from_utf8_lossy(&metrics)),
        connections: read(&connections)?,
        rooms: read(&rooms)?,
    })
}

/// Asks again and again, and never twice at once, until nobody wants to know.
pub(super) async fn watch(
    server: Client,
    every: Duration,
    door: mpsc::Sender<Result<Sample, Failure>>,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first one is at once, and was asked for before.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if door.send(ask(&server).await).await.is_err() {
            return;
        }
    }
}

fn read<T: DeserializeOwned>(json: &Bytes) -> Result<T, Failure> {
    let read = serde_json::from_slice(json)
        .context("what answers is no admin listener of this version of tagwire");
    read.map_err(|error| Failure::new(Exit::Protocol, error))
}

#[expect(clippy::disallowed_methods, reason = "times of others are on the clock on the wall")]
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
