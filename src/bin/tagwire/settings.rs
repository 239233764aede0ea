//! `tagwire config`: reads the configuration as `serve` would, without starting anything.

use std::io::{self, Write};

use clap::Subcommand;

use crate::config;
use crate::exit::{Exit, Failure};

/// `tagwire config …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what is wrong with the configuration, if anything
    Check(config::Sources),
    /// Print every key with its value and where it came from
    Show(config::Sources),
    /// Print a configuration file with every key, its default and the reason for it
    Example,
}

/// Checks or shows.
///
/// # Errors
///
/// Returns a failure with [`Exit::Config`] where the configuration is wrong.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let load =
        |args: &config::Sources| args.load().map_err(|error| Failure::new(Exit::Config, error));
    let text = match command {
        Command::Check(args) => load(args).map(|_| "the configuration is good\n".to_owned())?,
        Command::Show(args) => load(args)?.show(),
        Command::Example => config::example(),
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough: `tagwire config show | head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
