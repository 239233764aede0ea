//! A server as a process of its own in a directory of its own, and programs that talk to it.
//!
//! Nothing here sleeps: what a program prints is read by a thread, and a test waits for a line, at most
//! [`PATIENCE`].

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a test waits for anything. A machine that is busy with other tests is slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "programs run in real time, and so does patience")]
fn now() -> Instant {
    Instant::now()
}

/// The repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository, as text for a command line.
pub(super) fn file(path: &str) -> String {
    root().join(path).display().to_string()
}

/// An example's program. `cargo test` builds it; `cargo test --test it` does not.
fn example(name: &str) -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_tagwire")).with_file_name("examples").join(name);
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let source = modified(&root().join(format!("examples/{name}.rs")));
    assert!(modified(&built) >= source, "{name} is not built: run `cargo build --examples` first");
    built
}

/// Examples name files as one who stands in the repository does.
pub(super) fn link_examples(dir: &Path) {
    std::os::unix::fs::symlink(root().join("examples"), dir.join("examples")).unwrap();
}

/// A program without the configuration of this process.
pub(super) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    let ours = |name: &str| name.starts_with("TAGWIRE_") || name.starts_with("RUST_LOG");
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command
}

/// The `tagwire` program.
pub(super) fn tagwire(args: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_tagwire"));
    command.args(args);
    command
}

/// A line as a person types it. In `bash`: the `printf` of some others, such as Debian's `sh`, has no `\xNN`.
pub(super) fn shell(line: &str) -> Command {
    let mut command = program("bash");
    command.args(["-c", line]);
    command
}

/// A running program whose lines are waited for; killed when dropped.
#[derive(Debug)]
pub(super) struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What was read already, for the message of a test that fails.
    seen: Vec<String>,
}

