//! The event that says what went wrong.

use std::ops::Not;

use serde::Serialize;

use crate::wire::{Code, Tag};

/// What went wrong: a code for programs, a message for people, and what the code's row of the
/// protocol's table adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorEvent<'a> {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: &'a str,
    /// Whether the server closes after it.
    #[serde(skip_serializing_if = "Not::not")]
    pub fatal: bool,
    /// Which tag it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// The bound that a frame was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_frame: Option<u32>,
    /// Which publish it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_id: Option<u64>,
    /// Which channel it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// Which room it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<&'a str>,
    /// Why, where the code alone does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// When to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
}

impl<'a> ErrorEvent<'a> {
    /// An error that is fatal if its code is, with nothing added.
    pub const fn new(code: Code, message: &'a str) -> Self {
        Self {
            code,
            message,
            fatal: code.is_fatal(),
            tag: None,
            max_frame: None,
            publish_id: None,
            channel: None,
            room_id: None,
            reason: None,
            retry_ms: None,
        }
    }
}
