//! Goal: nothing that a fuzzer ever found, or was given to start with, fails again.
//! Method: replays fuzz/corpus/ with the bodies of the fuzz targets themselves, on a stable compiler.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/bodies.rs"]
mod bodies;

/// What takes the place of fuzz/meter.rs: nothing here counts the heap.
mod meter {
    pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
        (work(), 0)
    }
}

#[test]
fn decode() {
    replay("decode", bodies::decode, 64);
}

#[test]
fn control() {
    replay("control", bodies::control, 64);
}

#[test]
fn connection() {
    replay("connection", bodies::connection, 8);
}

#[test]
fn message_call() {
    replay("message_call", bodies::message_call, 64);
}

/// Each file of a target's corpus, and some of its beginnings.
fn replay(target: &str, body: fn(&[u8]), beginnings: usize) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(&corpus).unwrap() {
        let data = fs::read(entry.unwrap().path()).unwrap();
        for end in (0..=data.len()).step_by((data.len() / beginnings).max(1)) {
            body(data.get(..end).unwrap_or_default());
        }
        body(&data);
        files += 1;
    }
    assert!(files >= 20, "{} has {files} files", corpus.display());
}