impl Running {
    /// Starts a program; its standard output and its standard error are read as one.
    pub(super) fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                let mut line = Vec::new();
                while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    let text = String::from_utf8_lossy(&line);
                    // A test that is over listens no more.
                    let _ = sender.send(text.trim_end_matches(['\n', '\r']).to_owned());
                    line.clear();
                }
            });
        }
        let stdin = child.stdin.take();
        Self { name, child, stdin, lines, seen: Vec::new() }
    }

    /// Types a line.
    pub(super) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Waits for a line for which `wanted` holds; those before it are dropped.
    pub(super) fn line_where(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(why) => {
                    let why = match why {
                        RecvTimeoutError::Timeout => "it does not come",
                        RecvTimeoutError::Disconnected => "the program has ended",
                    };
                    let (name, seen) = (&self.name, self.seen.join("\n  "));
                    panic!("waiting for {what:?}: {why}\n{name} said:\n  {seen}");
                }
            }
        }
    }

    /// Waits for exactly this line.
    pub(super) fn line(&mut self, wanted: &str) {
        self.line_where(wanted, |line| line == wanted);
    }

    /// Waits for a line that contains this.
    pub(super) fn line_with(&mut self, part: &str) -> String {
        self.line_where(part, |line| line.contains(part))
    }

    /// Waits until it says where it listens.
    pub(super) fn address(&mut self) -> String {
        let line = self.line_where("listening on", |line| line.starts_with("listening on "));
        line.trim_start_matches("listening on ").to_owned()
    }

    /// Sends it a signal by its number's name.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits until it ends by itself; how, and all that it has said.
    pub(super) fn end(mut self) -> (ExitStatus, String) {
        drop(self.stdin.take());
        let end = now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{} does not end; it said:\n  {}", self.name, self.seen.join("\n  "))
                }
            }
        }
        (self.child.wait().unwrap(), self.seen.join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that is killed when dropped. What it started itself ends with the server.
#[derive(Debug)]
pub(super) struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The real binary, on a free port of loopback, in a new directory where it makes its certificates.
#[derive(Debug)]
pub(super) struct Server {
    dir: TempDir,
    address: String,
    pub(super) running: Running,
}

impl Server {
    /// Starts `tagwire serve --listen 127.0.0.1:0` with these flags more.
    pub(super) fn start(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let args = [&["serve", "--listen", "127.0.0.1:0"], flags].concat();
        let running = Running::start(tagwire(&args).current_dir(dir.path()));
        Self::of(dir, running)
    }

    /// Starts `tagwire serve` with flags as they stand in a line of shell, in a directory that `prepare` fills.
    pub(super) fn by_shell(flags: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let line = format!("exec \"$0\" serve --listen 127.0.0.1:0 {flags}");
        let mut command = shell(&line);
        command.arg(env!("CARGO_BIN_EXE_tagwire")).current_dir(dir.path());
        let running = Running::start(&mut command);
        Self::of(dir, running)
    }

    /// Starts an example on a free port, with certificates of its own.
    pub(super) fn example(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = tagwire(&["certs"]).current_dir(dir.path()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        link_examples(dir.path());
        let running =
            Running::start(program(example(name)).arg("127.0.0.1:0").current_dir(dir.path()));
        Self::of(dir, running)
    }

    fn of(dir: TempDir, mut running: Running) -> Self {
        let address = running.address();
        Self { dir, address, running }
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Its working directory.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The certificate of its authority.
    pub(super) fn ca(&self) -> String {
        self.dir().join("certs/ca.pem").display().to_string()
    }

    /// Runs shell in its directory until it has printed this; all that it has printed then.
    ///
    /// `openssl s_client -quiet` does not end with its input: it is ended here.
    pub(super) fn shell_until(&self, line: &str, wanted: &str) -> Vec<u8> {
        self.shell_while(line, wanted).0
    }

    /// The same, and what runs is ended when the caller is done with it.
    pub(super) fn shell_while(&self, line: &str, wanted: &str) -> (Vec<u8>, Started) {
        let mut command = shell(line);
        command.current_dir(self.dir()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = Started(command.stderr(Stdio::null()).spawn().unwrap());
        let mut stdout = child.0.stdout.take().unwrap();
        let (sender, parts) = channel();
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut part) {
                let _ = sender.send(part[..read].to_vec());
            }
        });
        let end = now() + PATIENCE;
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            match parts.recv_timeout(end.saturating_duration_since(now())) {
                Ok(part) => seen.extend(part),
                Err(why) => {
                    panic!("{line}\n{why} waiting for {wanted:?}: {}", seen.escape_ascii())
                }
            }
        }
        (seen, child)
    }

    /// Starts a line of shell in its directory.
    pub(super) fn start_shell(&self, line: &str) -> Running {
        Running::start(shell(line).current_dir(self.dir()))
    }

    /// A person at `openssl s_client`, as the server's hints say it.
    pub(super) fn person(&self) -> Running {
        let address = &self.address;
        // `exec`, so that what is killed in the end is the program itself.
        let line = format!("exec openssl s_client -quiet -connect {address} -CAfile certs/ca.pem");
        self.start_shell(&line)
    }

    /// Runs a Python program that has `connect()`, our client, to the end; what it printed.
    pub(super) fn python(&self, script: &str) -> String {
        let prelude = "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1])\n\
             from tagwire_client import *\n\
             Connection.address, Connection.ca = ('127.0.0.1', int(sys.argv[2])), sys.argv[3]\n";
        let port = self.address.rsplit(':').next().unwrap();
        let mut command = program("python3");
        command.args(["-c", &format!("{prelude}{script}"), &file("tests/clients"), port]);
        let output = run(command.arg(self.ca()));
        let (out, err) = texts(&output);
        assert!(output.status.success(), "{script}\n{out}{err}");
        out
    }
}

/// Runs a program to its end.
pub(super) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: is it installed?"))
}

/// What a program printed to standard output and standard error.
pub(super) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The blocks of a Markdown file that begin with this fence.
pub(super) fn blocks(path: &str, fence: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let mut blocks = Vec::new();
    let mut inside: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut inside, line.starts_with("```")) {
            (None, true) => inside = Some((line == fence, String::new())),
            (None, false) => {}
            (Some(_), true) => {
                let (wanted, block) = inside.take().unwrap();
                blocks.extend(wanted.then_some(block));
            }
            (Some((_, block)), false) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    blocks
}
