//! One process: frames to its standard input, frames from its standard output.

use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{ProcessConfig, stderr};
use crate::handler::HandlerError;
use crate::limits::FRAME_EXTRA;
use crate::wire::{Admit, Answer, Call, DecodeError, Decoded, Decoder, Frame, Header, Status, Tag};

/// Bytes of one read from a process. 16 KiB: a pipe holds 64, and there is one buffer per process.
const READ_BYTES: usize = 16 << 10;
/// Bytes of a failure's text; the rest of a longer one is cut off.
const TEXT_BYTES: usize = 4 << 10;
/// How long the last lines on standard error may take after the end. A process of the process's own
/// may hold it open for ever.
const LAST_LINES: Duration = Duration::from_millis(100);

/// What a request got from a process that works.
pub(super) type Reply = Result<Option<Bytes>, HandlerError>;

/// A process that has been greeted.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: AbortOnDropHandle<()>,
    decoder: Decoder,
    buffer: Box<[u8]>,
    last_call: u32,
}

/// Why a process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ended by itself, or closed its standard input or output.
    Ended,
    /// It did not answer in time.
    TimedOut,
    /// The pool stops.
    Stopped,
    /// It wrote while it had nothing to answer, or more than its answer.
    Unasked,
    /// It wrote a frame that cannot be.
    BadFrame(DecodeError),
    /// It wrote a frame that is no ANSWER.
    NoAnswer(Tag),
    /// Its ANSWER is too short, is another call's, or has a status other than 0 and 1.
    BadAnswer,
}

impl Child {
    /// Starts a process and greets it.
    pub(super) async fn start(config: &ProcessConfig) -> io::Result<Self> {
        let Some((program, arguments)) = config.command.split_first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: Ctrl-C at the server's terminal is for the server, which drains first.
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command.spawn()?;
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let lines = stderr::log(stderr, config.tag, process.id());
        let stderr = AbortOnDropHandle::new(tokio::spawn(lines));
        // One that has gone already is found out by its end of output.
        let _ = stdin.write_all(&hello(config)).await;
        Ok(Self {
            process,
            stdin,
            stdout,
            stderr,
            decoder: Decoder::new(config.max_frame.saturating_add(FRAME_EXTRA)),
            buffer: vec![0; READ_BYTES].into(),
            last_call: 0,
        })
    }

    /// The operating system's number for it, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Watches it while it has nothing to do, until it does something wrong.
    pub(super) async fn idle(&mut self) -> Fault {
        tokio::select! {
            _ = self.process.wait() => Fault::Ended,
            read = self.stdout.read(&mut self.buffer) => match read {
                Ok(1..) => Fault::Unasked,
                Ok(0) | Err(_) => Fault::Ended,
            },
        }
    }

    /// Asks it and waits for its answer. If that fails or is dropped, it must not be asked again.
    pub(super) async fn call(&mut self, tag: Tag, payload: &[u8]) -> Result<Reply, Fault> {
        self.last_call = self.last_call.wrapping_add(1);
        let call_id = self.last_call;
        let mut frame = Vec::with_capacity(2 * Header::LEN + payload.len());
        Call { call_id, tag, payload }.encode(&mut frame);
        // Both at once: one that writes before it has read all would otherwise wait for us, as we for it.
        let Self { stdin, stdout, decoder, buffer, .. } = self;
        let write = async move { stdin.write_all(&frame).await.map_err(|_| Fault::Ended) };
        let ((), reply) = tokio::try_join!(write, answer(stdout, decoder, buffer, call_id))?;
        Ok(reply)
    }

