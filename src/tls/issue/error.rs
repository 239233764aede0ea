//! What can go wrong when certificates are made and written.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why certificates for development were not made. Nothing was left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// Neither an IP address nor a name of DNS.
    Host {
        /// What was given.
        host: String,
    },
    /// Not usable as a client's name and as that of its files.
    Client {
        /// What was given.
        name: String,
    },
    /// No days, or too many.
    Days {
        /// What was given.
        days: u32,
        /// The most there may be.
        limit: u32,
    },
    /// A file is there already, and overwriting was not asked for.
    Exists {
        /// The first such file.
        path: PathBuf,
    },
    /// A file or the directory could not be made.
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// The system gave no random bytes.
    Random,
    /// The library could not make a key or a certificate.
    Generate {
        /// What it says.
        source: rcgen::Error,
    },
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host } => {
                write!(
                    f,
                    "host {host:?} is neither an IP address nor a DNS name: give it without "
                )?;
                f.write_str("scheme, port and brackets, and international names in their xn-- form")
            }
            Self::Client { name } => {
                write!(
                    f,
                    "client {name:?} cannot name a file: use 1 to 64 of A-Z a-z 0-9 . _ -, "
                )?;
                f.write_str("not starting with . or -, and neither `ca` nor `server`")
            }
            Self::Days { days, limit } => write!(f, "{days} days: choose from 1 to {limit}"),
            Self::Exists { path } => {
                write!(f, "{} exists and was not touched: ", path.display())?;
                f.write_str("add `--force` to replace all of them, or choose another directory")
            }
            Self::Write { path, kind: io::ErrorKind::NotADirectory } => {
                write!(f, "{} is not a directory: move it away, ", path.display())?;
                f.write_str("or choose another directory")
            }
            Self::Write { path, kind } => write!(f, "cannot write {}: {kind}", path.display()),
            Self::Random => f.write_str("the system gave no random bytes: try again"),
            Self::Generate { .. } => f.write_str("cannot make a key or certificate"),
        }
    }
}

impl std::error::Error for IssueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Generate { source } => Some(source),
            _ => None,
        }
    }
}

impl From<rcgen::Error> for IssueError {
    fn from(source: rcgen::Error) -> Self {
        Self::Generate { source }
    }
}
