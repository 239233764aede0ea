//! `tagwire serve`: from the command line to a plan, and from the plan to a running server.

mod certificate;
mod handlers;
mod hints;
mod reload;
mod signals;
mod start;
mod supervisor;
mod watch;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(crate) use self::certificate::CertChoice;
use self::certificate::Existing;
use crate::admin;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};

/// `tagwire serve …`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: config::Sources,

    /// Serve on this address; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4433", value_parser = listen)]
    listen: SocketAddr,

    /// Serve metrics, health and lists over plain HTTP on this address, to whoever can connect, or `off`
    /// [default: 127.0.0.1:9433, if it is free]
    #[arg(long, value_name = "ADDR|off", value_parser = admin::Choice::parse)]
    admin: Option<admin::Choice>,

    /// The server's certificate chain (PEM) [default on loopback: certs/server.pem]
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The certificate's private key (PEM) [default on loopback: certs/server.key]
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Ask clients for certificates of this CA (PEM)
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,

    /// Where rooms keep their records
    #[arg(long, value_name = "memory|disk:DIR|nats://…", default_value = "memory")]
    engine: String,

    /// Let everybody in who can connect, also from other machines
    #[arg(long)]
    insecure_anonymous: bool,
}

/// Everything that starting a server needs, checked as far as it can be without starting it.
#[derive(Debug)]
pub(crate) struct ServePlan {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where to serve metrics and health.
    pub(crate) admin: admin::Choice,
    /// Which certificate to serve with.
    pub(crate) certs: CertChoice,
    /// Whether everybody may come in.
    pub(crate) insecure_anonymous: bool,
    /// Where the configuration is read from again.
    pub(crate) sources: config::Sources,
    /// Everything else.
    pub(crate) config: Config,
}

/// Makes a plan and follows it until the server ends.
///
/// # Errors
///
/// Returns a usage failure for what does not exist or cannot be honoured, one with [`Exit::Config`] for
/// a wrong configuration, and whatever ended the server.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let plan = plan(args, Existing::look(Path::new(certificate::DIR)))?;
    for key in plan.config.without_effect() {
        tracing::warn!(key, "this version reads the key but does not honour it yet");
    }
    start::start(&plan)
}

/// The plan that a command line makes; `existing` says which development certificates there are.
fn plan(args: &Args, existing: Existing) -> Result<ServePlan, Failure> {
    if args.client_ca.is_some() {
        return Err(Failure::usage(
            "--client-ca: this version does not check client certificates yet; leave it away",
        ));
    }
    engine(&args.engine)?;
    let config = args.config.load().map_err(|error| Failure::new(Exit::Config, error))?;
    let given = args.cert.clone().zip(args.key.clone());
    let certs = certificate::choose(args.listen.ip(), given, existing)?;
    let insecure_anonymous = args.insecure_anonymous;
    guard(format_args!("--listen {}", args.listen), args.listen, insecure_anonymous)?;
    let sources = args.config.clone();
    let admin = args.admin.unwrap_or_default();
    Ok(ServePlan { listen: args.listen, admin, certs, insecure_anonymous, sources, config })
}

/// Refuses an address that other machines can reach, unless everybody is meant to come in.
fn guard(
    what: impl fmt::Display,
    address: SocketAddr,
    insecure_anonymous: bool,
) -> Result<(), Failure> {
    if address.ip().to_canonical().is_loopback() || insecure_anonymous {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{what}: other machines could connect, and this server asks nobody who they are; \
         say --insecure-anonymous if that is meant"
    )))
}

/// Reads an address to listen on.
fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "wants an IP address and a port, such as 127.0.0.1:4433, [::1]:4433, or 0.0.0.0:4433 for all \
         of this machine's"
            .to_owned()
    })
}

/// Refuses engines that this version does not have, rather than keep records somewhere else.
fn engine(name: &str) -> Result<(), Failure> {
    if name == "memory" {
        return Ok(());
    }
    let planned = name.starts_with("disk:") || name.starts_with("nats:");
    let what = if planned { "is not in this version" } else { "is not an engine" };
    Err(Failure::usage(format!("--engine {name}: {what}; use --engine memory")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn planned(flags: &[&str]) -> Result<ServePlan, Failure> {
        let line = Line::try_parse_from([&["serve"], flags].concat());
        let line = line.map_err(|error| Failure::new(Exit::Usage, error))?;
        plan(&line.args, Existing::Both)
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let plan = planned(&[]).unwrap();
        assert_eq!(plan.listen.to_string(), "127.0.0.1:4433");
        assert_eq!(plan.admin, admin::Choice::Default);
        assert_eq!(planned(&["--admin", "off"]).unwrap().admin, admin::Choice::Off);
        // ::ffff:127.0.0.1 is loopback too.
        assert!(planned(&["--listen", "[::ffff:127.0.0.1]:0"]).is_ok());
        assert!(!plan.insecure_anonymous);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for flags in [
            &["--client-ca", "ca.pem"][..],
            &["--engine", "disk:data"],
            &["--engine", "nats://127.0.0.1:4222"],
            &["--engine", "paper"],
            &["--admin", "on"],
            &["--listen", "0.0.0.0:4433"],
            &["--cert", "a.pem"],
            &["--key", "a.key"],
            &["--listen", "nowhere"],
        ] {
            assert_eq!(planned(flags).unwrap_err().exit, Exit::Usage, "{flags:?}");
        }
    }

    #[test]
    fn a_bad_configuration_has_its_own_code() {
        assert_eq!(planned(&["--set", "workers=0"]).unwrap_err().exit, Exit::Config);
        assert_eq!(planned(&["--config", "no/such/file"]).unwrap_err().exit, Exit::Config);
        let plan = planned(&["--set", "handlers.0x20.command=python3 echo.py"]).unwrap();
        assert_eq!(plan.config.handlers[&0x20].command, ["python3", "echo.py"]);
    }
}
