//! Goal: the log is one JSON object a line, whatever peers call themselves; says when a connection opened
//! and closed, and why; and holds up nobody when nobody reads it.
//! Method: the real program, its standard error read or left alone.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Binary, Connect, PlainPeer, client_config, control, eventually};

/// The log lines so far, the hints for people left out.
fn lines(binary: &Binary) -> Vec<Value> {
    let stderr = binary.stderr();
    let (whole, _) = stderr.rsplit_once('\n').unwrap_or_default();
    let begin = whole.find('{').map_or("", |at| &whole[at..]);
    begin.split('\n').filter(|line| !line.is_empty()).map(parsed).collect()
}

fn parsed(line: &str) -> Value {
    assert!(line.len() <= 8 << 10, "{} bytes", line.len());
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// The line with that message about that session, once it is there.
async fn line(binary: &Binary, message: &str, session: &str) -> Value {
    let mut found = None;
    eventually(message, || {
        let of = |line: &Value| line["message"] == message && line["session"] == session;
        found = lines(binary).into_iter().find(of);
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test]
async fn a_connection_is_told_of_when_it_opens_and_when_it_closes() {
    let binary = Binary::start();
    let mut ann = binary.peer().await;
    let welcome = ann.request(json!({"op": "hello"}), "welcome").await;
    ann.join("r", "ann").await;
    let session = welcome["session"].as_str().unwrap().to_owned();
    let open = line(&binary, "open", &session).await;
    assert_eq!((&open["tls"], &open["alpn"]), (&json!("TLSv1.3"), &json!("tagwire/1")), "{open}");
    assert_eq!((&open["protocol"], &open["level"]), (&json!("frames"), &json!("INFO")), "{open}");
    assert!(open["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{open}");
    assert_ne!(open["key_exchange"], "none", "{open}");
    ann.send(vec![0; 5]).await;
    ann.last_words("invalid_tag").await;
    drop(ann);
    let close = line(&binary, "close", &session).await;
    let said = [&close["reason"], &close["code"], &close["user"]];
    assert_eq!(said, [&json!("refused"), &json!("invalid_tag"), &json!("ann")], "{close}");
    assert!(close["bytes_in"].as_u64() > Some(5) && close["bytes_out"].as_u64() > Some(5));
    assert!(close["seconds"].as_f64() > Some(0.0), "{close}");
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_of_once_a_second() {
    let binary = Binary::start();
    for _ in 0..100 {
        let mut plain = PlainPeer::connect(binary.address).await;
        plain.send(b"GET / HTTP/1.1\r\n\r\n").await;
        plain.rest().await;
    }
    let failed = |line: &&Value| line["message"] == "handshake failed";
    let seen = || lines(&binary).iter().filter(failed).cloned().collect::<Vec<_>>();
    // The line that tells of the last ones is about none of its own.
    let tells =
        |line: &Value| u64::from(line["from"].is_string()) + line["left_out"].as_u64().unwrap();
    eventually("all are told of", || seen().iter().map(tells).sum::<u64>() == 100).await;
    let seen = seen();
    assert!(seen.len() < 50, "{} lines", seen.len());
    assert_eq!((&seen[0]["reason"], &seen[0]["from"]), (&json!("not_tls"), &json!("127.0.0.1")));
}

#[tokio::test]
async fn names_cannot_break_a_line_and_payloads_are_not_in_the_log() {
    let binary = Binary::with_log("trace");
    let names =
        ["{}", "\u{2028}a\u{2029}", "\"},{\"", "\\u001b[2J", "\u{202e}abc", "%s%n\\n", "🦀"];
    let mut sessions = Vec::new();
    for name in names {
        let mut peer = binary.peer().await;
        let hello = json!({"op": "hello", "user_id": name});
        let welcome = peer.request(hello, "welcome").await;
        sessions.push(welcome["session"].as_str().unwrap().to_owned());
        peer.join("r", name).await;
        peer.say("canary-payload").await;
        peer.hear().await;
        // These are no names at all, and go into no line either.
        for bad in ["\n", "\r", "\u{1b}[2J", &"x".repeat(1 << 12)] {
            peer.send(control(json!({"op": "join", "room_id": bad, "user_id": bad}))).await;
            peer.expect_error("bad_room").await;
        }
    }
    for session in &sessions {
        line(&binary, "close", session).await;
    }
    let stderr = binary.stderr();
    assert!(!stderr.contains("canary-payload"), "a payload is in the log");
    // What a terminal or a reader of lines could take for an end of line or a turn of the text.
    assert!(!stderr.contains(['\u{2028}', '\u{2029}', '\u{202e}', '\u{1b}', '\r']));
}

/// A server whose standard error is a pipe that nobody reads.
struct Unread {
    child: Child,
    dir: TempDir,
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagwire"));
    command.args(["--log", "trace", "serve", "--listen", "127.0.0.1:0", "--admin", "off"]);
    command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut unread = Unread { child: command.stderr(Stdio::piped()).spawn().unwrap(), dir };
    let (address, _) = Binary::listening(unread.child.stdout.take().unwrap());
    let ca = std::fs::read(unread.dir.path().join("certs/ca.pem")).unwrap();
    let client = client_config(&ca);
    // Lines of some 300 bytes: 64 KiB of pipe are full long before the last.
    for turn in 0..400 {
        let mut peer = Connect::to(address, &client).open().await;
        peer.join("r", &turn.to_string()).await;
    }
    let mut peer = Connect::to(address, &client).open().await;
    peer.join("r", "last").await;
    peer.expect_alive().await;
}
