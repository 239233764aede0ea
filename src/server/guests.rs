//! Who is connected, and how far the server is with its end: under one lock, so that whoever arrives
//! while it ends is told everything once.

use std::sync::{Arc, Mutex};

use slab::Slab;

use crate::id::ConnectionId;
use crate::peer::Mailbox;
use crate::sync::lock;

/// How far a server is with its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Whoever comes is served.
    #[default]
    Serving,
    /// Everyone was told; each goes on working until its turn comes.
    Draining,
    /// Everyone's turn has come: each gets what it is owed, and is closed.
    Closing,
    /// The time to end in order is over.
    Ended,
}

/// Everyone who is connected, to be told of the end.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    stage: Stage,
    all: Slab<Arc<Mailbox>>,
}

impl Guests {
    /// Enters a connection that is about to be served, until the visit is dropped; and what it has
    /// missed: nobody has told it of that stage.
    pub(super) fn enter(self: &Arc<Self>, mailbox: Arc<Mailbox>) -> (Visit, Stage) {
        let mut book = lock(&self.0);
        let key = book.all.insert(mailbox);
        (Visit { guests: self.clone(), key }, book.stage)
    }

    /// Everyone who is connected and has a higher number, in any order.
    pub(super) fn after(&self, after: ConnectionId) -> Vec<Arc<Mailbox>> {
        let book = lock(&self.0);
        let later = book.all.iter().map(|(_, mailbox)| mailbox);
        later.filter(|mailbox| mailbox.id() > after).cloned().collect()
    }

    /// Goes on to a stage; who is to be told of it.
    pub(super) fn advance(&self, stage: Stage) -> Vec<Arc<Mailbox>> {
        let mut book = lock(&self.0);
        book.stage = stage;
        book.all.iter().map(|(_, mailbox)| mailbox.clone()).collect()
    }
}

/// A connection's place among those who are told of the end.
#[derive(Debug)]
pub(super) struct Visit {
    guests: Arc<Guests>,
    key: usize,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut book = lock(&self.guests.0);
        book.all.try_remove(self.key);
        if book.all.is_empty() {
            book.all = Slab::new();
        }
    }
}
