//! What a supervisor such as systemd hands to `serve`, and is told by it: the listening socket that outlives
//! a restart (`LISTEN_FDS`); readiness, reloads and the end (`NOTIFY_SOCKET`); signs of life
//! (`WATCHDOG_USEC`). Without a supervisor nothing of this does anything.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use socket2::SockRef;
use tagwire::server::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::guard;
use crate::exit::{Exit, Failure};

/// Whoever started this process and wants to know how it is.
#[derive(Debug)]
pub(super) struct Supervisor {
    listener: Option<TcpListener>,
    /// How long it waits for a sign of life before it ends this process.
    patience: Option<Duration>,
}

impl Supervisor {
    /// Looks for one in the environment, and takes the socket that it passes. To be called while there is
    /// one thread: the variables go, so that processes started later do not take them for theirs.
    ///
    /// # Errors
    ///
    /// Returns a failure with [`Exit::Config`] where something else than one listening TCP socket is passed.
    pub(super) fn from_env() -> Result<Self, Failure> {
        let listener = passed(&mut ListenFd::from_env());
        let listener = listener
            .context("the socket unit that starts this server passes what it cannot serve")
            .map_err(|error| Failure::new(Exit::Config, error))?;
        let patience = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero());
        Ok(Self { listener, patience })
    }

    /// The socket that was passed, for which nothing has to be bound.
    ///
    /// # Errors
    ///
    /// Returns a usage failure where others could reach it and that was not said to be meant.
    pub(super) fn listener(
        &mut self,
        insecure_anonymous: bool,
    ) -> Result<Option<TcpListener>, Failure> {
        let Some(listener) = self.listener.take() else { return Ok(None) };
        let address = listener.local_addr()?;
        guard(format_args!("the socket that was passed, {address}"), address, insecure_anonymous)?;
        Ok(Some(listener))
    }

    /// Says that the server serves, at first and after a reload; `status` is for people.
    pub(super) fn ready(&self, status: &str) {
        notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Says that a reload has begun; [`Supervisor::ready`] ends it, whatever came of it.
    pub(super) fn reloading(&self) {
        // The time tells this reload from one before it, whose word may still be under way.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "cannot tell the supervisor of a reload"),
        }
    }

    /// Says that the server has begun to end.
    pub(super) fn stopping(&self) {
        notify(&[NotifyState::Stopping, NotifyState::Status("ending: everyone is told")]);
    }

    /// Gives a sign of life twice in the time that the supervisor waits for one, as long as this runtime
    /// runs its tasks and the lock that all rooms share can be had.
    pub(super) fn watch(&self, server: Handle) {
        let Some(patience) = self.patience else { return };
        let half = (patience / 2).max(Duration::from_millis(1));
        tokio::spawn(async move {
            let mut ticks = interval_at(Instant::now(), half);
            // Who was late owes no more than one.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let _ = server.rooms();
                notify(&[NotifyState::Watchdog]);
            }
        });
    }
}

/// Sends a word to the supervisor, if there is one. A server that cannot be heard still serves.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, ?state, "cannot tell the supervisor ($NOTIFY_SOCKET)");
    }
}

/// The one listening TCP socket among what was passed; none if nothing was.
fn passed(passed: &mut ListenFd) -> anyhow::Result<Option<TcpListener>> {
    match passed.len() {
        0 => return Ok(None),
        1 => {}
        count => anyhow::bail!("{count} sockets: leave one ListenStream= in it"),
    }
    let wants = "its ListenStream= wants a port, or an address and a port";
    let Some(listener) = passed.take_tcp_listener(0).context(wants)? else { return Ok(None) };
    if !SockRef::from(&listener).is_listener()? {
        anyhow::bail!("a connection: it wants Accept=no, which is the default");
    }
    Ok(Some(listener))
}
