//! `tagwire top`: connections, rooms, rates, round trips and lags of a running server, live in the terminal.
//!
//! ```text
//! ask      asks the admin listener
//! sample   what it says at one moment
//! figures  what is shown, made of two samples
//! columns  the columns of both tables
//! model    the figures, and what the person at the keys chose to see of them
//! header   the lines above the tables
//! view     the screen, a function of the model
//! live     the terminal
//! once     the same as plain text
//! words    numbers in a few characters
//! ```

mod ask;
mod columns;
#[cfg(test)]
mod example;
mod figures;
mod header;
mod live;
mod model;
mod once;
mod sample;
mod view;
mod words;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{Instant, sleep};

use self::model::Model;
use crate::admin::client::Client;
use crate::config::Time;
use crate::exit::{Exit, Failure};
use crate::terminal::wants_colour;

/// `tagwire top …`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keys: q quits, tab or 1 and 2 change the table, s sorts by the next column, r turns the order round, the arrows \
choose a row and tell more of it, / looks for a user, address, session or room, esc forgets both, p pauses.")]
pub(crate) struct Args {
    /// The server's admin listener: what `serve` prints as `admin on ADDR`
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9433", value_parser = address)]
    admin: SocketAddr,

    /// The server's Unix socket (admin.socket) instead
    #[arg(long, value_name = "PATH", conflicts_with = "admin")]
    socket: Option<PathBuf>,

    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// Look twice, an interval apart, print what there is as plain text, and end; so it is too without a
    /// terminal
    #[arg(long)]
    once: bool,
}

/// Shows a server until it is told to end.
///
/// # Errors
///
/// Returns [`Exit::Unreachable`] where nobody listens at first; a server that is gone later is waited for.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let server = match &args.socket {
        Some(socket) => Client::Socket(socket.clone()),
        None => Client::Address(args.admin),
    };
    let live = !args.once && io::stdout().is_terminal();
    let model = Model::new(server.to_string(), live && wants_colour(&io::stdout()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch(model, server, args.interval, live))
}

async fn watch(
    mut model: Model,
    server: Client,
    every: Duration,
    live: bool,
) -> Result<Exit, Failure> {
    model.take(Ok(ask::ask(&server).await.map_err(|failure| advise(&failure))?));
    if live {
        return live::show(model, server, every).await;
    }
    sleep(every).await;
    model.take(Ok(ask::ask(&server).await?));
    match io::stdout().write_all(once::text(&model, Instant::now()).as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Success),
    }
}

/// Adds what to do where nobody answers.
fn advise(failure: &Failure) -> Failure {
    let what = match failure.exit {
        Exit::Unreachable => {
            "; `tagwire serve` prints `admin on ADDR`: say --admin ADDR, or --socket PATH"
        }
        _ => "",
    };
    Failure::new(failure.exit, anyhow!("{failure}{what}"))
}

/// Reads an address, or a name with a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| {
        format!("{error}: wants an address and a port, such as 127.0.0.1:9433 or localhost:9433")
    })?;
    addresses.next().ok_or_else(|| format!("{text} has no address"))
}

/// Reads how often to look.
fn interval(text: &str) -> Result<Duration, String> {
    let why = "the server has other work too";
    Time { min: Duration::from_millis(100), why }.read(&text.into())
}
