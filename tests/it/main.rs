//! Tests from outside: one binary, a file per behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

#[cfg(feature = "cli")]
mod admin;
mod admission;
mod budgets;
mod cancel;
#[cfg(feature = "cli")]
mod cli;
mod counters;
mod docs;
mod drain;
#[cfg(feature = "cli")]
mod earnest;
mod errors;
mod handlers;
mod heartbeat;
mod layers;
mod limits;
#[cfg(feature = "cli")]
mod logs;
#[cfg(feature = "cli")]
mod outside;
mod pause;
mod proxy;
mod rates;
mod reload;
mod slow;
#[cfg(feature = "cli")]
mod strangers;
#[cfg(feature = "cli")]
mod supervisor;
mod support;
mod tap;
mod tls;
mod wire;
