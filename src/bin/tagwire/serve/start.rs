//! From a plan to a running server, and from a signal to its end.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tagwire::Server;
use tagwire::server::ServerError;
use tagwire::tls::{DevCerts, IssueError, Options, ServerTls};

use super::handlers::Pools;
use super::hints::hints;
use super::reload::Reloader;
use super::signals::Signals;
use super::supervisor::Supervisor;
use super::{CertChoice, ServePlan};
use crate::admin::{Admin, Watched};
use crate::exit::Failure;

/// How long development certificates made by `serve` last.
const DAYS: u32 = 365;

/// Starts the server and serves until it is told to end.
pub(super) fn start(plan: &ServePlan) -> Result<(), Failure> {
    // Before any thread: it takes what it found out of the environment.
    let mut supervisor = Supervisor::from_env()?;
    let tls = tls(&plan.certs)?;
    let ca = plan.certs.ca();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let builder = Server::builder()
            .tls(tls.clone())
            .settings(plan.config.settings.clone())
            .workers(plan.config.workers);
        let (pools, builder) = Pools::register(&plan.config, builder)?;
        let (signals, hang_up) = Signals::listen()?;
        let server = match supervisor.listener(plan.insecure_anonymous)? {
            Some(listener) => builder.listener(listener),
            None => builder.bind(plan.listen).await,
        };
        let server = server.map_err(not_bound)?;
        let address = server.local_addr();
        let (socket, hosts) = (plan.config.admin_socket.as_deref(), &plan.config.admin_hosts);
        let admin = Admin::bind(plan.admin, socket, hosts).await?;
        if plan.insecure_anonymous && !address.ip().is_loopback() {
            tracing::warn!(%address, "everybody who can connect may do everything");
        }
        let (files, sources) = (plan.certs.files(), plan.sources.clone());
        let reloader = Reloader::new(server.handle(), files, tls, sources, &plan.config);
        announce(address, admin.address(), ca.as_deref())?;
        let handle = server.handle();
        let admin = admin.serve(&Watched { handle: handle.clone(), reloads: reloader.reloads() });
        let supervisor = Arc::new(supervisor);
        supervisor.ready(&format!("serving on {address}"));
        supervisor.watch(handle.clone());
        let reloading = tokio::spawn(reloader.run(hang_up, supervisor.clone()));
        tokio::spawn(async move {
            // A signal or the admin socket begins the end; the supervisor hears of either.
            tokio::join!(
                async {
                    signals.end().await;
                    handle.drain();
                },
                async {
                    handle.draining().await;
                    supervisor.stopping();
                }
            );
        });
        server.run(std::future::pending()).await.map_err(anyhow::Error::new)?;
        reloading.abort();
        pools.stop().await;
        admin.stop().await;
        Ok(())
    });
    // A reload that waits for a file system that does not answer holds up no end.
    runtime.shutdown_background();
    outcome
}

/// Loads the certificate that was chosen; makes one where that was the choice.
fn tls(choice: &CertChoice) -> anyhow::Result<ServerTls> {
    match choice {
        CertChoice::Given { cert, key } => Ok(ServerTls::from_files(cert, key)?),
        CertChoice::Make { dir } => {
            let options = Options { days: DAYS, ..Options::default() };
            match DevCerts::issue(&options)?.write_to(dir, false) {
                Ok(_) => {
                    eprintln!("made development certificates in {}/ ({DAYS} days)", dir.display());
                }
                // Another `serve` was faster: its certificates are as good.
                Err(IssueError::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let (cert, key) = choice.files();
            Ok(ServerTls::from_files(cert, key)?)
        }
        CertChoice::Found { cert, key } => ServerTls::from_files(cert, key).map_err(|error| {
            // What is wrong comes first, and last what helps if these files are nobody's treasure.
            anyhow::anyhow!("{:#}; or make all of them anew with `tagwire certs --force`", {
                anyhow::Error::new(error)
            })
        }),
    }
}

/// Why the server has no address, with the flag that gives it another.
fn not_bound(error: ServerError) -> Failure {
    let free = match &error {
        ServerError::Bind { address, source } if source.kind() == ErrorKind::AddrInUse => {
            format!("; `--listen {}` takes a free one", SocketAddr::new(address.ip(), 0))
        }
        _ => String::new(),
    };
    anyhow::anyhow!("{:#}{free}", anyhow::Error::new(error)).into()
}

/// Says where the server listens, for programs, and how to connect, for people.
fn announce(
    address: SocketAddr,
    admin: Option<SocketAddr>,
    ca: Option<&Path>,
) -> std::io::Result<()> {
    let admin = admin.map(|address| format!("admin on {address}\n")).unwrap_or_default();
    // In one piece: who reads a line and no more has taken both.
    let lines = format!("listening on {address}\n{admin}");
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()?;
    eprint!("{}", hints(address, ca));
    Ok(())
}
