//! Asking connections how they are. Each answers by its own task, when it next gets to its mail: who asks
//! waits, and nobody else.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout_at;

use crate::id::{ConnectionId, RoomName, SessionId, UserId};
use crate::limits::LIST_ENTRIES;
use crate::peer::{Lag, Mail, Mailbox, Report};
use crate::server::shared::Shared;
use crate::sync::now;

/// How long an answer is waited for. A worker that is busy for longer is a fact of its own.
const WITHIN: Duration = Duration::from_secs(1);

/// A page of connections.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    /// How each is that answered, in the order in which they came.
    pub reports: Vec<Report>,
    /// How many did not answer in time.
    pub silent: usize,
    /// The last that was asked, if there are more behind it.
    pub next: Option<SessionId>,
}

/// A page of a room's members.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// Members by name.
    pub members: Vec<MemberReport>,
    /// Whether there are more.
    pub more: bool,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberReport {
    /// Its name there.
    pub user_id: UserId,
    /// Its connection.
    pub session: SessionId,
    /// How far it is behind; `None` if it hears nothing, or did not answer in time.
    pub lag: Option<Lag>,
}

/// Asks the next connections after `after` how they are, `limit` at most.
pub(super) async fn connections(
    shared: &Shared,
    after: Option<ConnectionId>,
    limit: usize,
) -> Connections {
    let limit = limit.clamp(1, LIST_ENTRIES);
    let mut peers = shared.guests.after(after.unwrap_or(ConnectionId(0)));
    peers.sort_unstable_by_key(|mailbox| mailbox.id());
    let more = peers.len() > limit;
    peers.truncate(limit);
    let next = peers.last().filter(|_| more).map(|mailbox| mailbox.session().clone());
    let reports = ask(&peers).await;
    // Who has ended meanwhile is not silent.
    let gone = peers.iter().filter(|mailbox| mailbox.is_closed()).count();
    let silent = peers.len().saturating_sub(reports.len() + gone);
    Connections { reports, silent, next }
}

/// Asks a page of a room's members how far they are behind; `None` if there is no such room.
pub(super) async fn members(
    shared: &Shared,
    room: &str,
    after: Option<&str>,
    limit: usize,
) -> Option<Members> {
    let room = shared.node.rooms().get(room)?;
    let (page, more) = room.everyone(after, limit.clamp(1, LIST_ENTRIES));
    let peers = {
        let sessions: HashSet<_> = page.iter().map(|(_, session)| session).collect();
        let mut peers = shared.guests.after(ConnectionId(0));
        peers.retain(|mailbox| sessions.contains(mailbox.session()));
        peers
    };
    let reports = ask(&peers).await;
    let lag = |session: &SessionId| lag_in(&reports, session, room.name());
    let members = page.into_iter().map(|(user_id, session)| {
        let lag = lag(&session);
        MemberReport { user_id, session, lag }
    });
    Some(Members { members: members.collect(), more })
}

/// What a session reported of its place in a room.
fn lag_in(reports: &[Report], session: &SessionId, room: &RoomName) -> Option<Lag> {
    let report = reports.iter().find(|report| report.session == *session)?;
    report.rooms.iter().find(|seated| seated.room == *room)?.lag
}

/// What those connections answer, in their order.
async fn ask(peers: &[Arc<Mailbox>]) -> Vec<Report> {
    let (asker, mut answers) = mpsc::unbounded_channel();
    for mailbox in peers {
        mailbox.post(Mail::Report(asker.clone()));
    }
    // Who has ended drops its letter: when all others have answered, nobody is waited for.
    drop(asker);
    let deadline = now() + WITHIN;
    let mut reports = Vec::with_capacity(peers.len());
    while let Ok(Some(report)) = timeout_at(deadline, answers.recv()).await {
        reports.push(report);
    }
    reports.sort_unstable_by_key(|report| report.session.connection());
    reports
}
