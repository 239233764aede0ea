//! `hello`: a name for the connection, and for a client that comes back, its place from before.

use crate::peer::Mail;
use crate::session::{Identity, Problem, Session};
use crate::wire::{Code, Event, Hello, RequestId};

/// The protocol's name of this server.
const SERVER: &str = concat!("tagwire/", env!("CARGO_PKG_VERSION"));

/// A `hello` that waits until the connections that it takes over have left their rooms.
#[derive(Debug)]
pub(super) struct Takeover {
    id: Option<RequestId>,
    /// How many have not. More than one if others came meanwhile, which are taken over too.
    left: usize,
}

impl Session {
    /// Takes a `hello`. The welcome may have to wait: see [`Session::is_waiting`].
    ///
    /// # Errors
    ///
    /// Returns a [`Problem`] for a second `hello`.
    pub fn hello(&mut self, id: Option<RequestId>, hello: Hello) -> Result<(), Problem> {
        if std::mem::replace(&mut self.greeted, true) {
            return Err(Problem::new(Code::BadControl, "hello may come once"));
        }
        self.user_id = hello.user_id;
        // It may be a user whose rates others share.
        self.generation = 0;
        self.settle_rates();
        let Some(client) = hello.client_id else {
            self.welcome(id.as_ref());
            return Ok(());
        };
        let node = self.node.clone();
        self.client_id = Some(client.clone());
        let (publisher, before) =
            node.clients().enter(Identity::Anonymous, client, &self.mailbox, &node);
        self.publisher = publisher;
        if before.is_empty() {
            self.welcome(id.as_ref());
            return Ok(());
        }
        self.takeover = Some(Box::new(Takeover { id, left: before.len() }));
        for before in before {
            before.post(Mail::Taken(self.mailbox.clone()));
        }
        Ok(())
    }

    /// A connection that this one takes over has left its rooms.
    pub fn handle_vacated(&mut self) {
        let Some(takeover) = &mut self.takeover else { return };
        takeover.left = takeover.left.saturating_sub(1);
        if takeover.left == 0
            && let Some(takeover) = self.takeover.take()
        {
            self.welcome(takeover.id.as_ref());
        }
    }

    fn welcome(&mut self, id: Option<&RequestId>) {
        let (user_id, node) = (self.user_id(), self.node.clone());
        let (mailbox, settings) = (self.mailbox.clone(), node.settings());
        let heartbeat_ms = settings.heartbeat.interval.as_millis();
        let event = Event::Welcome {
            session: mailbox.session().as_str(),
            server: SERVER,
            user_id: user_id.as_str(),
            max_frame: settings.limits.frame,
            heartbeat_ms: u64::try_from(heartbeat_ms).unwrap_or(u64::MAX),
            default_room: settings.rooms.default.as_ref().map(|room| room.as_str()),
            features: &[],
        };
        self.say(id, &event);
    }
}
