//! Goal: whatever a process does, the requests are answered, the others go on, and nothing is left
//! over. Method: a real process (child.py) that does as each request says, on the real clock, because
//! a paused one would run on while a process works; every wait is for an event.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![cfg(unix)]

use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::handler::context::context_for_tests;

const MAX_FRAME: u32 = 1 << 20;

/// Long enough for any machine; nothing waits for its end.
const LONG: Duration = Duration::from_secs(60);

fn config(workers: usize, arguments: &[&str]) -> ProcessConfig {
    let script = ["python3", "-ISc", include_str!("child.py")];
    let command = script.iter().chain(arguments).map(ToString::to_string).collect();
    let tag = Tag::from_byte(0x20);
    ProcessConfig { command, workers, timeout: LONG, max_frame: MAX_FRAME, tag, queue: 64 }
}

fn pool(workers: usize) -> ProcessPool {
    ProcessPool::new(config(workers, &[])).unwrap()
}

async fn ask(pool: &ProcessPool, payload: impl Into<Bytes>) -> Result<Bytes, HandlerError> {
    let reply = pool.handle(&context_for_tests(), payload.into()).await?;
    Ok(reply.unwrap())
}

async fn pid(pool: &ProcessPool) -> String {
    String::from_utf8(ask(pool, "pid").await.unwrap().into()).unwrap()
}

/// Whether there is a process of that number, be it a zombie.
fn exists(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

fn broken() -> Result<Bytes, HandlerError> {
    Err(HandlerError::failed("the handler's process broke the protocol"))
}

fn ended() -> Result<Bytes, HandlerError> {
    Err(HandlerError::failed("the handler's process ended"))
}

/// Where processes tell the test what they do, and wait for its word.
struct Ear {
    path: PathBuf,
    said: mpsc::UnboundedReceiver<String>,
    told: mpsc::UnboundedReceiver<OwnedWriteHalf>,
    _listens: AbortOnDropHandle<()>,
    _folder: tempfile::TempDir,
}

impl Ear {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ear");
        let listener = UnixListener::bind(&path).unwrap();
        let (say, said) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let listens = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (read, write) = stream.into_split();
                tell.send(write).unwrap();
                let say = say.clone();
                tokio::spawn(async move {
                    let mut lines = BufReader::new(read).lines();
                    while let Ok(Some(line)) = lines.next_line().await {
                        let _ = say.send(line);
                    }
                });
            }
        });
        Self { path, said, told, _listens: AbortOnDropHandle::new(listens), _folder: folder }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Waits until a process says this; whatever else is said before goes unheard.
    async fn hear(&mut self, line: &str) {
        while self.said.recv().await.unwrap() != line {}
    }

    /// Lets the first process go on, this and the next times.
    async fn open_gate(&mut self) -> OwnedWriteHalf {
        let mut process = self.told.recv().await.unwrap();
        process.write_all(&[0; 16]).await.unwrap();
        process
    }
}

#[tokio::test]
async fn requests_are_answered_in_any_size_and_cut() {
    let pool = pool(1);
    let hello = r#"{"op":"hello","tag":32,"max_frame":1048576}"#;
    assert_eq!(ask(&pool, "hello").await, Ok(hello.into()));
    assert_eq!(ask(&pool, "echo:").await, Ok(Bytes::new()));
    assert_eq!(ask(&pool, "slow:byte by byte").await, Ok("byte by byte".into()));
    let largest = [b"echo:".to_vec(), vec![b'x'; MAX_FRAME as usize - 5]].concat();
    assert_eq!(ask(&pool, largest.clone()).await, Ok(largest[5..].to_vec().into()));
    let over = Err(HandlerError::failed("1048577 bytes, 1048576 at most"));
    assert_eq!(ask(&pool, vec![0; MAX_FRAME as usize + 1]).await, over);
}

#[tokio::test]
async fn the_example_in_python_answers() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/echo.py");
    let config = ProcessConfig::new(Tag::from_byte(0x20), ["python3", script]);
    let pool = ProcessPool::new(config).unwrap();
    for reply in ["", "a", "two words"] {
        assert_eq!(ask(&pool, reply).await, Ok(reply.into()));
    }
}

