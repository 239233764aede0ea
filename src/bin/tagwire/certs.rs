//! `tagwire certs`: certificates for development, into a directory. Only asks and prints; what is
//! issued and how it is written is the library's.

use std::path::PathBuf;
use std::process::ExitCode;

use tagwire::tls::{Date, DevCerts, Options};

/// Above this, clients of Apple refuse certificates even of authorities that were added by hand.
const APPLE_DAYS: u32 = 825;

/// Make a private CA, a server certificate and client certificates for development
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory to write to; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "certs")]
    out: PathBuf,
    /// A further DNS name or IP address of the server, beside localhost, 127.0.0.1 and ::1
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// A further client, beside `client`
    #[arg(long, value_name = "NAME")]
    client: Vec<String>,
    /// Days that the certificates are valid
    #[arg(long, value_name = "N", default_value_t = 365)]
    days: u32,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

/// Makes the files. Their names go to standard output, for scripts; the rest to standard error.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let options =
        Options { hosts: args.host.clone(), clients: args.client.clone(), days: args.days };
    let certs = DevCerts::issue(&options)?;
    let files = certs.write_to(&args.out, args.force)?;
    for file in files {
        println!("{}", file.display());
    }
    eprintln!("valid until {}; for development only", Date(certs.not_after));
    if args.days > APPLE_DAYS {
        eprintln!("note: Safari and iOS refuse certificates of more than {APPLE_DAYS} days");
    }
    eprintln!("clients trust them with --ca {}", args.out.join("ca.pem").display());
    eprintln!("next: {}", next(args));
    Ok(ExitCode::SUCCESS)
}

/// The command that uses what was made.
fn next(args: &Args) -> String {
    if args.out.as_os_str() == "certs" {
        return "tagwire serve".into();
    }
    let file = |name| args.out.join(name).display().to_string();
    let words = ["tagwire", "serve", "--cert", &file("server.pem"), "--key", &file("server.key")];
    shell_words::join(words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end here")]

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Args {
        Line::parse_from([&["certs"], words].concat()).args
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let args = args(&[]);
        assert_eq!((args.out.as_path(), args.days, args.force), ("certs".as_ref(), 365, false));
        assert_eq!(next(&args), "tagwire serve");
    }

    #[test]
    fn files_are_made_once_and_again_only_by_force() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("made here");
        let out = out.to_str().unwrap();
        let words = ["--out", out, "--host", "example.org", "--client", "ann"];
        run(&args(&words)).unwrap();
        let error = run(&args(&words)).unwrap_err();
        assert!(format!("{error:#}").contains("--force"), "{error:#}");
        run(&args(&[&words[..], &["--force"]].concat())).unwrap();
        let next = next(&args(&words));
        assert!(next.starts_with("tagwire serve --cert '"), "{next}");
    }
}
