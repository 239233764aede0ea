//! Goal: under a supervisor such as systemd, a restart refuses nobody, and the supervisor knows how the server
//! is. Method: play systemd: a datagram socket that hears what the server says of itself, and a listening
//! socket that it is handed, which outlives it.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokio::net::{TcpSocket, UnixDatagram};
use tokio::time::timeout;

use crate::support::{Binary, DEADLINE};

const TAGWIRE: &str = env!("CARGO_BIN_EXE_tagwire");

/// Where a supervisor hears of its service.
struct Ear {
    socket: UnixDatagram,
    dir: TempDir,
}

impl Ear {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { socket: UnixDatagram::bind(dir.path().join("notify")).unwrap(), dir }
    }

    /// A server that speaks to this ear; it has these variables too.
    fn start(&self, variables: &[(&str, &str)]) -> Binary {
        let mut command = Command::new(TAGWIRE);
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "off"]).env_clear();
        command
            .envs(variables.iter().copied())
            .env("NOTIFY_SOCKET", self.dir.path().join("notify"));
        Binary::of(command.stdin(Stdio::null()), self.dir.path())
    }

    /// The next word: lines of `NAME=VALUE`.
    async fn hear(&self) -> String {
        let mut word = vec![0; 4096];
        let heard = timeout(DEADLINE, self.socket.recv(&mut word)).await.expect("a word");
        word.truncate(heard.unwrap());
        String::from_utf8(word).unwrap()
    }
}

#[tokio::test]
async fn readiness_and_the_end_are_told() {
    let ear = Ear::new();
    let mut binary = ear.start(&[]);
    assert_eq!(ear.hear().await, format!("READY=1\nSTATUS=serving on {}\n", binary.address));
    // Ready means that it answers.
    binary.peer().await.expect_alive().await;
    binary.signal("TERM");
    assert_eq!(ear.hear().await, "STOPPING=1\nSTATUS=ending: everyone is told\n");
    assert_eq!(binary.ended().await.code(), Some(0), "{}", binary.stderr());
}

#[tokio::test]
async fn signs_of_life_come_as_long_as_they_are_asked_for() {
    let ear = Ear::new();
    let binary = ear.start(&[("WATCHDOG_USEC", "100000")]);
    assert!(ear.hear().await.starts_with("READY=1\n"));
    for _ in 0..5 {
        assert_eq!(ear.hear().await, "WATCHDOG=1\n");
    }
    binary.signal("TERM");
    // While it ends, too.
    while !ear.hear().await.starts_with("STOPPING=1\n") {}
}

#[tokio::test]
async fn signs_of_life_for_another_process_are_not_ours_to_give() {
    let ear = Ear::new();
    let binary = ear.start(&[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]);
    assert!(ear.hear().await.starts_with("READY=1\n"));
    binary.peer().await.expect_alive().await;
    binary.signal("TERM");
    assert!(ear.hear().await.starts_with("STOPPING=1\n"));
}

/// `serve` with these flags as a service that is handed sockets: the first is its standard input, which becomes
/// number 3 as often as `count` says. The shell is there to know the number of the process that it becomes.
fn handed(socket: &TcpListener, count: usize, flags: &str) -> Command {
    let copies: String = (3..3 + count).map(|number| format!("{number}<&0 ")).collect();
    let line = format!("export LISTEN_PID=$$; exec \"$0\" serve {flags} {copies} </dev/null");
    let mut command = Command::new("sh");
    command.args(["-c", &line, TAGWIRE]).env_clear().env("LISTEN_FDS", count.to_string());
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    command
}

/// What a service says that does not start.
fn refused(command: &mut Command, dir: &Path) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.current_dir(dir).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn the_passed_socket_is_served_instead_of_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    // This address is taken, so that binding it would fail.
    let flags = format!("--listen {} --admin off", socket.local_addr().unwrap());
    let binary = Binary::of(&mut handed(&socket, 1, &flags), dir.path());
    assert_eq!(binary.address, socket.local_addr().unwrap());
    binary.peer().await.expect_alive().await;
}

#[tokio::test]
async fn who_comes_while_no_server_runs_is_served_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut first = Binary::of(&mut handed(&socket, 1, ""), dir.path());
    let mut peer = first.peer().await;
    peer.expect_alive().await;
    first.signal("TERM");
    peer.expect("goaway").await;
    assert_eq!(first.ended().await.code(), Some(0), "{}", first.stderr());

    let client = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();
    let second = Binary::of(&mut handed(&socket, 1, ""), dir.path());
    second.connect().over(client).await.expect_alive().await;
}

#[tokio::test]
async fn who_comes_while_a_server_drains_is_served_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut first = Binary::of(&mut handed(&socket, 1, ""), dir.path());
    // So many that their turns take a while.
    let mut peers = Vec::new();
    for _ in 0..100 {
        peers.push(first.peer().await);
    }
    first.signal("TERM");
    peers[0].expect("goaway").await;
    let client = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();
    assert_eq!(first.ended().await.code(), Some(0), "{}", first.stderr());
    let second = Binary::of(&mut handed(&socket, 1, ""), dir.path());
    second.connect().over(client).await.expect_alive().await;
}

#[test]
fn what_cannot_be_served_is_refused_with_what_to_change() {
    let dir = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, said) = refused(&mut handed(&socket, 2, ""), dir.path());
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("2 sockets: leave one ListenStream= in it"), "{said}");

    let connection = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let connection = TcpListener::from(OwnedFd::from(connection));
    let (code, said) = refused(&mut handed(&connection, 1, ""), dir.path());
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("a connection: it wants Accept=no"), "{said}");

    let mut command = handed(&socket, 1, "");
    let (code, said) = refused(command.stdin(Stdio::null()), dir.path());
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("ListenStream= wants a port"), "{said}");
}

/// The rule of `--listen` holds for a socket that comes another way.
#[test]
fn a_socket_that_others_reach_has_to_be_meant() {
    let dir = tempfile::tempdir().unwrap();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let socket = TcpListener::bind(everywhere).unwrap();
    let (code, said) = refused(&mut handed(&socket, 1, ""), dir.path());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the socket that was passed, 0.0.0.0:"), "{said}");
    assert!(said.contains("say --insecure-anonymous if that is meant"), "{said}");
}
