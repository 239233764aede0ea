//! Rooms from outside: the log against a plain `Vec`, rooms on engines of every temper.

mod erratic;
mod lifetime;
mod log;
mod members;
mod pause;
mod publish;
mod support;
mod wake;
