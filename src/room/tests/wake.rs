//! Wake-ups, polled by hand: none is lost between looking and waiting, and each worker is told once per
//! batch, however much there is.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use super::support::{NOW, World};
use crate::room::WorkerId;

const HERE: WorkerId = WorkerId(0);
const THERE: WorkerId = WorkerId(1);

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// Runs a worker's task once; it never ends.
fn poll(task: Pin<&mut impl Future>, bell: &Arc<Bell>) {
    let waker = Waker::from(bell.clone());
    assert!(task.poll(&mut Context::from_waker(&waker)).is_pending());
}

#[test]
fn a_worker_is_told_once_per_batch_and_wakes_its_members() {
    let world = World::memory(|_| {});
    let room = world.room("a");
    let doorbell = world.rooms.doorbell(THERE).unwrap();
    let mut task = pin!(doorbell.answer(THERE));
    let (worker, bell) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    poll(task.as_mut(), &worker);

    let mut member = world.join(&room, "ann");
    member.who.mailbox.attach(&Waker::from(bell.clone()));
    room.wake(Some(HERE));
    assert_eq!((worker.take(), bell.take()), (0, 0), "nobody sits there");

    let key = room.audience().sit(THERE, member.who.mailbox.clone());
    for n in 0..10 {
        member.publish(0, &n.to_string(), NOW);
        room.wake(Some(HERE));
    }
    assert_eq!((worker.take(), bell.take()), (1, 0));
    poll(task.as_mut(), &worker);
    assert_eq!(bell.take(), 1);
    assert_eq!(member.bodies().len(), 10);

    member.publish(0, "again", NOW);
    room.wake(None);
    assert_eq!(worker.take(), 1);
    poll(task.as_mut(), &worker);
    assert_eq!((worker.take(), bell.take()), (0, 1));

    room.audience().rise(THERE, key);
    room.wake(None);
    assert_eq!(worker.take(), 0);
}

#[test]
fn the_own_worker_is_woken_directly_and_does_not_ring() {
    let world = World::memory(|_| {});
    let room = world.room("a");
    let doorbell = world.rooms.doorbell(HERE).unwrap();
    let mut task = pin!(doorbell.answer(HERE));
    let (worker, bell) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    poll(task.as_mut(), &worker);
    let member = world.join(&room, "ann");
    member.who.mailbox.attach(&Waker::from(bell.clone()));
    room.audience().sit(HERE, member.who.mailbox);
    room.wake(Some(HERE));
    room.wake(Some(HERE));
    assert_eq!((worker.take(), bell.take()), (0, 2));
    // Told from elsewhere, then woken from here: what it was told still counts once.
    room.wake(None);
    room.wake(Some(HERE));
    room.wake(None);
    assert_eq!((worker.take(), bell.take()), (1, 1));
    poll(task.as_mut(), &worker);
    assert_eq!(bell.take(), 1);
}

#[test]
fn news_between_looking_and_waiting_is_not_lost() {
    let world = World::memory(|_| {});
    let room = world.room("a");
    let doorbell = world.rooms.doorbell(THERE).unwrap();
    let mut task = pin!(doorbell.answer(THERE));
    let (worker, bell) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    poll(task.as_mut(), &worker);
    let mut member = world.join(&room, "ann");
    member.who.mailbox.attach(&Waker::from(bell.clone()));
    room.audience().sit(THERE, member.who.mailbox.clone());

    // It looks, and finds nothing.
    let news = room.news();
    assert_eq!(member.presence(), ["+ann"]);
    // Then a record comes, before it waits.
    member.publish(0, "x", NOW);
    room.wake(Some(HERE));
    poll(task.as_mut(), &worker);
    assert_eq!(bell.take(), 1);
    assert_ne!(room.news(), news);
    // News while the worker walks ring once more.
    assert_eq!(member.bodies(), ["x"]);
    member.publish(0, "y", NOW);
    room.wake(Some(HERE));
    assert!(worker.take() > 0);
    poll(task.as_mut(), &worker);
    assert_eq!(bell.take(), 1);
}

#[test]
fn a_ring_before_the_worker_listens_is_heard() {
    let world = World::memory(|_| {});
    let room = world.room("a");
    let (worker, bell) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let member = world.join(&room, "ann");
    member.who.mailbox.attach(&Waker::from(bell.clone()));
    room.audience().sit(THERE, member.who.mailbox);
    room.wake(None);
    let mut task = pin!(world.rooms.doorbell(THERE).unwrap().answer(THERE));
    poll(task.as_mut(), &worker);
    assert_eq!(bell.take(), 1);
}

#[test]
fn readers_on_other_threads_miss_nothing() {
    // Each thread waits only when it has looked and found nothing: one lost wake-up and it hangs.
    const RECORDS: usize = 3000;
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let world = World::memory(|_| {});
    let room = world.room("a");
    let publisher = world.join(&room, "publisher");
    let readers: Vec<_> = (0..2).map(|n| world.join(&room, &format!("reader{n}"))).collect();
    std::thread::scope(|scope| {
        let ready = Arc::new(std::sync::Barrier::new(3));
        for (worker, mut reader) in readers.into_iter().enumerate() {
            let (rooms, room, ready) = (&world.rooms, room.clone(), ready.clone());
            scope.spawn(move || {
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                let worker = WorkerId(worker);
                reader.who.mailbox.attach(&waker);
                room.audience().sit(worker, reader.who.mailbox.clone());
                let mut walk = pin!(rooms.doorbell(worker).unwrap().answer(worker));
                let (mut got, mut seen) = (0, None);
                ready.wait();
                while got < RECORDS {
                    let _ = walk.as_mut().poll(&mut Context::from_waker(&waker));
                    let news = room.news();
                    if seen != Some(news) {
                        seen = Some(news);
                        got += reader.bodies().len();
                        continue;
                    }
                    let asleep = crate::sync::now();
                    std::thread::park_timeout(std::time::Duration::from_secs(20));
                    assert!(asleep.elapsed().as_secs() < 20, "a lost wake-up at {got}");
                }
            });
        }
        ready.wait();
        for n in 0..RECORDS {
            publisher.publish(0, "x", NOW);
            room.wake(None);
            if n % 7 == 0 {
                std::thread::yield_now();
            }
        }
    });
}