    /// Closes its standard input, gives it so long to exit, kills it then, and waits for its end.
    pub(super) async fn end(self, grace: Duration) -> Option<ExitStatus> {
        // Its standard output stays open to the last: what it still writes must not end it early.
        let Self { mut process, stdin, stdout: _stdout, stderr, .. } = self;
        drop(stdin);
        let status = match timeout(grace, process.wait()).await {
            Ok(status) => status,
            Err(_) => {
                // It fails for one that has just gone, and then there is a status as well.
                let _ = process.start_kill();
                process.wait().await
            }
        };
        let _ = timeout(LAST_LINES, stderr).await;
        status.ok()
    }
}

fn hello(config: &ProcessConfig) -> Vec<u8> {
    let ProcessConfig { tag, max_frame, .. } = config;
    let tag = tag.as_byte();
    let json = format!(r#"{{"op":"hello","tag":{tag},"max_frame":{max_frame}}}"#);
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
    let mut frame = Header { tag: Tag::CONTROL, length }.encode().to_vec();
    frame.extend_from_slice(json.as_bytes());
    frame
}

async fn answer(
    stdout: &mut ChildStdout,
    decoder: &mut Decoder,
    buffer: &mut [u8],
    call_id: u32,
) -> Result<Reply, Fault> {
    loop {
        let read = stdout.read(buffer).await.map_err(|_| Fault::Ended)?;
        let mut input = buffer.get(..read).filter(|input| !input.is_empty()).ok_or(Fault::Ended)?;
        if let Some(reply) = judge(decoder, &mut input, call_id)? {
            return if input.is_empty() { Ok(reply) } else { Err(Fault::Unasked) };
        }
    }
}

/// The reply, once all of it is there.
fn judge(decoder: &mut Decoder, input: &mut &[u8], call_id: u32) -> Result<Option<Reply>, Fault> {
    let admit = |header: Header| match header.tag {
        Tag::ANSWER => Admit::Take,
        _ => Admit::Skip,
    };
    let payload = match decoder.decode(input, admit).map_err(Fault::BadFrame)? {
        None => return Ok(None),
        Some(Decoded::Refused(header)) => return Err(Fault::NoAnswer(header.tag)),
        Some(Decoded::Frame(Frame { payload, .. })) => payload,
    };
    let answer = Answer::parse(payload).map_err(|_| Fault::BadAnswer)?;
    match answer.status {
        _ if answer.call_id != call_id => Err(Fault::BadAnswer),
        Status::Done => Ok(Some(Ok(Some(Bytes::copy_from_slice(answer.payload))))),
        Status::Failed => Ok(Some(Err(HandlerError::Failed(text(answer.payload))))),
        _ => Err(Fault::BadAnswer),
    }
}

/// A failure's text for the peer.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..TEXT_BYTES).unwrap_or(bytes));
    // A character that the cut went through is left out.
    let cut = if bytes.len() > TEXT_BYTES { text.trim_end_matches('\u{fffd}') } else { &text };
    cut.to_owned()
}

impl Fault {
    /// How long it may take to exit by itself.
    pub(super) const fn grace(self) -> Duration {
        match self {
            Self::Stopped => Duration::from_secs(2),
            // On its way out: its own status says more than a kill's.
            Self::Ended => Duration::from_millis(100),
            _ => Duration::ZERO,
        }
    }

    /// What the peer is told whose request it was.
    pub(super) fn error(self) -> HandlerError {
        match self {
            Self::TimedOut => HandlerError::TimedOut,
            Self::Ended => HandlerError::failed("the handler's process ended"),
            Self::Stopped => HandlerError::failed("the processes are stopped"),
            _ => HandlerError::failed("the handler's process broke the protocol"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("it ended"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Stopped => f.write_str("the pool stops"),
            Self::Unasked => f.write_str("wrote to standard output what is no answer"),
            Self::BadFrame(error) => write!(f, "wrote {error}; is it text on standard output?"),
            Self::NoAnswer(tag) => {
                write!(f, "wrote a frame {tag}, not an ANSWER; is it text on standard output?")
            }
            Self::BadAnswer => {
                f.write_str("wrote an ANSWER of another call or with a status other than 0 and 1")
            }
        }
    }
}
