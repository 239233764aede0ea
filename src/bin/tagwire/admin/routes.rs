//! What can be asked for: over TCP what reads, on the Unix socket also what acts.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Json, Router};
use hyper::StatusCode;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use tagwire::id::SessionId;
use tagwire::server::Handle;

use super::Watched;
use super::problem::Problem;
use super::tap::{self, Taps};
use super::{lists, metrics};

/// Entries of a page unless somebody says otherwise.
const PAGE: usize = 100;

/// A page of a list: at most `limit` entries, those behind `after`.
#[derive(Debug, Deserialize)]
struct Page {
    limit: Option<usize>,
    after: Option<String>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE)
    }
}

type Asked = Result<Query<Page>, QueryRejection>;

/// What reads, and never acts nor shows what somebody said.
pub(super) fn reading(watched: &Watched) -> Router {
    let elsewhere = async || {
        let detail = "what acts or shows payloads is on the Unix socket alone (admin.socket)";
        Problem::new(StatusCode::FORBIDDEN, detail)
    };
    let acts = ["/v1/drain", "/v1/connections/{session}/kick", "/v1/tap"];
    let routes = acts.into_iter().fold(reads(), |routes, path| routes.route(path, any(elsewhere)));
    finish(routes, watched)
}

/// Everything: for who may open the Unix socket.
pub(super) fn acting(watched: &Watched) -> Router {
    let acts = Router::new()
        .route("/v1/drain", post(drain))
        .route("/v1/connections/{session}/kick", post(kick))
        .route("/v1/tap", get(tap::tap).layer(Extension(Taps::default())));
    finish(reads().merge(acts), watched)
}

fn reads() -> Router<Watched> {
    Router::new()
        .route("/metrics", get(expose))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/version", get(version))
        .route("/v1/connections", get(connections))
        .route("/v1/rooms", get(rooms))
        .route("/v1/rooms/{room}/members", get(members))
}

fn finish(routes: Router<Watched>, watched: &Watched) -> Router {
    let missing = async || Problem::new(StatusCode::NOT_FOUND, "nothing is at this path");
    let wrong = async || {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path is asked with another method")
    };
    let routes = routes.fallback(missing).method_not_allowed_fallback(wrong);
    routes.layer(axum::middleware::map_response(harmless)).with_state(watched.clone())
}

/// What is shown is of this moment, and is what it says that it is.
async fn harmless(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

async fn expose(State(watched): State<Watched>, headers: HeaderMap) -> Result<Response, Problem> {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = metrics::Format::choose(accept);
    let text = metrics::expose(&watched, format)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static(format.content_type()))], text).into_response())
}

/// Whether somebody new should be sent here.
async fn ready(State(handle): State<Handle>) -> Result<&'static str, Problem> {
    match handle.is_draining() {
        false => Ok("ready\n"),
        true => {
            let detail = "draining: the server ends, and accepts nobody more";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
        }
    }
}

async fn version() -> Json<Value> {
    Json(json!({"name": "tagwire", "version": env!("CARGO_PKG_VERSION"), "protocol": "tagwire/1"}))
}

async fn connections(State(handle): State<Handle>, page: Asked) -> Result<Json<Value>, Problem> {
    let page = asked(page)?;
    let after = page.after.as_deref().map(|session| {
        SessionId::number(session).ok_or_else(|| Problem::bad("`after` wants a session's name"))
    });
    let listed = handle.connections(after.transpose()?, page.limit()).await;
    Ok(Json(lists::connections(&listed)))
}

async fn rooms(State(handle): State<Handle>, page: Asked) -> Result<Json<Value>, Problem> {
    let page = asked(page)?;
    let (rooms, more) = handle.list_rooms(page.after.as_deref(), page.limit());
    Ok(Json(lists::rooms(&rooms, more)))
}

async fn members(
    State(handle): State<Handle>,
    Path(room): Path<String>,
    page: Asked,
) -> Result<Json<Value>, Problem> {
    let page = asked(page)?;
    let listed = handle.members(&room, page.after.as_deref(), page.limit()).await;
    let members =
        listed.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such room"))?;
    Ok(Json(lists::members(&room, &members)))
}

fn asked(page: Asked) -> Result<Page, Problem> {
    page.map(|Query(page)| page).map_err(|error| Problem::bad(error.body_text()))
}

async fn drain(State(handle): State<Handle>) -> impl IntoResponse {
    tracing::info!("asked to drain, on the admin socket");
    handle.shut_down();
    (StatusCode::ACCEPTED, Json(json!({"draining": true})))
}

async fn kick(
    State(handle): State<Handle>,
    Path(session): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    if !handle.kick(&session) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no connection has that session"));
    }
    tracing::info!(session, "kicked, on the admin socket");
    Ok((StatusCode::ACCEPTED, Json(json!({"kicked": session}))))
}
