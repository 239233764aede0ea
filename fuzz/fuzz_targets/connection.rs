//! Any bytes as all that a peer says.

#![no_main]

#[path = "../bodies.rs"]
mod bodies;
#[path = "../meter.rs"]
mod meter;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::connection(data));