#[tokio::test]
async fn an_answer_may_be_1_kib_over_the_bound_and_no_more() {
    let pool = pool(1);
    let first = pid(&pool).await;
    let fits = MAX_FRAME as usize + 1024 - 5;
    assert_eq!(ask(&pool, format!("early:{fits}")).await.map(|reply| reply.len()), Ok(fits));
    assert_eq!(pid(&pool).await, first);
    assert_eq!(ask(&pool, format!("early:{}", fits + 1)).await, broken());
    assert_ne!(pid(&pool).await, first);
}

#[tokio::test]
async fn a_failure_is_told_and_is_no_fault() {
    let pool = pool(1);
    let first = pid(&pool).await;
    assert_eq!(ask(&pool, "fail:no such row").await, Err(HandlerError::failed("no such row")));
    let long = "é".repeat(3000);
    let cut = Err(HandlerError::failed("é".repeat(2048)));
    assert_eq!(ask(&pool, format!("fail:{long}")).await, cut);
    assert_eq!(pid(&pool).await, first);
}

#[tokio::test]
async fn standard_error_of_any_length_holds_up_nothing() {
    let pool = pool(1);
    for _ in 0..3 {
        assert_eq!(ask(&pool, "noise:and an answer").await, Ok("and an answer".into()));
    }
}

#[tokio::test]
async fn a_process_that_breaks_the_protocol_is_replaced_without_a_trace() {
    let pool = pool(1);
    let wrongs = ["text", "zero", "twice", "other", "status:2", "status:9", "short", "huge"];
    for wrong in wrongs {
        let before = pid(&pool).await;
        assert_eq!(ask(&pool, wrong).await, broken(), "{wrong}");
        assert_ne!(pid(&pool).await, before, "{wrong}");
        assert!(!exists(&before), "{wrong}");
    }
}

#[tokio::test]
async fn a_process_that_ends_fails_its_request_alone() {
    let pool = pool(2);
    for end in ["crash", "half"] {
        let mut others = JoinSet::new();
        for _ in 0..10 {
            let pool = pool.clone();
            others.spawn(async move { ask(&pool, "echo:fine").await });
        }
        assert_eq!(ask(&pool, end).await, ended(), "{end}");
        for other in others.join_all().await {
            assert_eq!(other, Ok("fine".into()));
        }
    }
}

#[tokio::test]
async fn a_process_that_exits_between_requests_fails_none() {
    let mut ear = Ear::new();
    let pool = ProcessPool::new(config(1, &["", ear.path()])).unwrap();
    pool.start().unwrap();
    for _ in 0..3 {
        // Once the end of the one before is seen, the next is started without a request.
        ear.hear("started").await;
        assert_eq!(ask(&pool, "last:answer").await, Ok("answer".into()));
    }
}

#[tokio::test]
async fn one_that_hangs_is_killed_and_its_request_timed_out() {
    let mut config = config(1, &[]);
    config.timeout = Duration::from_secs(3);
    let pool = ProcessPool::new(config).unwrap();
    let before = pid(&pool).await;
    assert_eq!(ask(&pool, "hang").await, Err(HandlerError::TimedOut));
    assert_ne!(pid(&pool).await, before);
    assert!(!exists(&before));
}

