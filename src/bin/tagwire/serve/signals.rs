//! The signals that the server listens to.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// The signals that end the server.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over from the kernel's defaults: those that end the server, and the one that has
    /// it reload.
    pub(super) fn listen() -> std::io::Result<(Self, Signal)> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        let signals = Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? };
        Ok((signals, signal(SignalKind::hangup())?))
    }

    /// Waits for the first one; a second then ends the process at once.
    pub(super) async fn end(mut self) {
        self.next().await;
        tracing::info!("ending: everyone is told; a second signal ends at once");
        tokio::spawn(async move {
            let exit = self.next().await;
            std::process::exit(i32::from(exit as u8));
        });
    }

    /// Waits for a signal that ends the process; with which code it does at once.
    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.interrupt.recv() => Exit::Interrupted,
        }
    }
}
