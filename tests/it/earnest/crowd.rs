//! Those who are a burden: peers that come one after the other, are thrown out sooner or later, and come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::support::{Aside, Binary, Connect, PlainPeer, control, eventually_within, ping};

/// What each of them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Burden {
    /// Makes its handshake and never speaks.
    Silent,
    /// Sends its ClientHello at a byte a second.
    Slow,
    /// Joins the room `busy` and reads nothing, but lives.
    Stopped,
}

/// So many of them, on a thread of their own.
pub(super) struct Crowd {
    burden: Burden,
    count: usize,
    present: Arc<AtomicUsize>,
    /// How often one was thrown out and came back.
    pub(super) returns: Arc<AtomicUsize>,
    _thread: Aside,
}

impl Crowd {
    /// They come at a steady pace, so that those who are thrown out in time come back at one.
    pub(super) async fn gather(
        server: &Binary,
        burden: Burden,
        count: usize,
        pace: Duration,
    ) -> Self {
        let present = Arc::new(AtomicUsize::new(0));
        let returns = Arc::new(AtomicUsize::new(0));
        let (address, client) = (server.address, server.client.clone());
        let counts = (present.clone(), returns.clone());
        let thread = Aside::run(move || come(address, client, burden, count, pace, counts));
        let crowd = Self { burden, count, present, returns, _thread: thread };
        let within = pace * u32::try_from(count).unwrap() + Duration::from_secs(60);
        eventually_within(within, &format!("{burden:?} ones are all there"), || crowd.is_there())
            .await;
        crowd
    }

    /// Whether as many as there should be are there, but for a few that are just coming back.
    pub(super) fn is_there(&self) -> bool {
        let least = self.count - self.count / 20;
        self.present.load(Ordering::Relaxed) >= least
    }
}

impl std::fmt::Debug for Crowd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [present, returns] = [&self.present, &self.returns].map(|n| n.load(Ordering::Relaxed));
        write!(f, "{:?}: {present} of {}, {returns} returns", self.burden, self.count)
    }
}

async fn come(
    address: SocketAddr,
    client: Arc<ClientConfig>,
    burden: Burden,
    count: usize,
    pace: Duration,
    (present, returns): (Arc<AtomicUsize>, Arc<AtomicUsize>),
) {
    let mut all = JoinSet::new();
    let mut tick = interval(pace);
    for number in 0..count {
        tick.tick().await;
        let (client, present, returns) = (client.clone(), present.clone(), returns.clone());
        all.spawn(async move {
            loop {
                visit(address, &client, burden, number, &present).await;
                returns.fetch_add(1, Ordering::Relaxed);
                // Where the server refuses everybody, this is no loop without end.
                sleep(pace).await;
            }
        });
    }
    while all.join_next().await.is_some() {}
}

/// One stay, until the server has had enough.
async fn visit(
    address: SocketAddr,
    client: &Arc<ClientConfig>,
    burden: Burden,
    number: usize,
    present: &AtomicUsize,
) {
    // One address has too few ports for all tests of a run.
    let source = [127, 0, 1, (number / 2000) as u8 + 1];
    let connect = Connect::to(address, client).source(source);
    match burden {
        Burden::Silent => {
            let Ok(mut peer) = connect.try_open().await else { return };
            present.fetch_add(1, Ordering::Relaxed);
            peer.stay_silent().await;
        }
        Burden::Slow => {
            let peer = PlainPeer::connect_from(source, address).await;
            present.fetch_add(1, Ordering::Relaxed);
            peer.drip(Duration::from_secs(1)).await;
        }
        Burden::Stopped => {
            let Ok(mut peer) = connect.small_buffer().try_open().await else { return };
            let join = json!({"op": "join", "room_id": "busy", "deliver": "message"});
            present.fetch_add(1, Ordering::Relaxed);
            let mut said = peer.try_send(&control(join)).await;
            while said.is_ok() {
                sleep(Duration::from_secs(3)).await;
                said = peer.try_send(&ping("")).await;
            }
        }
    }
    present.fetch_sub(1, Ordering::Relaxed);
}
