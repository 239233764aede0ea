//! Handshakes in turns, so that who is connected waits for a few of them at most.
//!
//! A step of a handshake takes 100 us and more, a hundred times what any other task does in its turn. If
//! 256 were due at once, everybody else on the worker would wait until all of them are made. So a worker
//! makes only a few steps between two looks at its sockets; who is due comes in the order of arrival.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::room::WorkerId;
use crate::sync::lock;

/// Steps of handshakes between two looks of a worker at its sockets.
const TURNS: usize = 1;

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct Handshakes {
    places: Places,
    turns: Box<[Semaphore]>,
}

impl Handshakes {
    pub(super) fn new(workers: usize) -> Self {
        let turns = (0..workers).map(|_| Semaphore::new(TURNS)).collect();
        Self { places: Places::default(), turns }
    }

    /// Makes a handshake on a worker, each step in its turn, `limit` of them at once on all workers.
    ///
    /// While it waits for the peer it takes no place: who leaves an answer lying holds up nobody.
    pub(super) async fn make<F: Future>(
        &self,
        worker: WorkerId,
        limit: usize,
        handshake: F,
    ) -> F::Output {
        let mut handshake = pin!(handshake);
        loop {
            {
                let _place = self.places.take(limit).await;
                let _turn = match self.turns.get(worker.0) {
                    Some(turns) => turns.acquire().await.ok(),
                    None => None,
                };
                // Comes back when the worker has looked at its sockets, behind those who have news.
                yield_now().await;
                let step = poll_fn(|context| Poll::Ready(handshake.as_mut().poll(context))).await;
                if let Poll::Ready(made) = step {
                    return made;
                }
            }
            woken().await;
        }
    }
}

/// Waits until this task is woken, by whatever it polled before.
async fn woken() {
    let mut asleep = false;
    poll_fn(|_| match std::mem::replace(&mut asleep, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// A number of places that can change while some are taken.
#[derive(Debug)]
struct Places {
    free: Semaphore,
    /// Places there are, free and taken.
    count: Mutex<usize>,
}

impl Default for Places {
    fn default() -> Self {
        Self { free: Semaphore::new(0), count: Mutex::new(0) }
    }
}

impl Places {
    /// Waits for one of `limit` places.
    async fn take(&self, limit: usize) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.fit(limit.clamp(1, Semaphore::MAX_PERMITS));
        self.free.acquire().await.ok()
    }

    /// Places that are to go and are taken go with a later call.
    fn fit(&self, limit: usize) {
        let mut count = lock(&self.count);
        if *count < limit {
            self.free.add_permits(limit - *count);
            *count = limit;
        } else if *count > limit {
            *count -= self.free.forget_permits(*count - limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    /// A handshake of three steps.
    async fn handshake(steps: Arc<AtomicUsize>) {
        for _ in 0..3 {
            steps.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn others_have_their_turn_between_a_few_handshakes() {
        let handshakes = Arc::new(Handshakes::new(1));
        let steps = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (handshakes, handshake) = (handshakes.clone(), handshake(steps.clone()));
                tokio::spawn(async move { handshakes.make(WorkerId(0), 256, handshake).await })
            })
            .collect();
        let other = tokio::spawn(async move {
            let mut before = 0;
            while before < 300 {
                yield_now().await;
                let now = steps.load(Ordering::SeqCst);
                // It may come first after one look and last after the next.
                assert!(now - before <= 2 * TURNS, "{} steps in a row", now - before);
                before = now;
            }
        });
        for task in tasks.into_iter().chain([other]) {
            task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn who_waits_for_its_peer_holds_up_nobody() {
        let handshakes = Arc::new(Handshakes::new(1));
        let (answer, waiting) = oneshot::channel::<()>();
        let slow = handshakes.clone();
        let slow = tokio::spawn(async move { slow.make(WorkerId(0), 1, waiting).await });
        yield_now().await;
        handshakes.make(WorkerId(0), 1, handshake(Arc::default())).await;
        answer.send(()).unwrap();
        slow.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_number_of_places_can_change_while_some_are_taken() {
        let places = Places::default();
        let first = places.take(2).await;
        let second = places.take(2).await;
        places.fit(1);
        assert_eq!(
            (places.free.available_permits(), *lock(&places.count)),
            (0, 2),
            "both are taken"
        );
        drop((first, second));
        let only = places.take(1).await;
        assert_eq!((places.free.available_permits(), *lock(&places.count)), (0, 1));
        drop(only);
        drop(places.take(usize::MAX).await);
        assert_eq!(places.free.available_permits(), Semaphore::MAX_PERMITS);
    }
}
