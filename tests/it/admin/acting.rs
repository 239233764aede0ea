//! The Unix socket, and `tagwire drain`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::support::http::ask;
use crate::support::{Binary, DEADLINE, eventually};

fn tagwire(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagwire"));
    command.args(args).current_dir(dir).env_clear().stdin(Stdio::null()).output().unwrap()
}

#[tokio::test]
async fn drain_ends_a_server_in_order_and_waits_for_it() {
    let mut server = Binary::serve(&["--admin", "off"], &["admin.socket=a.sock"]);
    let mode = fs::metadata(server.path("a.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut peer = server.peer().await;
    peer.join("r", "ann").await;
    let dir = server.path("");
    let drain = spawn_blocking(move || tagwire(&dir, &["drain", "--socket", "a.sock"]));
    assert_eq!(peer.expect("goaway").await["reason"], "shutting_down");
    while peer.poll().await.is_ok() {}
    drop(peer);
    let drained = drain.await.unwrap();
    let said = String::from_utf8_lossy(&drained.stdout);
    assert_eq!(drained.status.code(), Some(0), "{drained:?}");
    assert!(said.ends_with("it has ended\n"), "{said}");
    assert!(!server.path("a.sock").exists(), "it is removed at the end");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
}

#[tokio::test]
async fn drain_says_why_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let code = |args: &[&str]| tagwire(dir.path(), args).status.code();
    assert_eq!(code(&["drain"]), Some(2), "no socket is known");
    assert_eq!(code(&["drain", "--socket", "none.sock"]), Some(69));
    drop(UnixListener::bind(dir.path().join("stale.sock")).unwrap());
    assert_eq!(code(&["drain", "--socket", "stale.sock"]), Some(69));
    fs::write(dir.path().join("t.toml"), "[admin]\nsocket = \"none.sock\"\n").unwrap();
    assert_eq!(code(&["drain", "--config", "t.toml"]), Some(69));
    assert_eq!(code(&["drain", "--config", "missing.toml"]), Some(78));
}

#[tokio::test]
async fn a_connection_is_kicked_by_its_session() {
    let server = Binary::serve(&["--admin", "off"], &["admin.socket=a.sock"]);
    let mut peer = server.peer().await;
    peer.join("r", "ann").await;
    let listed = ask(&server, "GET", "/v1/connections").await.json();
    let session = listed["connections"][0]["session"].as_str().unwrap();
    let path = format!("/v1/connections/{session}/kick");
    assert_eq!(ask(&server, "GET", &path).await.status, 405);
    assert_eq!(ask(&server, "POST", &path).await.status, 202);
    assert_eq!(peer.expect("goaway").await["reason"], "kicked");
    while peer.poll().await.is_ok() {}
    drop(peer);
    let closed = "tagwire_connections_closed_total{reason=\"kicked\"} 1\n";
    let counted = async { while !ask(&server, "GET", "/metrics").await.body.contains(closed) {} };
    timeout(DEADLINE, counted).await.expect("it is counted");
    assert_eq!(ask(&server, "POST", &path).await.status, 404);
}

#[tokio::test]
async fn a_live_socket_is_not_taken_and_a_stale_one_is() {
    let mut server = Binary::serve(&["--admin", "off"], &["admin.socket=a.sock"]);
    let dir = server.path("");
    let flags = ["--listen", "127.0.0.1:0", "--admin", "off", "--set", "admin.socket=a.sock"];
    let second = tagwire(&dir, &[&["serve"], &flags[..]].concat());
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("another server listens there"), "{said}");
    assert_eq!(ask(&server, "GET", "/livez").await.status, 200);

    server.signal("KILL");
    server.ended().await;
    assert!(server.path("a.sock").exists(), "nobody could remove it");
    let mut next = Command::new(env!("CARGO_BIN_EXE_tagwire"));
    next.arg("serve").args(flags).current_dir(&dir).env_clear().stdin(Stdio::null());
    let mut next = next.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the next one answers", || {
        std::os::unix::net::UnixStream::connect(dir.join("a.sock")).is_ok()
    })
    .await;
    assert_eq!(ask(&server, "GET", "/livez").await.status, 200);
    let drained = tagwire(&dir, &["drain", "--socket", "a.sock"]);
    assert_eq!(drained.status.code(), Some(0), "{drained:?}");
    assert_eq!(next.wait().unwrap().code(), Some(0));
}
