//! One file descriptor that is kept in reserve: without any, connections could not even be refused.

use std::fs::File;
use std::io;

/// `ENFILE` and `EMFILE`, the same on every Unix; the standard library has no names for them.
const NONE_LEFT: [i32; 2] = [23, 24];

/// Whether this machine, or this process, has no descriptor left.
pub(in crate::server) fn are_used_up(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| NONE_LEFT.contains(&code))
}

/// A descriptor that is open for nothing, while there are others.
#[derive(Debug)]
pub(in crate::server) struct Reserve(Option<File>);

impl Reserve {
    pub(in crate::server) fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Gives it up for the next connection; whether there was one to give up.
    pub(in crate::server) fn give_up(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Takes one if it was given up; whether it is there, and so, whether there may be others.
    pub(in crate::server) fn restore(&mut self) -> bool {
        if self.0.is_none() {
            *self = Self::new();
        }
        self.0.is_some()
    }
}
