//! `tagwire drain`: tells a running server to end in order, and waits until it has.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use tokio::time::sleep;

use crate::admin::client::Client;
use crate::config::Sources;
use crate::exit::Failure;

/// How often the server is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// `tagwire drain …`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server's Unix socket [default: the configuration's admin.socket]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    /// Do not wait until the server has ended
    #[arg(long)]
    no_wait: bool,

    #[command(flatten)]
    config: Sources,
}

/// Has the server drain.
///
/// # Errors
///
/// Returns a usage failure where no socket is known, another where nobody listens on it,
/// a refusal where it is somebody else's.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let server = Client::of(args.socket.as_deref(), &args.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(drain(&server, !args.no_wait))
}

async fn drain(server: &Client, wait: bool) -> Result<(), Failure> {
    server.ask(Method::POST, "/v1/drain").await?.good()?;
    println!("the server drains: everyone is told");
    if wait {
        while server.is_there().await {
            sleep(LOOK).await;
        }
        println!("it has ended");
    }
    Ok(())
}
