//! Exit codes (outsiders script against them) and the error that carries one. Knows no subcommand.

use std::fmt;
use std::process::ExitCode;

/// How the program ends; the numbers from 64 on are those of BSD's `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(dead_code, reason = "the whole contract stands here, also what no subcommand returns yet")]
pub(crate) enum Exit {
    /// Did what it was asked.
    Success = 0,
    /// Failed in a way that no other code names.
    Failure = 1,
    /// The command line makes no sense; clap ends with the same number.
    Usage = 2,
    /// The server could not be reached.
    Unreachable = 69,
    /// The other side broke the protocol.
    Protocol = 76,
    /// The other side refused: credentials, permissions, limits.
    Refused = 77,
    /// The configuration is wrong.
    Config = 78,
    /// SIGINT ended it, a server's second one, as if nothing had caught the signal (128 + 2).
    Interrupted = 130,
    /// SIGTERM ended it, a server's second one (128 + 15).
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a subcommand ended early, and with which code.
///
/// Anything that `?` turns into one ends with [`Exit::Failure`]; whoever knows better says so with
/// [`Failure::new`].
#[derive(Debug)]
pub(crate) struct Failure {
    /// The code to end with.
    pub(crate) exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// An error that ends the program with `exit`.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// The command line asks for what does not go together, or does not exist.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Exit::Failure, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With its causes, on one line.
        write!(f, "{:#}", self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_contracts() {
        use Exit::*;
        let all = [Success, Failure, Usage, Unreachable, Protocol, Refused, Config];
        assert_eq!(all.map(|exit| exit as u8), [0, 1, 2, 69, 76, 77, 78]);
        assert_eq!([Interrupted, Terminated].map(|exit| exit as u8), [130, 143]);
    }

    #[test]
    fn a_failure_is_told_with_its_causes() {
        let cause = anyhow::anyhow!("no such file").context("cannot read certs/ca.pem");
        let failure = Failure::from(cause);
        assert_eq!(failure.to_string(), "cannot read certs/ca.pem: no such file");
        assert_eq!(failure.exit, Exit::Failure);
    }
}
