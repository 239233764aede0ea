//! Any bytes as the payload of a CONTROL frame.

#![no_main]

#[path = "../bodies.rs"]
mod bodies;
#[path = "../meter.rs"]
mod meter;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::control(data));
