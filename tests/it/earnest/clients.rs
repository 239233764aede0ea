//! Those who behave: they publish, read, ping and answer pings, and measure how long everything takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::support::{Binary, Heard, RawPeer, data, ping, pong};

const BODY: usize = 1 << 10;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// From publish to delivery, in the busy room.
    Busy,
    /// The same in the others.
    Calm,
    /// From ping to pong.
    Heartbeat,
}

/// What the clients share: the clock, and the window that counts now; 0 for none.
struct Watch {
    start: Instant,
    window: AtomicUsize,
}

impl Watch {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap()
    }

    /// How long ago that was which these bytes say.
    fn since(&self, bytes: &[u8]) -> Duration {
        let then = u64::from_be_bytes(bytes[..8].try_into().unwrap());
        Duration::from_nanos(self.now() - then)
    }
}

type Sample = (usize, Kind, Duration);

/// Clients in rooms of 20, or all in one: one room is busy, in which each publishes five times a second; in
/// the others each does once.
pub(super) struct Clients {
    watch: Arc<Watch>,
    stop: watch::Sender<bool>,
    all: JoinSet<Vec<Sample>>,
}

impl Clients {
    pub(super) async fn start(server: &Binary, count: usize) -> Self {
        let watch = Arc::new(Watch { start: Instant::now(), window: AtomicUsize::new(0) });
        let (stop, stopped) = watch::channel(false);
        let mut peers = Vec::new();
        for number in 0..count {
            let room = if number < 20 { "busy".into() } else { format!("calm-{}", number / 20) };
            let mut peer = server.peer().await;
            peer.join_for_messages(&room, &number.to_string()).await;
            peers.push(peer);
        }
        let mut all = JoinSet::new();
        for (number, peer) in peers.into_iter().enumerate() {
            let kind = if number < 20 { Kind::Busy } else { Kind::Calm };
            all.spawn(work(peer, number, kind, watch.clone(), stopped.clone()));
        }
        Self { watch, stop, all }
    }

    /// Counts what happens from now on in windows of this length, the first of them with this number.
    pub(super) async fn measure(&self, first: usize, count: usize, length: Duration) {
        for window in first..first + count {
            self.watch.window.store(window, Ordering::Relaxed);
            sleep(length).await;
        }
        self.watch.window.store(0, Ordering::Relaxed);
    }

    /// Ends; everybody must have heard everything.
    pub(super) async fn end(mut self) -> Measured {
        self.stop.send_replace(true);
        let mut samples = Vec::new();
        while let Some(of_one) = self.all.join_next().await {
            samples.extend(of_one.unwrap());
        }
        Measured(samples)
    }
}

/// What they measured.
pub(super) struct Measured(Vec<Sample>);

impl Measured {
    /// The p99 of each of these windows.
    pub(super) fn p99(&self, kind: Kind, windows: std::ops::Range<usize>) -> Vec<Duration> {
        let of = |window| {
            let of = self.0.iter().filter(|sample| (sample.0, sample.1) == (window, kind));
            let mut times: Vec<_> = of.map(|sample| sample.2).collect();
            times.sort();
            assert!(!times.is_empty(), "nothing was measured of {kind:?} in window {window}");
            times[times.len() * 99 / 100]
        };
        windows.map(of).collect()
    }
}

async fn work(
    mut peer: RawPeer,
    number: usize,
    kind: Kind,
    watch: Arc<Watch>,
    mut stopped: watch::Receiver<bool>,
) -> Vec<Sample> {
    let every = Duration::from_millis(if kind == Kind::Busy { 200 } else { 1000 });
    // Not all at once.
    sleep(every * u32::try_from(number % 20).unwrap() / 20).await;
    let (mut publish, mut beat) = (interval(every), interval(Duration::from_millis(500)));
    let (mut heard, mut samples, mut pongs) = (Heard::default(), Vec::new(), Vec::new());
    loop {
        let send = tokio::select! {
            _ = stopped.wait_for(|&stopped| stopped) => break,
            _ = publish.tick() => {
                let mut body = vec![7; BODY];
                body[..8].copy_from_slice(&watch.now().to_be_bytes());
                data(body)
            }
            _ = beat.tick() => ping(watch.now().to_be_bytes()),
            () = peer.read_each(|tag, payload| {
                let took = match (tag, payload) {
                    (0x03, [0, opaque @ ..]) => return pongs.extend(pong(opaque)),
                    (0x03, [1, opaque @ ..]) => (Kind::Heartbeat, watch.since(opaque)),
                    _ => match heard.handle(tag, payload) {
                        Some(body) => (kind, watch.since(body)),
                        None => return,
                    },
                };
                let window = watch.window.load(Ordering::Relaxed);
                if window > 0 {
                    samples.push((window, took.0, took.1));
                }
            }) => std::mem::take(&mut pongs),
        };
        if !send.is_empty() {
            peer.send(send).await;
        }
    }
    assert_eq!(heard.gaps, 0, "who reads misses nothing");
    samples
}
