//! What many peers are brought and how long it takes, and threads whose own work does not count.

use std::future::Future;
use std::process::Command;
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

pub(crate) fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}

/// What a reader was brought as MESSAGE: records in an unbroken chain, and gaps that say exactly what is
/// missing.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) last: usize,
    pub(crate) missed: usize,
    pub(crate) gaps: usize,
}

impl Heard {
    /// Takes in a frame of any kind; of a record, the body.
    pub(crate) fn handle<'a>(&mut self, tag: u8, payload: &'a [u8]) -> Option<&'a [u8]> {
        match tag {
            0x01 => self.handle_event(&serde_json::from_slice(payload).unwrap()),
            0x04 => return Some(self.handle_record(payload)),
            _ => {}
        }
        None
    }

    fn handle_record<'a>(&mut self, payload: &'a [u8]) -> &'a [u8] {
        let number = |at: usize| {
            let bytes = payload[at..at + 8].try_into().unwrap();
            usize::try_from(u64::from_be_bytes(bytes)).unwrap()
        };
        assert_eq!((number(5), number(13)), (self.last + 1, self.last), "{self:?}");
        self.last += 1;
        &payload[30 + usize::from(payload[29])..]
    }

    fn handle_event(&mut self, event: &Value) {
        if event["op"] != "gap" {
            return;
        }
        assert_eq!(event["after_seq"], self.last, "{event}");
        let next = usize::try_from(event["next_seq"].as_u64().unwrap()).unwrap();
        assert_eq!(event["missed"], next - 1 - self.last, "{event}");
        self.missed += next - 1 - self.last;
        self.gaps += 1;
        self.last = next - 1;
    }
}

/// A thread that gives way to the server and to those who measure it. It ends, and all that its future holds
/// with it, when this is dropped.
pub(crate) struct Aside {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Aside {
    pub(crate) fn run<F: Future>(work: impl FnOnce() -> F + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            // Linux has a niceness for each thread. Without the tool it works as well and disturbs more.
            let path = std::fs::read_link("/proc/thread-self").unwrap();
            let number = path.file_name().unwrap();
            let _ = Command::new("renice").args(["-n", "10", "-p"]).arg(number).output();
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    _ = work() => {}
                    _ = stopped => {}
                }
            });
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic has said what it had to; the others see that its peers are missing.
        let _ = self.thread.take().unwrap().join();
    }
}
