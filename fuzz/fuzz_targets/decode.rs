//! Any bytes as a stream of frames.

#![no_main]

#[path = "../bodies.rs"]
mod bodies;
#[path = "../meter.rs"]
mod meter;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::decode(data));
