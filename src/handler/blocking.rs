//! A blocking function as a handler: for work that computes, or waits without `await`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::handler::{Context, Handler, HandlerError};

/// A blocking function as a handler, on a bounded number of threads.
///
/// At most `threads` calls run at once, on the runtime's threads for blocking work, and 16 times as
/// many wait, in the order of their arrival; what comes on top is refused with
/// [`HandlerError::Busy`].
///
/// A thread cannot be stopped: a request that took too long is answered so, but its call goes on and
/// counts against the bound until it really ends. So a function that never returns costs its thread,
/// and no more than `threads` of them.
///
/// ```
/// use tagwire::handler::{Blocking, HandlerError};
///
/// let square = Blocking::new(4, |_cx, payload| {
///     let number: u64 = String::from_utf8_lossy(&payload).trim().parse().map_err(HandlerError::failed)?;
///     Ok(Some(number.saturating_mul(number).to_string().into()))
/// });
/// # fn is_handler(_: impl tagwire::handler::Handler) {}
/// # is_handler(square);
/// ```
pub struct Blocking<F> {
    call: Arc<F>,
    threads: usize,
    /// One for each call that runs.
    running: Arc<Semaphore>,
    /// One for each call that runs or waits.
    admitted: Arc<Semaphore>,
}

/// Calls that wait, for each thread. 16: at 10 ms a call, the last waits 160 ms.
const WAITING_PER_THREAD: usize = 16;

impl<F> Blocking<F>
where
    F: Fn(Context, Bytes) -> Result<Option<Bytes>, HandlerError> + Send + Sync + 'static,
{
    /// A handler that calls this function on at most `threads` threads at once, and at least one.
    pub fn new(threads: usize, call: F) -> Self {
        let threads = threads.clamp(1, Semaphore::MAX_PERMITS);
        let [running, admitted] = [threads; 2].map(|permits| Arc::new(Semaphore::new(permits)));
        let handler = Self { call: Arc::new(call), threads, running, admitted };
        handler.queue(threads.saturating_mul(WAITING_PER_THREAD))
    }

    /// Sets how many calls may wait while all threads are busy.
    pub fn queue(self, waiting: usize) -> Self {
        let admitted = self.threads.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self { admitted: Arc::new(Semaphore::new(admitted)), ..self }
    }
}

impl<F> Handler for Blocking<F>
where
    F: Fn(Context, Bytes) -> Result<Option<Bytes>, HandlerError> + Send + Sync + 'static,
{
    async fn handle(&self, cx: &Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
        let admitted = self.admitted.clone().try_acquire_owned();
        let admitted = admitted.map_err(|_| HandlerError::Busy)?;
        // Never closed.
        let running = self.running.clone().acquire_owned().await;
        let running = running.map_err(|_| HandlerError::Busy)?;
        let (call, cx) = (self.call.clone(), cx.clone());
        let called = spawn_blocking(move || {
            // They leave with the call, not with who waits for it; also when it panics.
            let _permits = (running, admitted);
            call(cx, payload)
        });
        called.await.unwrap_or_else(|error| {
            let why = if error.is_panic() { "the handler panicked" } else { "the server stops" };
            Err(HandlerError::failed(why))
        })
    }
}

impl<F> fmt::Debug for Blocking<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking")
            .field("threads", &self.threads)
            .field("running", &(self.threads - self.running.available_permits()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use tokio::task::JoinSet;

    use super::*;
    use crate::handler::context::context_for_tests;
    use crate::sync::lock;

    type Answer = Result<Option<Bytes>, HandlerError>;

    /// A handler whose calls say that they have begun, and end when they are told to.
    fn gated(threads: usize, queue: usize) -> (Arc<impl Handler>, Gate) {
        let (begin, begun) = tokio::sync::mpsc::unbounded_channel();
        let (release, gate) = mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let now = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let seen = most.clone();
        let call = move |_: Context, payload| {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            begin.send(()).unwrap();
            let released = lock(&gate).recv();
            now.fetch_sub(1, Ordering::SeqCst);
            released.map_err(HandlerError::failed)?;
            Ok(Some(payload))
        };
        (Arc::new(Blocking::new(threads, call).queue(queue)), Gate { begun, release, most })
    }

    struct Gate {
        begun: tokio::sync::mpsc::UnboundedReceiver<()>,
        release: mpsc::Sender<()>,
        most: Arc<AtomicUsize>,
    }

    fn ask(tasks: &mut JoinSet<Answer>, handler: &Arc<impl Handler>) {
        let handler = handler.clone();
        tasks.spawn(async move { handler.handle(&context_for_tests(), "x".into()).await });
    }

    #[tokio::test]
    async fn no_more_run_than_there_are_threads_and_no_more_wait_than_the_queue_holds() {
        let (handler, mut gate) = gated(2, 3);
        let mut tasks = JoinSet::new();
        (0..6).for_each(|_| ask(&mut tasks, &handler));
        // The sixth is refused at once; nothing else can end before the gate opens.
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), Err(HandlerError::Busy));
        (0..5).for_each(|_| gate.release.send(()).unwrap());
        while let Some(answer) = tasks.join_next().await {
            assert_eq!(answer.unwrap(), Ok(Some("x".into())));
        }
        (0..5).for_each(|_| gate.begun.try_recv().unwrap());
        assert!(gate.most.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_counts_until_it_ends() {
        let (handler, mut gate) = gated(1, 0);
        let mut tasks = JoinSet::new();
        ask(&mut tasks, &handler);
        gate.begun.recv().await.unwrap();
        tasks.shutdown().await;
        let cx = context_for_tests();
        assert_eq!(handler.handle(&cx, "y".into()).await, Err(HandlerError::Busy));
        gate.release.send(()).unwrap();
        gate.release.send(()).unwrap();
        let mut answer = Err(HandlerError::Busy);
        while answer == Err(HandlerError::Busy) {
            tokio::task::yield_now().await;
            answer = handler.handle(&cx, "y".into()).await;
        }
        assert_eq!(answer, Ok(Some("y".into())));
    }

    #[tokio::test]
    async fn one_that_waits_and_is_dropped_gives_up_its_place() {
        let (handler, mut gate) = gated(1, 1);
        let mut tasks = JoinSet::new();
        ask(&mut tasks, &handler);
        gate.begun.recv().await.unwrap();
        let cx = context_for_tests();
        for _ in 0..3 {
            let mut waits = std::pin::pin!(handler.handle(&cx, "w".into()));
            tokio::select! {
                biased;
                answer = &mut waits => panic!("{answer:?}"),
                () = std::future::ready(()) => {}
            }
            assert_eq!(handler.handle(&cx, "z".into()).await, Err(HandlerError::Busy));
        }
        gate.release.send(()).unwrap();
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), Ok(Some("x".into())));
    }

    #[tokio::test]
    async fn a_panic_fails_its_request_alone() {
        let handler = Blocking::new(1, |_, payload: Bytes| match &payload[..] {
            b"panic" => panic!("as asked"),
            _ => Ok(Some(payload)),
        });
        let cx = context_for_tests();
        for _ in 0..20 {
            let failed = Err(HandlerError::failed("the handler panicked"));
            assert_eq!(handler.handle(&cx, "panic".into()).await, failed);
        }
        assert_eq!(handler.handle(&cx, "fine".into()).await, Ok(Some("fine".into())));
    }
}
