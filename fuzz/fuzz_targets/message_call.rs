//! Any bytes as the payload of each binary frame.

#![no_main]

#[path = "../bodies.rs"]
mod bodies;
#[path = "../meter.rs"]
mod meter;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::message_call(data));
