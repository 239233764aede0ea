//! Reload: the certificate with its key, and the configuration file, each taken over whole or not at all.
//!
//! They do not wait for each other: a slip in the configuration must not keep a renewed certificate out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tagwire::server::Handle;
use tagwire::tls::{Date, ServerTls};
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::supervisor::Supervisor;
use super::watch::Watch;
use crate::config::{self, Change, Config, Values};
use crate::reloads::{Reloads, What};

/// Pauses before a certificate and key that do not go together are looked at again: some programs write one
/// after the other. 2 s in all.
const AGAIN: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(600),
    Duration::from_millis(800),
];
/// How often the certificate's end is looked at.
const DAILY: Duration = Duration::from_secs(86_400);

/// What became of one part of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// What is there is what is in force.
    Same,
    /// Something else is in force now.
    Changed,
    /// What is there is bad: what was in force stays.
    Failed,
}

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reloaded {
    pub(super) certificate: Outcome,
    pub(super) configuration: Outcome,
}

impl Reloaded {
    /// What became of it, for people.
    fn status(self) -> &'static str {
        match self.certificate == Outcome::Failed || self.configuration == Outcome::Failed {
            true => "serving; the last reload failed, the log says why",
            false => "serving; reloaded",
        }
    }
}

/// What a running server can be given anew.
#[derive(Debug)]
pub(super) struct Reloader {
    handle: Handle,
    cert: PathBuf,
    key: PathBuf,
    tls: ServerTls,
    sources: config::Sources,
    running: Values,
    reloads: Arc<Reloads>,
    watch: Watch,
}

impl Reloader {
    /// Takes what the server was started with.
    pub(super) fn new(
        handle: Handle,
        (cert, key): (PathBuf, PathBuf),
        tls: ServerTls,
        sources: config::Sources,
        config: &Config,
    ) -> Self {
        let reloads = Arc::new(Reloads::new(tls.not_after()));
        let files = [Some(cert.clone()), Some(key.clone()), sources.config.clone()];
        let watch = Watch::new(files.into_iter().flatten().collect());
        let running = config.values();
        Self { handle, cert, key, tls, sources, running, reloads, watch }
    }

    /// The counters, for whoever shows them.
    pub(super) fn reloads(&self) -> Arc<Reloads> {
        self.reloads.clone()
    }

    /// Reloads at every SIGHUP and whenever a file changes, and warns of the certificate's end, for ever.
    pub(super) async fn run(mut self, mut hang_up: Signal, supervisor: Arc<Supervisor>) {
        // What changed since the start read it, and before it was watched.
        self.reload().await;
        let mut daily = interval(DAILY);
        daily.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(()) = hang_up.recv() => {
                    supervisor.reloading();
                    let status = self.reload().await.status();
                    supervisor.ready(status);
                }
                () = self.watch.changed() => drop(self.reload().await),
                _ = daily.tick() => self.reloads.warn_of_end(),
            }
        }
    }

    /// Takes over what is there now, as far as it is good; logs what changed and what is wrong.
    pub(super) async fn reload(&mut self) -> Reloaded {
        self.watch.look().await;
        // What a person waits for first: the other may be looked at again and again.
        let configuration = self.reload_configuration().await;
        let certificate = self.reload_certificate().await;
        tracing::debug!(?certificate, ?configuration, "reloaded");
        Reloaded { certificate, configuration }
    }

    async fn reload_configuration(&mut self) -> Outcome {
        if self.sources.config.is_none() {
            return Outcome::Same;
        }
        let sources = self.sources.clone();
        let loaded = in_the_background(move || Ok(sources.load()?)).await;
        self.reloads.handle(What::Configuration, loaded.is_ok());
        let config = match loaded {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("cannot reload the configuration, nothing changes: {error:#}");
                return Outcome::Failed;
            }
        };
        let Change { now, at_restart } = config::update(&mut self.running, &config.values());
        if !at_restart.is_empty() {
            let keys = at_restart.join(", ");
            tracing::warn!(keys, "these keys count after a restart: they cannot change before");
        }
        if now.is_empty() {
            return Outcome::Same;
        }
        self.handle.set_settings(config.settings);
        tracing::info!(keys = now.join(", "), "reloaded the configuration");
        Outcome::Changed
    }

    async fn reload_certificate(&mut self) -> Outcome {
        let loaded = self.load_certificate().await;
        self.reloads.handle(What::Certificate, loaded.is_ok());
        match loaded {
            Ok(tls) if tls.shows_same_as(&self.tls) => Outcome::Same,
            Ok(tls) => {
                self.handle.set_tls(tls.clone());
                self.reloads.set_not_after(tls.not_after());
                tracing::info!(until = %Date(tls.not_after()), "reloaded the certificate");
                self.reloads.warn_of_end();
                self.tls = tls;
                Outcome::Changed
            }
            Err(error) => {
                let until = Date(self.tls.not_after());
                tracing::error!(%until, "cannot reload the certificate, the old one stays: {error:#}");
                Outcome::Failed
            }
        }
    }

    async fn load_certificate(&mut self) -> anyhow::Result<ServerTls> {
        let mut again = AGAIN.into_iter();
        loop {
            let (cert, key) = (self.cert.clone(), self.key.clone());
            let loaded = in_the_background(move || Ok(ServerTls::from_files(cert, key)?)).await;
            match (loaded, again.next()) {
                (Err(error), Some(pause)) => {
                    tracing::debug!("the certificate is looked at again: {error:#}");
                    sleep(pause).await;
                }
                (loaded, _) => return loaded,
            }
            self.watch.look().await;
        }
    }
}

/// Reads files where nobody waits for a slow disk.
async fn in_the_background<T: Send + 'static>(
    read: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    spawn_blocking(read).await?
}
