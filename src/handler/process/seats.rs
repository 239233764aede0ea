//! Children that are ready for a request, and requests that wait for one.
//!
//! A semaphore counts the seats, so requests wait in the order of their arrival and one that is dropped
//! has waited for nothing. It may count one too many for a moment, never too few: who then finds no
//! seat waits again.

use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

use crate::handler::HandlerError;
use crate::sync::lock;

/// A request on its way to a child.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) payload: Bytes,
    /// Dropped without a word if no child has seen the request.
    pub(super) reply: oneshot::Sender<Result<Option<Bytes>, HandlerError>>,
}

/// Where a worker takes its next job.
pub(super) type Seat = oneshot::Sender<Job>;

/// The free seats of a pool.
#[derive(Debug)]
pub(super) struct Seats {
    /// At most one for each worker. The last one to be free is taken first: its memory is warm.
    free: Mutex<Vec<(usize, Seat)>>,
    count: Semaphore,
}

impl Seats {
    pub(super) const fn new() -> Self {
        Self { free: Mutex::new(Vec::new()), count: Semaphore::const_new(0) }
    }

    /// Waits for a seat; `None` once there will be no more.
    pub(super) async fn take(&self) -> Option<Seat> {
        loop {
            self.count.acquire().await.ok()?.forget();
            // From here to the job no await: a seat that is taken is used.
            if let Some((_, seat)) = lock(&self.free).pop() {
                return Some(seat);
            }
        }
    }

    /// Offers a seat, for as long as the offer lives.
    pub(super) fn offer(&self, worker: usize) -> Offer<'_> {
        let (seat, job) = oneshot::channel();
        lock(&self.free).push((worker, seat));
        self.count.add_permits(1);
        Offer { seats: self, worker, job }
    }

    /// Nobody gets a seat any more.
    pub(super) fn close(&self) {
        self.count.close();
    }
}

/// A worker's free seat.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    seats: &'a Seats,
    worker: usize,
    job: oneshot::Receiver<Job>,
}

impl Offer<'_> {
    /// Waits for a job. It never comes if whoever took the seat did not use it: offer another then.
    pub(super) async fn taken(&mut self) -> Option<Job> {
        (&mut self.job).await.ok()
    }
}

/// A job that has come in between is dropped with its reply: that request looks for another seat.
impl Drop for Offer<'_> {
    fn drop(&mut self) {
        let mut free = lock(&self.seats.free);
        if let Some(at) = free.iter().position(|(worker, _)| *worker == self.worker) {
            free.swap_remove(at);
            self.seats.count.forget_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn job(payload: &'static str) -> (Job, oneshot::Receiver<Result<Option<Bytes>, HandlerError>>) {
        let (reply, answer) = oneshot::channel();
        (Job { payload: payload.into(), reply }, answer)
    }

    #[test]
    fn requests_get_seats_in_the_order_of_their_arrival() {
        let seats = Seats::new();
        let (mut first, mut second) = (pin!(seats.take()), pin!(seats.take()));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        let mut offer = seats.offer(0);
        assert!(poll(second.as_mut()).is_pending());
        let Poll::Ready(Some(seat)) = poll(first.as_mut()) else { unreachable!() };
        seat.send(job("a").0).unwrap();
        let Poll::Ready(Some(taken)) = poll(pin!(offer.taken())) else { unreachable!() };
        assert_eq!(taken.payload, "a");
    }

    #[test]
    fn a_seat_that_is_withdrawn_is_not_waited_for() {
        let seats = Seats::new();
        let mut waits = pin!(seats.take());
        assert!(poll(waits.as_mut()).is_pending());
        drop(seats.offer(0));
        // It has been given the count already, finds no seat, and waits again.
        assert!(poll(waits.as_mut()).is_pending());
        let _offer = seats.offer(1);
        assert!(poll(waits.as_mut()).is_ready());
        assert!(poll(pin!(seats.take())).is_pending());
    }

    #[test]
    fn withdrawn_and_dropped_ones_leave_the_count_right() {
        let seats = Seats::new();
        for _ in 0..3 {
            drop(seats.offer(0));
            let mut dropped = Box::pin(seats.take());
            assert!(poll(dropped.as_mut()).is_pending());
            let offer = seats.offer(1);
            drop(dropped);
            drop(offer);
        }
        assert_eq!((lock(&seats.free).len(), seats.count.available_permits()), (0, 0));
    }

    #[test]
    fn a_job_that_meets_its_worker_leaving_is_given_back() {
        let seats = Seats::new();
        let offer = seats.offer(0);
        let Poll::Ready(Some(seat)) = poll(pin!(seats.take())) else { unreachable!() };
        let (job, mut answer) = job("a");
        seat.send(job).unwrap();
        drop(offer);
        assert_eq!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn nobody_waits_after_the_end() {
        let seats = Seats::new();
        let mut waits = pin!(seats.take());
        assert!(poll(waits.as_mut()).is_pending());
        seats.close();
        assert!(matches!(poll(waits.as_mut()), Poll::Ready(None)));
        let _late = seats.offer(0);
        assert!(matches!(poll(pin!(seats.take())), Poll::Ready(None)));
    }
}
