//! Handlers that are processes, from the configuration (docs/protocol.md, section 10).

use anyhow::Context;
use tagwire::handler::{ProcessConfig, ProcessPool};
use tagwire::router::Route;
use tagwire::server::Builder;
use tagwire::wire::Tag;

use crate::config::Config;
use crate::exit::{Exit, Failure};

/// The process pools of a server; their children live on the runtime that makes them.
#[derive(Debug, Default)]
pub(super) struct Pools(Vec<ProcessPool>);

impl Pools {
    /// Starts a pool for each tag that has one, and registers it.
    pub(super) fn register(
        config: &Config,
        mut builder: Builder,
    ) -> Result<(Self, Builder), Failure> {
        let mut pools = Vec::new();
        for (&tag, handler) in &config.handlers {
            let timeout = handler.timeout.unwrap_or(config.settings.timeouts.handler);
            let pool = ProcessPool::new(ProcessConfig {
                workers: handler.workers,
                timeout,
                max_frame: config.settings.limits.frame,
                ..ProcessConfig::new(Tag::from_byte(tag), &handler.command)
            });
            let started = pool.and_then(|pool| pool.start().map(|()| pool));
            let pool = started
                .with_context(|| format!("handlers.{tag:#04x}.command"))
                .map_err(|error| Failure::new(Exit::Config, error))?;
            // The pool bounds both the wait and the answer by its own time.
            let route = Route::new(pool.clone()).timeout(timeout * 2);
            builder = builder.route(tag, route);
            pools.push(pool);
        }
        Ok((Self(pools), builder))
    }

    /// Lets each process finish what it has, and waits until it has ended.
    pub(super) async fn stop(self) {
        for pool in self.0 {
            pool.stop().await;
        }
    }
}
