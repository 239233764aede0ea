//! `tagwire tap`: frames of a running server as they come and go, a line each.
//!
//! ```text
//! frame  a frame as server and client tell it
//! show   a frame as a line for people
//! ```

mod frame;
mod show;

use std::io::{self, ErrorKind};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use anyhow::anyhow;
use tagwire::id::{RoomName, SessionId};
use tagwire::wire::Tag;
use tokio::io::{AsyncWriteExt, Stdout, stdout};

pub(crate) use self::frame::{Told, tag};
use crate::admin::client::{Client, Following};
use crate::config::Sources;
use crate::exit::{Exit, Failure};
use crate::terminal::wants_colour;

/// Bytes of a line, at most: far more than 4 KiB of payload can become.
const LINE: usize = 1 << 20;

/// `tagwire tap …`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A line has the time (UTC), the session, the way (→ from the peer, ← to it), the tag, the room, and the bytes of the \
payload. It needs the server's Unix socket: `tagwire serve --set admin.socket=PATH`.")]
pub(crate) struct Args {
    /// Only frames of this connection; `tagwire top` names them
    #[arg(long, value_name = "SESSION", value_parser = session)]
    session: Option<String>,

    /// Only DATA, MESSAGE and presence of this room
    #[arg(long, value_name = "ROOM", value_parser = room)]
    room: Option<String>,

    /// Only frames with this tag
    #[arg(long, value_name = "0xNN|NAME", value_parser = tag)]
    tag: Option<Tag>,

    /// Show payloads too, in words, the first 4 KiB of each
    #[arg(long)]
    payload: bool,

    /// Frames a second, at most; the others are counted [default: 1000]
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,

    /// End after so many frames
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,

    /// Print JSON, an object a line
    #[arg(long)]
    json: bool,

    /// The server's Unix socket [default: the configuration's admin.socket]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    #[command(flatten)]
    config: Sources,
}

/// Shows frames until there were enough, the server ends, or SIGINT.
///
/// # Errors
///
/// Returns a usage failure where no socket is known, [`Exit::Unreachable`] where nobody listens on it,
/// [`Exit::Refused`] where it is somebody else's or the server has no such connection.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let server = Client::of(args.socket.as_deref(), &args.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shown = runtime.block_on(async {
        tokio::select! {
            shown = follow(args, &server) => shown,
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted.map(|()| Exit::Interrupted)?),
        }
    });
    // Whoever does not read what was printed is not waited for.
    runtime.shutdown_background();
    shown
}

async fn follow(args: &Args, server: &Client) -> Result<Exit, Failure> {
    let frames = server.follow(&args.path()).await?;
    eprintln!("showing frames as they come: → from a peer, ← to it");
    let colour = wants_colour(&io::stdout());
    let mut printer = Printer { out: stdout(), json: args.json, colour };
    let most = args.count.map_or(u64::MAX, NonZeroU64::get);
    match print(frames, &mut printer, most).await? {
        shown if shown == most => Ok(Exit::Success),
        shown if args.count.is_some() => {
            Err(anyhow!("the server has ended, after {shown} of {most} frames").into())
        }
        _ => {
            eprintln!("the server has ended");
            Ok(Exit::Success)
        }
    }
}

impl Args {
    /// What is asked for. Nothing in it needs to be encoded.
    fn path(&self) -> String {
        let mut path = format!("/v1/tap?payload={}", self.payload);
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                path += &format!("&{name}={value}");
            }
        };
        add("session", self.session.clone());
        add("room", self.room.clone());
        add("tag", self.tag.map(frame::written));
        add("rate", self.rate.map(|rate| rate.to_string()));
        path
    }
}

/// Prints at most so many frames; how many.
async fn print(mut frames: Following, printer: &mut Printer, most: u64) -> Result<u64, Failure> {
    let (mut shown, mut waiting) = (0, Vec::new());
    while let Some(bytes) = frames.next().await? {
        waiting.extend_from_slice(&bytes);
        let (mut out, mut rest) = (String::new(), waiting.as_slice());
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n').filter(|_| shown < most) {
            let (line, after) = rest.split_at(end + 1);
            let told: Told = serde_json::from_slice(line).map_err(strange)?;
            shown += u64::from(matches!(told, Told::Frame(_)));
            out += &printer.line(&told)?;
            rest = after;
        }
        let done = waiting.len() - rest.len();
        waiting.drain(..done);
        match printer.print(&out).await {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(most),
            printed => printed?,
        }
        if shown == most {
            break;
        }
        if waiting.len() > LINE {
            return Err(strange("a line without end"));
        }
    }
    Ok(shown)
}

fn strange(why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Protocol, anyhow!("what the server says is no frame: {why}"))
}

/// Where lines go, and how they look.
struct Printer {
    out: Stdout,
    json: bool,
    colour: bool,
}

impl Printer {
    fn line(&self, told: &Told) -> serde_json::Result<String> {
        if self.json { told.to_line() } else { Ok(show::line(told, self.colour)) }
    }

    async fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes()).await?;
        self.out.flush().await
    }
}

fn session(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let known = SessionId::number(text).filter(|_| text.chars().all(is_name));
    known.map(|_| text.to_owned()).ok_or_else(|| "wants the name of a session".to_owned())
}

fn room(text: &str) -> Result<String, String> {
    let room = RoomName::new(text).map(|room| room.as_str().to_owned());
    room.ok_or_else(|| "wants the name of a room: 1 to 64 of A-Z a-z 0-9 . _ - :".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn path(flags: &[&str]) -> Option<String> {
        Line::try_parse_from([&["tap"], flags].concat()).ok().map(|line| line.args.path())
    }

    #[test]
    fn flags_are_what_is_asked_for() {
        assert_eq!(path(&[]).as_deref(), Some("/v1/tap?payload=false"));
        let all =
            ["--session", "n-1f", "--room", "a:b", "--tag", "data", "--payload", "--rate", "7"];
        let want = "/v1/tap?payload=true&session=n-1f&room=a:b&tag=0x02&rate=7";
        assert_eq!(path(&all).as_deref(), Some(want));
        assert_eq!(path(&["--tag", "lines"]).as_deref(), Some("/v1/tap?payload=false&tag=lines"));
        for wrong in [
            ["--session", "n 1"],
            ["--session", "n&x=-1"],
            ["--room", "a b"],
            ["--tag", "0x00"],
            ["--rate", "0"],
            ["--count", "0"],
        ] {
            assert_eq!(path(&wrong), None, "{wrong:?}");
        }
    }
}
