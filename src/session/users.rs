//! Users who are connected, by name: what all connections of one share. There are never more than
//! connections.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use crate::id::UserId;
use crate::session::rates::{Meters, PerSecond};
use crate::session::{Identity, Node};
use crate::sync::lock;

/// The rates of users who have a name, as long as one of their connections is there.
#[derive(Debug, Default)]
pub struct Users {
    // The standard hasher is keyed at random: names are chosen by peers.
    known: Mutex<HashMap<(Identity, UserId), Arc<Meters>>>,
}

impl Users {
    /// A connection of that user takes part in what the user may do.
    pub(super) fn enter(
        &self,
        identity: Identity,
        user_id: UserId,
        per_second: PerSecond,
        node: &Arc<Node>,
    ) -> UserShare {
        let key = (identity, user_id);
        let mut known = lock(&self.known);
        let fresh = || Arc::new(Meters::new(per_second));
        let meters = known.entry(key.clone()).or_insert_with(fresh);
        if meters.per_second != per_second {
            // The settings were exchanged; the others follow with their next read.
            *meters = fresh();
        }
        UserShare { meters: meters.clone(), entry: Some((node.clone(), key)) }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.known).len()
    }
}

/// A connection's part in its user's rates; the last one takes the entry with it.
#[derive(Debug)]
pub(super) struct UserShare {
    meters: Arc<Meters>,
    entry: Option<(Arc<Node>, (Identity, UserId))>,
}

impl UserShare {
    /// That of a user who has no name, and so only this connection.
    pub(super) fn alone(meters: Arc<Meters>) -> Self {
        Self { meters, entry: None }
    }
}

impl Deref for UserShare {
    type Target = Meters;

    fn deref(&self) -> &Meters {
        &self.meters
    }
}

impl Drop for UserShare {
    fn drop(&mut self) {
        let Some((node, key)) = &self.entry else { return };
        let mut known = lock(&node.users().known);
        // The table's and this one: under the lock nobody else comes.
        let last = Arc::strong_count(&self.meters) == 2;
        if last && known.get(key).is_some_and(|meters| Arc::ptr_eq(meters, &self.meters)) {
            known.remove(key);
            if known.len() < known.capacity() / 8 {
                known.shrink_to_fit();
            }
        }
    }
}
