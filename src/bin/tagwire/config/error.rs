//! What can be wrong with a configuration: what happened, where, and what would be right.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// Everything that is wrong with a configuration, so that one attempt shows all of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigError(pub(crate) Vec<Problem>);

/// One thing that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The file cannot be read.
    Unreadable { path: PathBuf, why: String },
    /// The file is not TOML.
    NotToml { path: PathBuf, line: usize, why: String },
    /// `--set` without an equals sign.
    NotASetting { text: String },
    /// There is no such key.
    Unknown { key: String, origin: String, nearest: String },
    /// The value is not one that the key can have.
    Wrong { key: String, value: String, origin: String, wants: String },
    /// Values that do not go together.
    Together { what: String, why: &'static str },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => {
                write!(f, "cannot read the configuration file {}: {why}", path.display())
            }
            Self::NotToml { path, line, why } => {
                write!(f, "{}, line {line}: not TOML: {why}", path.display())
            }
            Self::NotASetting { text } => {
                write!(f, "--set {text:?}: wants KEY=VALUE, such as limits.frame=64KiB")
            }
            Self::Unknown { key, origin, nearest } => {
                write!(f, "unknown key {key:?} ({origin}): the nearest known one is {nearest}")
            }
            Self::Wrong { key, value, origin, wants } => {
                write!(f, "{key} = {value} ({origin}): wants {wants}")
            }
            Self::Together { what, why } => write!(f, "{what}: {why}"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bad configuration")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl Error for ConfigError {}
