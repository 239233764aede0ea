//! The configuration: read from flags, environment and a file, in this order of precedence, over the
//! defaults of `tagwire::limits`; checked as a whole, with every mistake named at once.
//!
//! Knows neither sockets nor certificates. `load` alone touches the file system and the environment.

mod change;
mod check;
mod error;
mod given;
mod handlers;
mod keys;
mod later;
mod origin;
mod reference;
mod rules;
mod show;
mod source;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, thread};

use figment::Figment;
use figment::value::{Dict, Value};
use tagwire::limits::Settings;

pub(crate) use self::change::{Change, Values, update};
pub(crate) use self::error::ConfigError;
use self::error::Problem;
use self::given::Given;
pub(crate) use self::handlers::HandlerConfig;
use self::later::Later;
pub(crate) use self::reference::example;
pub(crate) use self::value::Time;
use crate::files;

/// Bytes of a configuration file. 1 MiB: the one with every key has some 10 KiB.
const FILE_BYTES: u64 = 1 << 20;

/// Everything that `serve` can be told beside its addresses and certificates.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// What the library takes.
    pub(crate) settings: Settings,
    /// Threads that serve connections; as many as there are cores.
    pub(crate) workers: usize,
    /// Process handlers by application tag.
    pub(crate) handlers: BTreeMap<u8, HandlerConfig>,
    /// The Unix socket for what acts; `None` for none.
    pub(crate) admin_socket: Option<PathBuf>,
    /// Names by which one may ask the admin listener, beside addresses and `localhost`.
    pub(crate) admin_hosts: Vec<String>,
    /// What is read but has no effect yet.
    pub(crate) later: Later,
    /// Where the values came from that are not defaults, by key.
    origins: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            workers: thread::available_parallelism().map_or(1, Into::into),
            handlers: BTreeMap::new(),
            admin_socket: None,
            admin_hosts: Vec::new(),
            later: Later::default(),
            origins: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The keys that somebody set although they have no effect yet.
    pub(crate) fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        Later::KEYS.into_iter().filter(|key| self.origins.contains_key(*key))
    }

    /// Merges what was given, the least important first, and checks all of it.
    fn merge(given: Vec<Given>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut figment = Figment::new();
        for mut one in given {
            match keys::find(&one.path) {
                Some(known) => {
                    one.path = known.path();
                    figment = figment.merge(one);
                }
                None if keys::is_section(&one.path) => problems.extend(section(&one)),
                None => problems.push(Problem::Unknown {
                    nearest: keys::nearest(&one.key()),
                    key: one.key(),
                    origin: one.origin.to_string(),
                }),
            }
        }
        let mut config = Self::default();
        let merged = figment.find_value("").ok().and_then(Value::into_dict).unwrap_or_default();
        config.fill(&figment, &mut Vec::new(), &merged, &mut problems);
        // Values that were refused still have their defaults: what they would do together is unknown.
        if problems.is_empty() {
            problems.extend(check::together(&config));
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    /// Puts the merged values into their places.
    fn fill(
        &mut self,
        figment: &Figment,
        path: &mut Vec<String>,
        values: &Dict,
        problems: &mut Vec<Problem>,
    ) {
        for (part, value) in values {
            path.push(part.clone());
            match (keys::find(path), value) {
                (Some(known), value) => {
                    let metadata = figment.get_metadata(value.tag());
                    let origin = metadata.map_or_else(String::new, |data| data.name.to_string());
                    match known.set(self, value) {
                        Ok(()) => drop(self.origins.insert(known.name(), origin)),
                        Err(wants) => problems.push(Problem::Wrong {
                            key: known.name(),
                            value: value::written(value),
                            origin,
                            wants,
                        }),
                    }
                }
                (None, Value::Dict(_, inner)) => self.fill(figment, path, inner, problems),
                // Unknown keys were found before.
                (None, _) => {}
            }
            path.pop();
        }
    }
}

/// What is wrong with a value where a section should be; an empty table is nothing.
fn section(given: &Given) -> Option<Problem> {
    let key = given.key();
    (!matches!(given.value, Value::Empty(..))).then(|| Problem::Wrong {
        value: value::written(&given.value),
        origin: given.origin.to_string(),
        wants: format!("a section, with keys such as {}", keys::nearest(&format!("{key}."))),
        key,
    })
}

/// Where a configuration is read from, beside the environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Sources {
    /// Read the configuration from this TOML file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Set one key of the configuration, over file and environment; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
}

impl Sources {
    /// Reads the configuration: file, environment, flags.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with it.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let text = |path: &Path| {
            files::read(path, FILE_BYTES).map_err(|error| Problem::Unreadable {
                path: path.to_owned(),
                why: error.to_string(),
            })
        };
        let file = self.config.as_deref();
        let file = file.map(|path| text(path).and_then(|text| source::file(path, &text)));
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        let file = file.transpose().map_err(|problem| ConfigError(vec![problem]))?;
        let mut given = file.unwrap_or_default();
        given.extend(source::variables(variables));
        given.extend(source::flags(&self.settings).map_err(ConfigError)?);
        Config::merge(given)
    }
}

#[cfg(test)]
mod tests;
