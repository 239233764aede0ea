//! Registered handlers by tag: 256 slots, one handler each.
//!
//! The built-in handlers stand in theirs from the start and can be replaced like any other.

mod request;
mod route;

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;

pub use request::{Ask, Request};
pub(crate) use route::Kind;
pub use route::Route;

use crate::handler::{Control, Data, Heartbeat, Message};
use crate::wire::Tag;

/// Handlers by tag.
pub struct Router {
    slots: Box<[Option<Arc<Route>>]>,
    /// Where handlers run that are not inline.
    runtime: Option<Handle>,
}

/// Why a handler cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// The tag has a handler already; [`Router::replace`] says that this is meant.
    Taken(Tag),
    /// The tag is not one that a handler can have: 0, CALL, ANSWER, or reserved.
    Reserved(Tag),
}

impl Router {
    /// A router with the built-in handlers.
    pub fn new() -> Self {
        let mut router = Self { slots: (0..256).map(|_| None).collect(), runtime: None };
        router.put(Tag::CONTROL, Route::in_place(Control));
        router.put(Tag::DATA, Route::in_place(Data));
        router.put(Tag::HEARTBEAT, Route::in_place(Heartbeat));
        router.put(Tag::MESSAGE, Route::in_place(Message));
        router
    }

    /// Registers a handler for a tag that has none.
    ///
    /// # Errors
    ///
    /// Returns a [`RouteError`] if the tag has one, or can have none.
    pub fn route(&mut self, tag: Tag, route: Route) -> Result<(), RouteError> {
        match self.get(tag) {
            Some(_) => Err(RouteError::Taken(tag)),
            None => self.replace(tag, route),
        }
    }

    /// Registers a handler for a tag, instead of the one it may have.
    ///
    /// # Errors
    ///
    /// Returns a [`RouteError`] if the tag can have none.
    pub fn replace(&mut self, tag: Tag, route: Route) -> Result<(), RouteError> {
        let built_in = [Tag::CONTROL, Tag::DATA, Tag::HEARTBEAT, Tag::MESSAGE].contains(&tag);
        if !built_in && !tag.is_application() {
            return Err(RouteError::Reserved(tag));
        }
        self.put(tag, route);
        Ok(())
    }

    fn put(&mut self, tag: Tag, route: Route) {
        if let Some(slot) = self.slots.get_mut(usize::from(tag.as_byte())) {
            *slot = Some(Arc::new(route));
        }
    }

    /// The handler of a tag.
    #[inline]
    pub fn get(&self, tag: Tag) -> Option<&Arc<Route>> {
        self.slots.get(usize::from(tag.as_byte()))?.as_ref()
    }

    /// Whether a handler needs a runtime of its own.
    pub fn needs_runtime(&self) -> bool {
        self.slots.iter().flatten().any(|route| route.needs_runtime())
    }

    /// Says where handlers run that are not inline.
    pub fn set_runtime(&mut self, runtime: Handle) {
        self.runtime = Some(runtime);
    }

    /// Where handlers run that are not inline.
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags = (0..=u8::MAX).map(Tag::from_byte).filter(|&tag| self.get(tag).is_some());
        f.debug_list().entries(tags).finish()
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(tag) => write!(f, "tag {tag} has a handler already"),
            Self::Reserved(tag) => {
                write!(f, "tag {tag} is the protocol's own: handlers have 0x10 to 0xff")
            }
        }
    }
}

impl std::error::Error for RouteError {}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::handler::{Context, HandlerError};

    async fn echo(_cx: Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
        Ok(Some(payload))
    }

    #[test]
    fn two_handlers_for_one_tag_are_refused() {
        let mut router = Router::new();
        let tag = Tag::from_byte(0x20);
        assert_eq!(router.route(tag, echo.into()), Ok(()));
        assert_eq!(router.route(tag, echo.into()), Err(RouteError::Taken(tag)));
        assert_eq!(router.route(Tag::DATA, echo.into()), Err(RouteError::Taken(Tag::DATA)));
        assert_eq!(router.replace(Tag::DATA, echo.into()), Ok(()));
    }

    #[test]
    fn the_protocols_own_tags_take_no_handler() {
        let mut router = Router::new();
        for byte in [0, 5, 6].into_iter().chain(7..0x10) {
            let tag = Tag::from_byte(byte);
            assert_eq!(router.route(tag, echo.into()), Err(RouteError::Reserved(tag)));
        }
    }
}
