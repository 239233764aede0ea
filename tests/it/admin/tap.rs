//! `/v1/tap` and `tagwire tap`.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::http::{ask, get};
use crate::support::{Binary, DEADLINE, RawPeer};

fn serve() -> Binary {
    Binary::serve(&["--admin", "127.0.0.1:0"], &["admin.socket=a.sock"])
}

/// A running `tagwire tap`.
struct Tapping {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Tapping {
    /// One that sees every frame from now on.
    async fn start(server: &Binary, flags: &[&str]) -> Self {
        let mut tapping = Self::spawn(server, flags);
        let said = tapping.complaint().await;
        assert!(said.starts_with("showing frames"), "{said}");
        tapping
    }

    fn spawn(server: &Binary, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwire"));
        command.args(["tap", "--socket", "a.sock"]).args(flags).current_dir(server.path(""));
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, out, err }
    }

    /// The next line; an empty one at the end.
    async fn line(&mut self) -> String {
        let line = timeout(DEADLINE, self.out.next_line()).await.expect("a line in time");
        line.unwrap().unwrap_or_default()
    }

    async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    async fn complaint(&mut self) -> String {
        let line = timeout(DEADLINE, self.err.next_line()).await.expect("a line in time");
        line.unwrap().unwrap_or_default()
    }

    async fn code(&mut self) -> Option<i32> {
        timeout(DEADLINE, self.child.wait()).await.expect("it ends").unwrap().code()
    }

    async fn interrupt(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    }
}

async fn member(server: &Binary, room: &str, user: &str) -> RawPeer {
    let mut peer = server.peer().await;
    peer.join(room, user).await;
    peer
}

