//! What the log says of each connection: a line when it begins to be served and one when it has ended.
//!
//! Names that peers chose are escaped, also where a terminal or a reader of lines would not expect it, and
//! payloads are never shown.

use std::net::SocketAddr;

use crate::peer::{PeerInfo, Report};
use crate::session::Closed;
use crate::tls::PeerTls;
use crate::wire::Code;

/// A peer has said what it speaks and is served.
pub(super) fn opened(session: &str, peer: &PeerInfo, user: &str) {
    let tls = peer.tls.as_ref();
    tracing::info!(
        session,
        peer = %peer.address,
        tls = tls.map_or("none", |tls| tls.version),
        key_exchange = tls.map_or("none", |tls| tls.key_exchange),
        alpn = tls.and_then(|tls| tls.alpn).map_or("none", |alpn| alpn.as_str()),
        protocol = peer.speaks.as_str(),
        user = %user.escape_debug(),
        "open"
    );
}

/// An HTTP request was answered, and with it all that the connection was for.
pub(super) fn answered(peer: SocketAddr, tls: Option<PeerTls>, why: Closed) {
    let version = tls.map_or("none", |tls| tls.version);
    tracing::info!(%peer, tls = version, protocol = "http", reason = why.as_str(), "close");
}

/// A peer is served no more. `code` is what it was told, if something was wrong.
pub(super) fn closed(report: &Report, why: Closed, code: Option<Code>) {
    let lag = report.rooms.iter().filter_map(|seated| seated.lag.as_ref());
    // Who said no `hello` has the name under which it joined.
    let user = report.rooms.first().map_or(&report.user_id, |seated| &seated.user_id);
    tracing::info!(
        session = report.session.as_str(),
        peer = %report.info.address,
        user = %user.as_str().escape_debug(),
        reason = why.as_str(),
        code = code.map_or("none", Code::as_str),
        seconds = report.uptime.as_secs_f64(),
        bytes_in = report.traffic.bytes_in,
        bytes_out = report.traffic.bytes_out,
        lag_records = lag.clone().map(|lag| lag.records).sum::<u64>(),
        lag_bytes = lag.map(|lag| lag.bytes).sum::<u64>(),
        "close"
    );
}
