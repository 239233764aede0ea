//! `/v1/tap`: frames as they come and go, a JSON object a line (`crate::tap`). It shows what people say,
//! and so is for the Unix socket alone.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use tagwire::id::{ConnectionId, RoomName, SessionId};
use tagwire::server::Handle;
use tagwire::session::{Tap, TapFilter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::listen::Conversation;
use super::problem::Problem;
use crate::tap::{Told, tag};

/// Taps at once: each looks at every frame, and has one of the listener's connections.
const TAPS: usize = 8;
/// How often is told how many frames were not shown.
const COUNT: Duration = Duration::from_secs(1);

/// Places for taps.
#[derive(Clone, Debug)]
pub(super) struct Taps(Arc<Semaphore>);

impl Default for Taps {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TAPS)))
    }
}

/// Which frames to show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    session: Option<String>,
    room: Option<String>,
    tag: Option<String>,
    #[serde(default)]
    payload: bool,
    rate: Option<NonZeroU32>,
}

/// Shows frames until the asker goes away or the server has ended.
pub(super) async fn tap(
    State(handle): State<Handle>,
    Extension(Taps(taps)): Extension<Taps>,
    Extension(conversation): Extension<Conversation>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) = wanted.map_err(|error| Problem::bad(error.body_text()))?;
    let filter = filter(wanted)?;
    if let Some(session) = &filter.session
        && !is_there(&handle, session).await
    {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no connection has that session"));
    }
    let place = taps.try_acquire_owned().map_err(|_| {
        let detail = format!("{TAPS} others look at frames already, which is the most");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    tracing::info!(payload = filter.payload, "frames are shown on the admin socket");
    let mut ticks = interval(COUNT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (tap, stop) = (handle.tap(filter), conversation.go_on());
    let lines = unfold(Showing { tap, ticks, stop, _place: place }, async |mut showing| {
        let told = showing.next().await?;
        // What cannot be written is not told; there is no such thing.
        Some((Ok::<_, Infallible>(told.to_line().unwrap_or_default()), showing))
    });
    let json = HeaderValue::from_static("application/x-ndjson");
    Ok(([(CONTENT_TYPE, json)], Body::from_stream(lines)).into_response())
}

fn filter(wanted: Wanted) -> Result<TapFilter, Problem> {
    let room = wanted.room.map(|room| {
        RoomName::new(&room).ok_or_else(|| Problem::bad("`room` wants the name of a room"))
    });
    let tag = wanted.tag.map(|text| tag(&text));
    Ok(TapFilter {
        session: wanted.session,
        room: room.transpose()?,
        tag: tag.transpose().map_err(|error| Problem::bad(format!("`tag` {error}")))?,
        payload: wanted.payload,
        per_second: wanted.rate.unwrap_or_else(|| TapFilter::default().per_second),
    })
}

/// Whether a connection has that session. One that does not answer now may be it.
async fn is_there(handle: &Handle, session: &str) -> bool {
    let Some(id) = SessionId::number(session) else { return false };
    let page = handle.connections(Some(ConnectionId(id.0.saturating_sub(1))), 1).await;
    page.silent > 0 || page.reports.iter().any(|report| report.session.as_str() == session)
}

/// A tap that is looked at. Dropping it, as when the asker is gone, ends it.
struct Showing {
    tap: Tap,
    ticks: Interval,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Showing {
    /// What is to be told next; `None` at the end.
    async fn next(&mut self) -> Option<Told> {
        loop {
            tokio::select! {
                biased;
                _ = self.ticks.tick() => {}
                frame = self.tap.next() => return Some(Told::Frame((&frame).into())),
                // What came before the end is told first.
                () = self.stop.cancelled() => return None,
            }
            if let missed @ 1.. = self.tap.take_missed() {
                return Some(Told::Missed { missed });
            }
        }
    }
}
