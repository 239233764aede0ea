//! The other side of the admin listener: one request at a time, over its Unix socket or TCP. For `drain`,
//! `top` and `tap`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::is_nobody;
use crate::config::Sources;
use crate::exit::{Exit, Failure};

/// How long an answer may take, and how large it may be.
const WITHIN: Duration = Duration::from_secs(10);
const ANSWER_BYTES: usize = 64 << 20;

/// Where an admin listener is.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    /// A Unix socket.
    Socket(PathBuf),
    /// A TCP address, which only reads.
    Address(SocketAddr),
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// An answer that goes on.
#[derive(Debug)]
pub(crate) struct Following(Incoming);

impl Client {
    /// The server whose socket this is, or that of the configuration.
    ///
    /// # Errors
    ///
    /// Returns a usage failure where no socket is known, [`Exit::Config`] for a wrong configuration.
    pub(crate) fn of(socket: Option<&Path>, config: &Sources) -> Result<Self, Failure> {
        if let Some(socket) = socket {
            return Ok(Self::Socket(socket.to_owned()));
        }
        let config = config.load().map_err(|error| Failure::new(Exit::Config, error))?;
        config.admin_socket.map(Self::Socket).ok_or_else(|| {
            Failure::usage(
                "no socket: say --socket PATH, or --config with the file in which the server has its \
                 admin.socket; it has one with `tagwire serve --set admin.socket=PATH`",
            )
        })
    }

    /// Asks for something.
    ///
    /// # Errors
    ///
    /// Returns a failure with [`Exit::Unreachable`] where nobody listens, [`Exit::Refused`] where one may
    /// not, [`Exit::Protocol`] where what answers is no admin listener.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Result<Answer, Failure> {
        let asked = async { Answer::read(self.open(method, path).await?).await };
        let late = || anyhow!("the server at {self} does not answer within {WITHIN:?}");
        timeout(WITHIN, asked).await.map_err(|_| Failure::new(Exit::Unreachable, late()))?
    }

    /// Asks for what goes on until either side ends it.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask), and where the answer is not a good one.
    pub(crate) async fn follow(&self, path: &str) -> Result<Following, Failure> {
        let answer = self.open(Method::GET, path).await?;
        if answer.status().is_success() {
            return Ok(Following(answer.into_body()));
        }
        Err(Answer::read(answer).await?.failure())
    }

    async fn open(&self, method: Method, path: &str) -> Result<Response<Incoming>, Failure> {
        match self {
            Self::Socket(socket) => {
                let stream = UnixStream::connect(socket).await;
                open(stream.map_err(|error| self.unreachable(&error))?, method, path).await
            }
            Self::Address(address) => {
                let stream = TcpStream::connect(address).await;
                open(stream.map_err(|error| self.unreachable(&error))?, method, path).await
            }
        }
    }

    /// Whether a server still listens there.
    pub(crate) async fn is_there(&self) -> bool {
        let connected = match self {
            Self::Socket(socket) => UnixStream::connect(socket).await.map(drop),
            Self::Address(address) => TcpStream::connect(address).await.map(drop),
        };
        !connected.is_err_and(|error| is_nobody(&error))
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        let why = match error.kind() {
            io::ErrorKind::NotFound => {
                "there is no such socket: is the server running? It makes one with `tagwire serve \
                 --set admin.socket=PATH`"
            }
            io::ErrorKind::ConnectionRefused => "nobody listens there: the server has ended",
            io::ErrorKind::PermissionDenied => {
                let why = "the socket is its owner's alone: be the user that runs the server";
                return Failure::new(Exit::Refused, anyhow!("{self}: {why}"));
            }
            _ => return Failure::new(Exit::Unreachable, anyhow!("{self}: {error}")),
        };
        Failure::new(Exit::Unreachable, anyhow!("{self}: {why}"))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(socket) => socket.display().fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Answer {
    /// The answer if it is a good one.
    ///
    /// # Errors
    ///
    /// Returns a failure with what the server says is wrong.
    pub(crate) fn good(self) -> Result<Self, Failure> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(self.failure())
    }

    /// What the server says is wrong.
    fn failure(&self) -> Failure {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("no reason was given");
        let exit = if self.status.is_client_error() { Exit::Refused } else { Exit::Failure };
        Failure::new(exit, anyhow!("the server answers {}: {detail}", self.status))
    }

    async fn read(answer: Response<Incoming>) -> Result<Self, Failure> {
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Failure::new(Exit::Protocol, anyhow!("{error}")))?;
        Ok(Self { status, body: body.to_bytes() })
    }
}

impl Following {
    /// What comes next; `None` at the end that the server meant.
    ///
    /// # Errors
    ///
    /// Returns a failure if the server is gone without one.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.0.frame().await {
            let gone =
                |error| Failure::new(Exit::Unreachable, anyhow!("the server is gone: {error}"));
            if let Ok(bytes) = frame.map_err(gone)?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

async fn open<S>(stream: S, method: Method, path: &str) -> Result<Response<Incoming>, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |error: hyper::Error| {
        Failure::new(Exit::Protocol, anyhow!("what answers is no admin listener: {error}"))
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with its answer, which is the only one: nobody can ask again.
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    sender.send_request(request.body(Empty::<Bytes>::new())?).await.map_err(broken)
}
