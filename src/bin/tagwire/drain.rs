//! `tagwire drain`: tells a running server to end in order, and waits until it has.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use tokio::time::sleep;

use crate::admin::client::Client;
use crate::config::Sources;
use crate::exit::{Exit, Failure};

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
/// Returns a usage failure where no socket is known, [`Exit::Unreachable`] where nobody listens on it,
/// [`Exit::Refused`] where it is somebody else's.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let socket = match &args.socket {
        Some(socket) => socket.clone(),
        None => {
            let config = args.config.load().map_err(|error| Failure::new(Exit::Config, error))?;
            config.admin_socket.ok_or_else(|| {
                Failure::usage(
                    "no socket: say --socket PATH, or --config with the file in which the server has its \
                     admin.socket",
                )
            })?
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(drain(&Client::Socket(socket), !args.no_wait))
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
