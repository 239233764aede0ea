//! Listeners, and connections of the admin listener: few, short, and bounded, whoever they are.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::socket::SocketFile;

/// Connections of one listener at once; the next one waits in the kernel.
const CONNECTIONS: usize = 64;
/// How long a request's head may take, and so how long a connection may be idle.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How large a head may be, its path included, and how many fields it may have.
const HEAD_BYTES: usize = 16 << 10;
const FIELDS: usize = 64;
/// How long a connection may last, so that one that reads no answer gives its place back.
const LIFE: Duration = Duration::from_secs(300);
/// A pause after an error of the listener, such as too many open files.
const BACK_OFF: Duration = Duration::from_millis(100);
/// How long answers that are under way may take once the server has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// A listener of either kind.
#[derive(Debug)]
pub(super) enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

type Stream = Either<TcpStream, UnixStream>;

impl Door {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Either::Left(stream)),
            Self::Unix(listener) => {
                listener.accept().await.map(|(stream, _)| Either::Right(stream))
            }
        }
    }
}

/// Listeners that are served; they end when this is stopped or dropped.
#[derive(Debug, Default)]
pub(crate) struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
    file: Option<SocketFile>,
}

impl Running {
    /// Serves a listener.
    pub(super) fn add(&mut self, door: Door, router: Router) {
        self.tasks.spawn(accept(door, router, self.stop.clone(), self.tasks.clone()));
    }

    /// Keeps the file of a socket until the end.
    pub(super) fn keep(&mut self, file: SocketFile) {
        self.file = Some(file);
    }

    /// Lets answers that are under way leave, then closes everything.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        let _ = timeout(LAST_ANSWERS, self.tasks.wait()).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(door: Door, router: Router, stop: CancellationToken, tasks: TaskTracker) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((permit, door.accept().await?))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((permit, stream)) => {
                let (router, stop) = (router.clone(), stop.clone());
                tasks.spawn(async move {
                    converse(stream, router, stop).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept");
                sleep(BACK_OFF).await;
            }
        }
    }
}

/// What an answer can know of its connection.
#[derive(Clone, Debug)]
pub(super) struct Conversation {
    stop: CancellationToken,
    goes_on: Arc<AtomicBool>,
}

impl Conversation {
    /// Lets it last longer than connections may, until this is cancelled.
    pub(super) fn go_on(&self) -> CancellationToken {
        self.goes_on.store(true, Ordering::Relaxed);
        self.stop.clone()
    }

    /// Waits until it has lasted too long.
    async fn too_long(&self) {
        sleep(LIFE).await;
        if self.goes_on.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// Answers one connection's requests.
async fn converse(stream: Stream, router: Router, stop: CancellationToken) {
    let conversation = Conversation { stop: stop.clone(), goes_on: Arc::default() };
    let router = router.layer(Extension(conversation.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        .max_headers(FIELDS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = conversation.too_long() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_unless_its_answer_goes_on() {
        let conversation =
            || Conversation { stop: CancellationToken::new(), goes_on: Arc::default() };
        let (short, long) = (conversation(), conversation());
        let stop = long.clone().go_on();
        assert!(timeout(2 * LIFE, short.too_long()).await.is_ok());
        assert!(timeout(100 * LIFE, long.too_long()).await.is_err());
        long.stop.cancel();
        assert!(stop.is_cancelled());
    }
}