#[tokio::test]
async fn a_dropped_request_leaves_no_answer_to_the_next_one() {
    let mut ear = Ear::new();
    let pool = ProcessPool::new(config(1, &["", ear.path()])).unwrap();
    let before = pid(&pool).await;
    let mut dropped = JoinSet::new();
    let asking = pool.clone();
    dropped.spawn(async move { ask(&asking, "gate:for nobody").await });
    ear.hear("begun").await;
    dropped.shutdown().await;
    let _gate = ear.open_gate().await;
    assert_eq!(ask(&pool, "echo:mine").await, Ok("mine".into()));
    assert_eq!(pid(&pool).await, before, "nothing is restarted for a peer that hangs up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_gets_its_own_answer_while_others_are_dropped_and_processes_end() {
    let mut config = config(3, &[]);
    config.queue = 1000;
    let pool = ProcessPool::new(config).unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..300 {
        let pool = pool.clone();
        tasks.spawn(async move {
            let word = if number % 50 == 7 { "last" } else { "echo" };
            let mut asking = Box::pin(ask(&pool, format!("{word}:{number}")));
            if number % 3 == 0 {
                // Dropped somewhere on its way.
                let steps = async {
                    for _ in 0..number {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    _ = &mut asking => {}
                    () = steps => {}
                }
                return;
            }
            match asking.await {
                Ok(reply) => assert_eq!(reply, number.to_string()),
                // It met a process that had answered its last and was not gone yet.
                error => assert_eq!(error, ended()),
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(ask(&pool, "echo:and on").await, Ok("and on".into()));
}

#[tokio::test]
async fn no_more_wait_than_the_queue_holds() {
    let mut ear = Ear::new();
    let mut config = config(1, &["", ear.path()]);
    config.queue = 2;
    let pool = ProcessPool::new(config).unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let pool = pool.clone();
        tasks.spawn(async move { ask(&pool, "gate:done").await });
    }
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), Err(HandlerError::Busy));
    let _gate = ear.open_gate().await;
    for answer in tasks.join_all().await {
        assert_eq!(answer, Ok("done".into()));
    }
}

#[tokio::test]
async fn who_waits_too_long_for_a_process_is_told_busy() {
    let mut config = config(1, &[]);
    config.command = vec!["false".to_owned()];
    config.timeout = Duration::from_millis(50);
    let pool = ProcessPool::new(config).unwrap();
    let mut answer = ended();
    // It may get a process that has not ended yet; at the latest the long delays leave none.
    while answer == ended() {
        answer = ask(&pool, "echo:x").await;
    }
    assert_eq!(answer, Err(HandlerError::Busy));
}

#[tokio::test]
async fn one_that_exits_at_once_is_started_ever_less_often() {
    let mut ear = Ear::new();
    let pool = ProcessPool::new(config(1, &["exit", ear.path()])).unwrap();
    let start = now();
    pool.start().unwrap();
    for _ in 0..5 {
        ear.hear("started").await;
    }
    // Before the fifth start lie at least 10 + 20 + 40 + 80 ms.
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_end_of_input_ends_the_processes() {
    let mut ear = Ear::new();
    let pool = ProcessPool::new(config(2, &["", ear.path()])).unwrap();
    pool.start().unwrap();
    ear.hear("started").await;
    ear.hear("started").await;
    pool.stop().await;
    ear.hear("end of input").await;
    ear.hear("end of input").await;
    let stopped = Err(HandlerError::failed("the processes are stopped"));
    assert_eq!(ask(&pool, "echo:late").await, stopped);
}

#[tokio::test]
async fn dropping_the_last_clone_ends_the_processes() {
    let mut ear = Ear::new();
    let pool = ProcessPool::new(config(1, &["", ear.path()])).unwrap();
    let clone = pool.clone();
    drop(pool);
    let pid = pid(&clone).await;
    drop(clone);
    ear.hear("end of input").await;
    // It says so before it exits, and the worker hears of that in its own time.
    while exists(&pid) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_that_ignores_the_end_of_input_is_killed() {
    let pool = ProcessPool::new(config(1, &["stubborn"])).unwrap();
    let pid = pid(&pool).await;
    let start = now();
    pool.stop().await;
    assert!(!exists(&pid));
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn stopping_waits_for_an_answer_under_way() {
    let mut ear = Ear::new();
    let pool = ProcessPool::new(config(1, &["", ear.path()])).unwrap();
    let asking = pool.clone();
    let answer = tokio::spawn(async move { ask(&asking, "gate:in time").await });
    ear.hear("begun").await;
    let ((), _gate) = tokio::join!(pool.stop(), ear.open_gate());
    assert_eq!(answer.await.unwrap(), Ok("in time".into()));
}

#[test]
fn without_a_runtime_it_says_so() {
    let pool = pool(1);
    assert_eq!(pool.start(), Err(ProcessError::NoRuntime));
}