#[tokio::test]
async fn a_person_sees_frames_of_a_room_and_nothing_that_drives_the_terminal() {
    let server = serve();
    let mut ann = member(&server, "r", "ann").await;
    let mut other = member(&server, "other", "bob").await;
    let mut tapping = Tapping::start(&server, &["--room", "r", "--payload"]).await;
    other.say("not shown").await;
    other.hear().await;
    ann.say("hi\u{1b}[2J\u{202e}").await;
    ann.hear().await;
    for arrow in ["→", "←"] {
        let line = tapping.line().await;
        let (head, words) = line.split_once(" B  ").unwrap();
        assert_eq!(words, r#""hi\u{1b}[2J\u{202e}""#);
        let columns: Vec<_> = head.split_whitespace().skip(2).collect();
        assert_eq!(columns, [arrow, "0x02", "DATA", "r", "9"], "{line}");
    }
    tapping.interrupt().await;
    assert_eq!(tapping.code().await, Some(130));
    assert_eq!(tapping.line().await, "", "and nothing else was shown");
}

#[tokio::test]
async fn a_program_gets_objects_and_as_many_as_it_wants() {
    let server = serve();
    let mut ann = member(&server, "r", "ann").await;
    let mut other = member(&server, "r", "bob").await;
    let listed = ask(&server, "GET", "/v1/connections").await.json();
    let session = listed["connections"][0]["session"].as_str().unwrap();
    let flags = ["--session", session, "--tag", "data", "--payload", "--json", "--count", "3"];
    let mut tapping = Tapping::start(&server, &flags).await;
    ann.say(b"\xff\x00").await;
    ann.hear().await;
    other.say("from another").await;
    ann.hear().await;
    for (way, payload) in [
        ("in", json!({"length": 2, "payload_base64": "/wA="})),
        ("out", json!({"length": 2, "payload_base64": "/wA="})),
        ("out", json!({"length": 12, "payload": "from another"})),
    ] {
        let mut frame = tapping.json().await;
        assert!(frame["time_ms"].as_u64().unwrap() > 1_700_000_000_000, "{frame}");
        frame.as_object_mut().unwrap().remove("time_ms");
        let mut want =
            json!({"session": session, "way": way, "tag": 2, "name": "DATA", "room": "r"});
        want.as_object_mut().unwrap().append(&mut payload.as_object().unwrap().clone());
        assert_eq!(frame, want);
    }
    assert_eq!((tapping.line().await.as_str(), tapping.code().await), ("", Some(0)));
}

#[tokio::test]
async fn payloads_are_shown_only_if_they_are_asked_for_and_what_is_too_much_is_counted() {
    let server = serve();
    let mut ann = member(&server, "r", "ann").await;
    let flags = ["--tag", "0x02", "--rate", "1", "--json"];
    let mut tapping = Tapping::start(&server, &flags).await;
    for _ in 0..50 {
        ann.say("secret").await;
        ann.hear().await;
    }
    let (mut shown, mut missed) = (0, 0);
    while shown + missed < 100 {
        let told = tapping.json().await;
        match told["missed"].as_u64() {
            Some(more) => missed += more,
            None => {
                shown += 1;
                assert_eq!((&told["length"], told.get("payload")), (&6.into(), None), "{told}");
            }
        }
    }
    assert!(missed > 50, "{missed}");
}

#[tokio::test]
async fn lines_are_shown_as_lines() {
    let server = serve();
    let mut tapping = Tapping::start(&server, &["--tag", "lines", "--payload"]).await;
    let mut person = server.connect().alpn(&[]).open().await;
    person.send("/join r ann\n").await;
    let line = tapping.line().await;
    assert!(line.contains("→      lines") && line.ends_with("\"/join r ann\""), "{line}");
}

#[tokio::test]
async fn a_tap_ends_with_its_server_and_with_its_reader() {
    let mut server = serve();
    let mut ann = member(&server, "r", "ann").await;
    let mut reader = Tapping::start(&server, &[]).await;
    let mut piped = Tapping::start(&server, &[]).await;
    let mut counting = Tapping::start(&server, &["--count", "100"]).await;
    drop(piped.out);
    // A pipe that nobody reads any more is found out by writing to it.
    ann.say("hello").await;
    ann.hear().await;
    let ended = timeout(DEADLINE, piped.child.wait()).await.expect("it ends").unwrap();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(piped.err.next_line().await.unwrap(), None, "that is no error");

    server.signal("TERM");
    while ann.poll().await.is_ok() {}
    drop(ann);
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
    assert_eq!(reader.code().await, Some(0));
    assert_eq!(reader.complaint().await, "the server has ended");
    let mut tags = Vec::new();
    while let Some(tag) = reader.line().await.split_whitespace().nth(3) {
        tags.push(tag.to_owned());
    }
    assert_eq!(tags, ["0x02", "0x02", "0x01"], "the goaway too");
    assert_eq!(counting.code().await, Some(1));
    assert!(counting.complaint().await.contains("after 3 of 100 frames"));
}

#[tokio::test]
async fn a_server_that_is_killed_is_told() {
    let mut server = serve();
    let mut tapping = Tapping::start(&server, &[]).await;
    server.signal("KILL");
    server.ended().await;
    assert_eq!(tapping.code().await, Some(69));
    assert!(tapping.complaint().await.contains("the server is gone"));
}

#[tokio::test]
async fn who_may_not_or_asks_wrongly_is_told_why() {
    let server = serve();
    let refused = get(&server, "/v1/tap").await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("Unix socket"), "{}", refused.body);
    for wrong in ["?room=a%20b", "?tag=0x00", "?rate=0", "?payload=maybe", "?rooom=r"] {
        assert_eq!(ask(&server, "GET", &format!("/v1/tap{wrong}")).await.status, 400, "{wrong}");
    }
    let mut unknown = Tapping::spawn(&server, &["--session", "nobody-1f"]);
    let said = unknown.complaint().await;
    assert!(said.contains("no connection has that session"), "{said}");
    assert_eq!(unknown.code().await, Some(77));
    std::fs::remove_file(server.path("a.sock")).unwrap();
    let mut missing = Tapping::spawn(&server, &[]);
    let said = missing.complaint().await;
    assert!(said.contains("serve --set admin.socket=PATH"), "{said}");
    assert_eq!(missing.code().await, Some(69));
}

#[tokio::test]
async fn places_are_few_and_free_again_when_somebody_goes() {
    let server = serve();
    let open = async || {
        let mut stream = UnixStream::connect(server.path("a.sock")).await.unwrap();
        stream.write_all(b"GET /v1/tap HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut head = [0; 12];
        let read = timeout(DEADLINE, stream.read_exact(&mut head)).await;
        read.expect("an answer in time").unwrap();
        (String::from_utf8_lossy(&head).into_owned(), stream)
    };
    let mut taps = Vec::new();
    for _ in 0..8 {
        let (head, stream) = open().await;
        assert_eq!(head, "HTTP/1.1 200");
        taps.push(stream);
    }
    assert_eq!(open().await.0, "HTTP/1.1 503");
    drop(taps.pop());
    // The server sees that somebody is gone when it next looks at that connection.
    let again = async { while open().await.0 != "HTTP/1.1 200" {} };
    timeout(DEADLINE, again).await.expect("a place is free again");
    // Others have theirs, also while frames are shown.
    assert_eq!(ask(&server, "GET", "/livez").await.status, 200);
}
