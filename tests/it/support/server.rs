//! The library's server on a free port, with certificates of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use tagwire::limits::Settings;
use tagwire::server::{Builder, Handle, Server, ServerError};
use tagwire::session::{Closed, Proxied, Refused, Tally};
use tagwire::tls::{ClientTls, DevCerts, Options, ServerTls};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Connect, DEADLINE, PlainPeer, RawPeer, eventually};

/// A running server; it ends when this is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    /// Trusts the server and offers `tagwire/1`.
    pub(crate) client: Arc<ClientConfig>,
    handle: Handle,
    shutdown: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), ServerError>>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// One with settings that differ from the defaults.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::build(change, |builder| builder).await
    }

    /// One with settings and handlers of the test's own.
    pub(crate) async fn build(
        change: impl FnOnce(&mut Settings),
        more: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let certs = DevCerts::issue(&Options::default()).unwrap();
        let tls = ServerTls::from_pem(certs.server.cert.as_bytes(), certs.server.key.as_bytes());
        let mut settings = Settings::default();
        change(&mut settings);
        let builder = Server::builder().tls(tls.unwrap()).settings(settings).workers(2);
        let server = more(builder).bind("127.0.0.1:0").await.unwrap();
        let (shutdown, asked) = oneshot::channel();
        Self {
            address: server.local_addr(),
            client: client_config(certs.ca.cert.as_bytes()),
            handle: server.handle(),
            shutdown: Some(shutdown),
            running: tokio::spawn(server.run(async {
                let _ = asked.await;
            })),
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn tally(&self) -> Tally {
        self.handle.tally()
    }

    /// Connections that ended for this reason.
    pub(crate) fn closed(&self, why: Closed) -> u64 {
        let index = Closed::ALL.iter().position(|&each| each == why).unwrap();
        self.tally().closed[index]
    }

    /// Connections that were refused for this reason.
    pub(crate) fn refused(&self, why: Refused) -> u64 {
        let index = Refused::ALL.iter().position(|&each| each == why).unwrap();
        self.tally().refused[index]
    }

    /// Connections from a load balancer that began like this.
    pub(crate) fn proxied(&self, how: Proxied) -> u64 {
        let index = Proxied::ALL.iter().position(|&each| each == how).unwrap();
        self.tally().proxied[index]
    }

    /// Waits until that many connections ended for this reason.
    pub(crate) async fn wait_closed(&self, why: Closed, count: u64) {
        eventually(&format!("{count} times {}", why.as_str()), || self.closed(why) >= count).await;
        assert_eq!(self.closed(why), count, "{:?}", self.tally());
    }

    /// Waits until that many connections are open.
    pub(crate) async fn wait_open(&self, count: u64) {
        eventually(&format!("{count} open"), || self.tally().open == count).await;
    }

    /// A way to connect that can be changed before it is used.
    pub(crate) fn connect(&self) -> Connect {
        Connect::to(self.address, &self.client)
    }

    /// The same, trusting another authority.
    pub(crate) fn connect_as(&self, client: &Arc<ClientConfig>) -> Connect {
        Connect::to(self.address, client)
    }

    /// A peer that speaks frames.
    pub(crate) async fn peer(&self) -> RawPeer {
        self.connect().open().await
    }

    /// A peer that is in a room, under a name.
    pub(crate) async fn member(&self, room: &str, user: &str) -> RawPeer {
        let mut peer = self.peer().await;
        peer.join(room, user).await;
        peer
    }

    /// A peer without TLS.
    pub(crate) async fn plain(&self) -> PlainPeer {
        PlainPeer::connect(self.address).await
    }

    /// Asks it to end, by its shutdown future.
    pub(crate) fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(self) -> Result<(), ServerError> {
        timeout(DEADLINE, self.running).await.expect("the server ends").unwrap()
    }
}

/// What a client that trusts this authority alone is configured with.
pub(crate) fn client_config(ca: &[u8]) -> Arc<ClientConfig> {
    ClientTls::with_ca_pem(ca).unwrap().config()
}
