//! The `tagwire` program: flags, environment, log, exit codes. It sees the library's public API only.

mod admin;
#[cfg(test)]
mod blessed;
mod certs;
mod config;
mod decode;
mod drain;
mod exit;
mod files;
mod generate;
mod log;
mod reloads;
mod serve;
mod settings;
mod tap;
mod terminal;
mod top;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use self::exit::{Exit, Failure};

/// Gives memory back after a storm of connections, and keeps small things apart from large ones; the
/// figures are in docs/performance.md.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// One TLS port, type-tagged frames, handlers that you register, rooms that broadcast.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
#[command(after_help = "Start with `tagwire serve`: it says what to type next.")]
struct Cli {
    /// What to log to standard error: a level, or a list such as info,tagwire::tls=debug
    #[arg(long, global = true, env = "TAGWIRE_LOG", value_name = "FILTER", default_value = "info")]
    #[arg(value_parser = log::filter)]
    log: EnvFilter,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Args),
    /// Make a private CA and certificates for development
    Certs(certs::Args),
    /// Check or show the configuration, read as `serve` would
    #[command(subcommand)]
    Config(settings::Command),
    /// Say in words what frames are
    Decode(decode::Args),
    /// Print what makes a shell complete this program's flags
    Completions(generate::Completions),
    /// Write the man pages, for packages
    #[command(hide = true)]
    Man(generate::Man),
    /// Tell a running server to end in order, and wait until it has
    Drain(drain::Args),
    /// Show connections, rooms, rates, round trips and lags of a running server, live
    Top(top::Args),
    /// Show frames of a running server as they come and go
    Tap(tap::Args),
}

fn main() -> ExitCode {
    // Ends with 2 where the command line makes no sense, with 0 after --help and --version.
    let cli = Cli::parse();
    let _lines = log::start(cli.log);
    let done = |()| Exit::Success;
    let outcome: Result<Exit, Failure> = match &cli.command {
        Command::Serve(args) => serve::run(args).map(done),
        Command::Certs(args) => certs::run(args).map(|_| Exit::Success).map_err(Failure::from),
        Command::Config(command) => settings::run(command).map(done),
        Command::Decode(args) => decode::run(args).map(done),
        Command::Completions(args) => generate::completions(args).map(done),
        Command::Man(args) => generate::man(args).map(done),
        Command::Drain(args) => drain::run(args).map(done),
        Command::Top(args) => top::run(args),
        Command::Tap(args) => tap::run(args),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
