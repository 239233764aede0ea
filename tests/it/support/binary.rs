//! `tagwire serve` as a process, its signals and its memory.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;
use tempfile::TempDir;

use super::server::client_config;
use super::{Connect, RawPeer, eventually};

/// A running `tagwire serve` in an empty directory; it is killed when this is dropped.
pub(crate) struct Binary {
    pub(crate) address: SocketAddr,
    /// Where its admin listener is, if it says so.
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) client: Arc<ClientConfig>,
    child: Child,
    stderr: Arc<Mutex<String>>,
    /// Where it works, if it ends with this.
    dir: Option<TempDir>,
}

impl Binary {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// One with keys of its configuration set, as by `--set`.
    pub(crate) fn with(settings: &[&str]) -> Self {
        Self::serve(&["--admin", "off"], settings)
    }

    /// One with flags, and with keys of its configuration set.
    pub(crate) fn serve(flags: &[&str], settings: &[&str]) -> Self {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let args: Vec<_> = flags.iter().copied().chain(settings).collect();
        Self::begin(tempfile::tempdir().unwrap(), &args)
    }

    /// One that logs from that level on.
    pub(crate) fn with_log(level: &str) -> Self {
        Self::within(tempfile::tempdir().unwrap(), &["--log", level])
    }

    /// One that is started in a directory, with more arguments.
    pub(crate) fn within(dir: TempDir, args: &[&str]) -> Self {
        Self::begin(dir, &[&["--admin", "off"], args].concat())
    }

    fn begin(dir: TempDir, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwire"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).env_clear();
        command.args(args).stdin(Stdio::null());
        let mut binary = Self::of(&mut command, dir.path());
        binary.dir = Some(dir);
        binary
    }

    /// One that this command starts, in a directory that outlives it.
    pub(crate) fn of(command: &mut Command, dir: &Path) -> Self {
        command.current_dir(dir);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Kept read, so that it never stands before a full pipe.
        let stderr = Arc::new(Mutex::new(String::new()));
        let (said, lines) = (stderr.clone(), BufReader::new(child.stderr.take().unwrap()).lines());
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *said.lock().unwrap() += &(line + "\n");
            }
        });
        let (address, admin) = Self::listening(child.stdout.take().unwrap());
        let client = client_config(&std::fs::read(dir.join("certs/ca.pem")).unwrap());
        Self { address, admin, client, child, stderr, dir: None }
    }

    /// Where a server listens that says so on its standard output, and its admin listener.
    pub(crate) fn listening(stdout: ChildStdout) -> (SocketAddr, Option<SocketAddr>) {
        let mut line = String::new();
        // Both lines come in one piece.
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut line).unwrap();
        let rest = String::from_utf8_lossy(stdout.buffer()).into_owned();
        let admin = rest.strip_prefix("admin on ").map(|address| address.trim().parse().unwrap());
        let address = line.trim().strip_prefix("listening on ");
        (address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap(), admin)
    }

    /// A path in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.as_ref().unwrap().path().join(name)
    }

    pub(crate) fn connect(&self) -> Connect {
        Connect::to(self.address, &self.client)
    }

    pub(crate) async fn peer(&self) -> RawPeer {
        self.connect().open().await
    }

    /// Sends a signal: `TERM`, `INT`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Bounds the descriptors that it may have open.
    pub(crate) fn limit_open_files(&self, count: u64) {
        let limit = format!("--nofile={count}:{count}");
        let pid = self.child.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap();
        assert!(status.success());
    }

    /// Descriptors that it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The processor time that it has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Behind the name, which may hold anything: from the state on, the 12th and 13th field, in ticks
        // of 10 ms.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(10 * ticks)
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// Resident memory in KiB.
    pub(crate) fn rss(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory that it ever had, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Open files and sockets.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Time that its threads have spent on a processor.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = tasks.map(|task| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            stat.split(' ').next().unwrap().parse::<u64>().unwrap()
        });
        Duration::from_nanos(nanos.sum())
    }

    fn status(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
