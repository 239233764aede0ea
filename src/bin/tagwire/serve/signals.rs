//! The signals that end the server.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// The signals that end the server.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Option<Signal>,
}

impl Signals {
    /// Takes the signals over from the kernel's defaults.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: Some(signal(SignalKind::hangup())?),
        })
    }

    /// Waits for the first one; a second then ends the process at once.
    pub(super) async fn end(mut self) {
        let mut hang_up = self.hang_up.take();
        tokio::select! {
            _ = self.next() => {}
            () = async { while let Some(hang_up) = &mut hang_up {
                hang_up.recv().await;
                tracing::warn!("SIGHUP: this version does not reload; restart it instead");
            } } => {}
        }
        eprintln!("ending: everyone is told; a second signal ends at once");
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
