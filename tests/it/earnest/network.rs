//! A link that goes down says nothing: no FIN, no reset. Who was behind it is found out to be dead, leaves
//! the rooms, and gives the place back (F16).

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::time::{Instant, interval};

use crate::support::http::{Scrape, exchange, request};
use crate::support::{Binary, Connect, RawPeer, alone, pong, publish};

/// How long the dead may be there.
const DEAD: Duration = Duration::from_secs(75);

/// The ends of a link as addresses: ours, and the server's.
type Ends = [[u8; 4]; 2];

/// A network namespace with two links to ours; all of it is gone when this is dropped.
struct Links {
    namespace: String,
    /// The one that goes down.
    cut: Ends,
    whole: Ends,
}

impl Links {
    fn lay() -> Self {
        let number = std::process::id();
        // Of the networks for benchmarks (RFC 2544), one for each test run.
        let [.., third] = number.to_be_bytes();
        let ends = |first| [[198, 18, third, first], [198, 18, third, first + 1]];
        let links = Self { namespace: format!("tw{number}"), cut: ends(1), whole: ends(5) };
        let name = &links.namespace;
        run(&format!("ip netns add {name}"));
        for (letter, [ours, servers]) in [("a", links.cut), ("b", links.whole)] {
            let [ours, servers] = [ours, servers].map(|[a, b, c, d]| format!("{a}.{b}.{c}.{d}/30"));
            let end = format!("{name}{letter}");
            run(&format!("ip link add {end} type veth peer name eth-{letter} netns {name}"));
            run(&format!("ip address add {ours} dev {end}"));
            run(&format!("ip link set {end} up"));
            run(&format!("ip -netns {name} address add {servers} dev eth-{letter}"));
            run(&format!("ip -netns {name} link set eth-{letter} up"));
        }
        links
    }

    /// A server at the other end, with certificates from before: it makes its own on loopback only.
    fn serve(&self, dir: &Path) -> Binary {
        let program = env!("CARGO_BIN_EXE_tagwire");
        let mut certs = Command::new(program);
        let made = certs.arg("certs").current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(made.status().unwrap().success());
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program, "serve"]);
        command.args(["--listen", "0.0.0.0:0", "--insecure-anonymous"]);
        command.args(["--admin", "off", "--set", "admin.socket=a.sock"]);
        Binary::of(command.stdin(Stdio::null()), dir)
    }

    fn take_down(&self) {
        run(&format!("ip link set {}a down", self.namespace));
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        let name = &self.namespace;
        // The links go with the namespace, and that with its last process; by themselves they go at once.
        for command in
            [format!("link del {name}a"), format!("link del {name}b"), format!("netns del {name}")]
        {
            let _ = Command::new("ip").args(command.split(' ')).stderr(Stdio::null()).status();
        }
    }
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("needs iproute2: {command}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "needs root that may make network namespaces: {command}: {said}"
    );
}

/// A way to connect over one of the links.
fn over(server: &Binary, [ours, servers]: Ends) -> Connect {
    Connect::to((servers, server.address.port()).into(), &server.client).source(ours)
}

/// Two members of a room, one that speaks frames, and a person. The watcher hears of both.
async fn join_both(server: &Binary, link: Ends, room: &str, watcher: &mut RawPeer) -> [RawPeer; 2] {
    let mut frames = over(server, link).open().await;
    let user = format!("{room}-frames");
    frames.join(room, &user).await;
    watcher.expect_presence("member_joined", &user).await;
    let mut person = over(server, link).alpn(&[]).open().await;
    let user = format!("{room}-person");
    person.send(format!("/join {room} {user}\n")).await;
    watcher.expect_presence("member_joined", &user).await;
    [frames, person]
}

/// Waits for so many to leave while it speaks in one of its rooms; who left, and how late.
async fn departures(watcher: &mut RawPeer, channel: u64, count: usize) -> Vec<(String, Duration)> {
    let (start, mut left) = (Instant::now(), Vec::new());
    let mut tick = interval(Duration::from_secs(1));
    while left.len() < count {
        assert!(start.elapsed() < 2 * DEAD, "the others never leave: {left:?}");
        let frame = tokio::select! {
            _ = tick.tick() => {
                watcher.send(publish(channel, 0, "anybody there?")).await;
                continue;
            }
            frame = watcher.next() => frame,
        };
        if frame.is_ping() {
            watcher.send(pong(&frame.payload[1..])).await;
        } else if frame.op() == "member_left" {
            let user = frame.json()["user_id"].as_str().unwrap().to_owned();
            left.push((user, start.elapsed()));
        }
    }
    left
}

async fn scrape(dir: &Path) -> Scrape {
    let stream = UnixStream::connect(dir.join("a.sock")).await.unwrap();
    Scrape::parse(&exchange(stream, &request("GET", "/metrics", "localhost")).await.body)
}

#[tokio::test]
#[ignore = "long: over a minute, as root, in a network namespace"]
async fn who_is_behind_a_link_that_goes_down_is_dead_within_75_s() {
    let _alone = alone().await;
    let (links, dir) = (Links::lay(), TempDir::new().unwrap());
    let server = links.serve(dir.path());
    let mut watcher = over(&server, links.whole).open().await;
    watcher.join("idle", "watcher").await;
    let busy = watcher.join("busy", "watcher").await["channel"].as_u64().unwrap();
    let idlers = join_both(&server, links.cut, "idle", &mut watcher).await;
    let busy_ones = join_both(&server, links.cut, "busy", &mut watcher).await;
    let before = scrape(dir.path()).await;
    assert_eq!((before.value("tagwire_connections"), before.value("tagwire_members")), (5.0, 6.0));
    let start = Instant::now();
    links.take_down();
    let left = departures(&mut watcher, busy, 4).await;
    println!("{left:?}");
    assert!(left.iter().all(|(_, after)| *after <= DEAD), "{left:?}");
    // Rooms are left before the place is given back: in between it waits for an end that cannot come.
    let mut tick = interval(Duration::from_millis(100));
    let after = loop {
        tick.tick().await;
        let scrape = scrape(dir.path()).await;
        if scrape.value("tagwire_connections") == 1.0 {
            break scrape;
        }
        assert!(start.elapsed() <= DEAD, "places are not given back: {scrape:#?}");
    };
    println!("all places are free after {:?}", start.elapsed());
    assert_eq!(after.value("tagwire_members"), 2.0);
    assert_eq!(after.sum("tagwire_connections_closed_total"), 4.0);
    drop((idlers, busy_ones));
}
