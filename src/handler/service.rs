//! A tower service as a handler, so that timeouts, rate limits and the like are layers around it.
//!
//! Knows the contract (`tower-service`), not tower: which of its errors mean what is for the caller to
//! say, by [`Service::map_error`].

use std::error::Error;
use std::fmt;
use std::future::poll_fn;

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::handler::{Context, Handler, HandlerError};

/// What a service is called with.
#[derive(Clone, Debug)]
pub struct ServiceRequest {
    /// Who asks, and what can be done for them.
    pub cx: Context,
    /// What they sent.
    pub payload: Bytes,
}

/// A tower service as a handler; its response is `Bytes`, or `Option<Bytes>` where a request may go
/// without a reply.
///
/// One service serves all requests of its tag, so a rate limit is the tag's. It need not be `Clone`:
/// requests queue for it in the order of their arrival until it is ready and has been called, and wait
/// for their responses side by side. A service that is not ready holds up its tag alone.
///
/// An error that is a [`HandlerError`], or was caused by one, is that; any other is
/// [`HandlerError::Failed`] with its text. A layer's own errors are named by [`Service::map_error`]:
///
/// ```
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use tagwire::handler::{HandlerError, Service, ServiceRequest};
/// use tower::timeout::error::Elapsed;
///
/// async fn reverse(request: ServiceRequest) -> Result<Option<Bytes>, HandlerError> {
///     Ok(Some(request.payload.iter().rev().copied().collect()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let layers = tower::ServiceBuilder::new()
///     .timeout(Duration::from_secs(1))
///     .rate_limit(100, Duration::from_secs(1))
///     .service_fn(reverse);
/// let handler = Service::new(layers)
///     .map_error(|error| error.is::<Elapsed>().then_some(HandlerError::TimedOut));
/// # fn is_handler(_: impl tagwire::handler::Handler) {}
/// # is_handler(handler);
/// # }
/// ```
///
/// In the same way `tower::load_shed::error::Overloaded` is [`HandlerError::Busy`].
///
/// A layer that keeps a timer, as the rate limit does, is made within a runtime that outlives the
/// server: its timer runs there, wherever the requests do.
pub struct Service<S> {
    service: Mutex<S>,
    map_error: Option<Box<MapError>>,
}

type MapError = dyn Fn(&(dyn Error + 'static)) -> Option<HandlerError> + Send + Sync;

impl<S> Service<S> {
    /// A handler that calls this service.
    pub fn new(service: S) -> Self {
        Self { service: Mutex::new(service), map_error: None }
    }

    /// Says what some of the service's errors are; `None` for those that it does not know.
    pub fn map_error<F>(self, map: F) -> Self
    where
        F: Fn(&(dyn Error + 'static)) -> Option<HandlerError> + Send + Sync + 'static,
    {
        Self { map_error: Some(Box::new(map)), ..self }
    }

    fn error(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> HandlerError {
        let error = error.into();
        let mapped = self.map_error.as_ref().and_then(|map| map(&*error));
        mapped.or_else(|| caused_by(&*error)).unwrap_or_else(|| HandlerError::failed(error))
    }
}

impl<S> Handler for Service<S>
where
    S: tower_service::Service<ServiceRequest> + Send + 'static,
    S::Response: Into<Option<Bytes>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
{
    async fn handle(&self, cx: &Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
        let response = {
            let mut service = self.service.lock().await;
            // Who is dropped here leaves what was reserved to the next one in line.
            poll_fn(|task| service.poll_ready(task)).await.map_err(|error| self.error(error))?;
            service.call(ServiceRequest { cx: cx.clone(), payload })
        };
        response.await.map(Into::into).map_err(|error| self.error(error))
    }
}

/// The handler's error that is this error, or is behind it.
fn caused_by(error: &(dyn Error + 'static)) -> Option<HandlerError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<HandlerError>() {
            return Some(found.clone());
        }
        next = error.source();
    }
    None
}

impl<S> fmt::Debug for Service<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::time::Duration;

    use tokio::time::Instant;
    use tower::timeout::error::Elapsed;
    use tower::{ServiceBuilder, service_fn};

    use super::*;
    use crate::handler::context::context_for_tests;

    async fn ask<S>(
        service: &Service<S>,
        payload: &'static str,
    ) -> Result<Option<Bytes>, HandlerError>
    where
        Service<S>: Handler,
    {
        service.handle(&context_for_tests(), payload.into()).await
    }

    async fn echo(request: ServiceRequest) -> Result<Bytes, HandlerError> {
        match &request.payload[..] {
            b"hang" => std::future::pending().await,
            b"no" => Err(HandlerError::Forbidden),
            _ => Ok(request.payload),
        }
    }

    #[tokio::test]
    async fn a_response_may_be_bytes_or_none() {
        let bytes = Service::new(service_fn(echo));
        assert_eq!(ask(&bytes, "a").await, Ok(Some("a".into())));
        let none = Service::new(service_fn(async |_: ServiceRequest| Ok::<_, HandlerError>(None)));
        assert_eq!(ask(&none, "a").await, Ok(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_layers_error_is_what_the_caller_says() {
        let layers = || ServiceBuilder::new().timeout(Duration::from_secs(1)).service_fn(echo);
        let plain = Service::new(layers());
        assert_eq!(ask(&plain, "hang").await, Err(HandlerError::failed("request timed out")));
        let mapped = plain.map_error(|e| e.is::<Elapsed>().then_some(HandlerError::TimedOut));
        assert_eq!(ask(&mapped, "hang").await, Err(HandlerError::TimedOut));
        assert_eq!(ask(&mapped, "no").await, Err(HandlerError::Forbidden), "through the layer");
    }

    /// A layer's error that says what it comes from.
    #[derive(Debug)]
    struct Wrapped(HandlerError);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrapped")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[tokio::test]
    async fn a_handlers_error_behind_another_is_found() {
        let service = Service::new(service_fn(async |_: ServiceRequest| {
            Err::<Bytes, _>(Wrapped(HandlerError::Busy))
        }));
        assert_eq!(ask(&service, "a").await, Err(HandlerError::Busy));
    }

    #[tokio::test(start_paused = true)]
    async fn one_rate_limit_counts_all_requests() {
        let layers = ServiceBuilder::new().rate_limit(1, Duration::from_secs(5)).service_fn(echo);
        let service = Service::new(layers);
        let start = Instant::now();
        let (a, b) = tokio::join!(ask(&service, "a"), ask(&service, "b"));
        assert_eq!((a, b), (Ok(Some("a".into())), Ok(Some("b".into()))));
        assert!(start.elapsed() >= Duration::from_secs(5), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_dropped_while_the_service_is_not_ready_holds_up_nobody() {
        let layers = ServiceBuilder::new().concurrency_limit(1).service_fn(echo);
        let service = Service::new(layers);
        let second = Duration::from_secs(1);
        let (hung, waited) = tokio::join!(
            tokio::time::timeout(second * 2, ask(&service, "hang")),
            tokio::time::timeout(second, ask(&service, "never called")),
        );
        assert!(hung.is_err() && waited.is_err());
        assert_eq!(ask(&service, "next").await, Ok(Some("next".into())));
    }
}
