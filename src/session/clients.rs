//! Clients by the name that they keep across reconnects: who has it now, and as whom it publishes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::id::ClientId;
use crate::peer::Mailbox;
use crate::room::PublisherId;
use crate::session::Node;
use crate::sync::lock;

/// How long a client that has gone keeps its publisher. Longer than rooms remember a publisher.
const REMEMBER_MS: u64 = 180_000;
/// Clients that are remembered for as long as they should; about 50 MiB. Of more, those that have gone
/// are forgotten sooner, in proportion.
const CLIENTS: u64 = 1 << 18;

/// Who a client is, as far as credentials tell. A client id is one identity's own: the same name used
/// by another identity is another client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Nobody in particular: no credential was asked for.
    Anonymous,
}

/// Clients by identity and name.
#[derive(Debug, Default)]
pub struct Clients {
    // The standard hasher is keyed at random: names are chosen by peers.
    known: Mutex<HashMap<(Identity, ClientId), Client>>,
}

#[derive(Debug)]
struct Client {
    publisher: PublisherId,
    /// Connections that have the name and have not ended; all but the newest are about to.
    holders: Vec<Arc<Mailbox>>,
    gone_ms: u64,
}

impl Clients {
    /// Gives the name to a connection; as whom it publishes, and which connections had the name and have
    /// not ended. More than one if each took over before the one before it was gone.
    pub(super) fn enter(
        &self,
        identity: Identity,
        client: ClientId,
        mailbox: &Arc<Mailbox>,
        node: &Node,
    ) -> (PublisherId, Vec<Arc<Mailbox>>) {
        let mut known = lock(&self.known);
        let client = known.entry((identity, client)).or_insert_with(|| Client {
            publisher: node.publisher(),
            holders: Vec::with_capacity(1),
            gone_ms: 0,
        });
        let before = client.holders.clone();
        client.holders.push(mailbox.clone());
        (client.publisher, before)
    }

    /// A connection that had the name has ended.
    pub(super) fn leave(
        &self,
        identity: &Identity,
        client: &ClientId,
        mailbox: &Arc<Mailbox>,
        now_ms: u64,
    ) {
        let mut known = lock(&self.known);
        let Some(client) = known.get_mut(&(identity.clone(), client.clone())) else { return };
        client.holders.retain(|holder| !Arc::ptr_eq(holder, mailbox));
        if client.holders.is_empty() {
            client.holders = Vec::new();
            client.gone_ms = now_ms;
        }
    }

    /// Forgets who has been gone for long.
    pub(super) fn sweep(&self, now_ms: u64) {
        let mut known = lock(&self.known);
        let remember_ms = REMEMBER_MS * CLIENTS / (known.len() as u64).max(CLIENTS);
        known.retain(|_, client| {
            !client.holders.is_empty() || now_ms.saturating_sub(client.gone_ms) < remember_ms
        });
        if known.len() < known.capacity() / 8 {
            known.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::limits::Settings;
    use crate::room::Memory;

    #[test]
    #[ignore = "long: half a million clients"]
    fn of_too_many_clients_those_that_have_gone_are_forgotten_sooner() {
        let node = Node::new(NodeId::new(7), Settings::default(), 1, Box::new(Memory));
        let (clients, mailbox) = (node.clients(), node.mailbox());
        let come_and_go = |numbers: std::ops::Range<u64>| {
            for number in numbers {
                let client = ClientId::new(&number.to_string()).unwrap();
                clients.enter(Identity::Anonymous, client.clone(), &mailbox, &node);
                clients.leave(&Identity::Anonymous, &client, &mailbox, 0);
            }
        };
        let known = || lock(&clients.known).len() as u64;
        come_and_go(0..CLIENTS);
        clients.sweep(REMEMBER_MS - 1);
        assert_eq!(known(), CLIENTS);
        // Twice as many, for half as long.
        come_and_go(CLIENTS..2 * CLIENTS);
        clients.sweep(REMEMBER_MS / 2 - 1);
        assert_eq!(known(), 2 * CLIENTS);
        clients.sweep(REMEMBER_MS / 2);
        assert_eq!(known(), 0);
    }
}
