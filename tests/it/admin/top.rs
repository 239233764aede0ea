//! `tagwire top`, as a person sees it, and as a script does.

use std::process::{Command, Output, Stdio};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::terminal::Terminal;
use crate::support::{Binary, DEADLINE, RawPeer};

const SIZE: (u16, u16) = (80, 24);

fn serve() -> Binary {
    Binary::serve(&["--admin", "127.0.0.1:0"], &["admin.socket=a.sock"])
}

fn live(server: &Binary) -> String {
    format!("top --admin {} --interval 100ms", server.admin.unwrap())
}

/// Three people in two rooms.
async fn people(server: &Binary) -> Vec<RawPeer> {
    let mut people = Vec::new();
    for (room, user) in [("lobby", "ann"), ("lobby", "bob"), ("den", "cid")] {
        let mut peer = server.peer().await;
        peer.join(room, user).await;
        people.push(peer);
    }
    people
}

/// The words of the line that begins with one.
fn line<'a>(text: &'a str, first: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.into_iter().find(|words| words.first() == Some(&first)).unwrap_or_default()
}

#[tokio::test]
async fn a_person_sees_who_is_there_and_what_they_say() {
    let server = serve();
    let mut people = people(&server).await;
    let mut top = Terminal::start(&server, SIZE, &live(&server));
    let text = top.until("connections", |text| text.contains("q quit")).await;
    assert!(text.contains("[1 connections: 3] 2 rooms: 2"), "{text}");
    assert!(text.starts_with(&format!("tagwire top  {}", server.admin.unwrap())), "{text}");
    assert!(text.contains(&format!("version {}", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(text.contains("serving"), "{text}");
    assert_eq!(line(&text, "peers")[..5], ["peers", "3", "open", "3", "accepted"]);
    assert_eq!(line(&text, "rooms")[..5], ["rooms", "2", "rooms", "3", "members"]);
    for user in ["ann", "bob", "cid"] {
        let row = line(&text, user);
        assert!(row.len() == 10 && row[1].starts_with("127.0.0.1:"), "{text}");
        assert_eq!(row[2..4], ["frames", "1"], "{text}");
    }
    // Until what they say is seen.
    let seen = async {
        loop {
            people[0].say("hello").await;
            people[0].hear().await;
            people[1].hear().await;
            let text = top.text();
            let rate = |first, column: usize| {
                line(&text, first).get(column).and_then(|word| word.parse::<f64>().ok())
            };
            let rates = [rate("rooms", 5), rate("rooms", 7), rate("ann", 4), rate("bob", 5)];
            if rates.iter().all(|rate| rate.is_some_and(|rate| rate > 0.0)) {
                return;
            }
        }
    };
    timeout(DEADLINE, seen).await.expect("rates are seen");
    top.press("\t");
    let text = top.until("rooms", |text| line(text, "lobby").len() == 7).await;
    assert_eq!(line(&text, "lobby")[1], "2", "{text}");
    top.until("the other room", |text| line(text, "den").get(1) == Some(&"1")).await;
    // The chosen row tells more.
    top.press("1\x1b[B");
    top.until("details", |text| text.contains("\nsession ") && text.contains("\nrooms ")).await;
    top.press("q");
    top.expect_end(0).await;
}

#[tokio::test]
async fn a_server_that_goes_and_comes_is_waited_for() {
    let mut server = serve();
    let address = server.admin.unwrap();
    let mut top = Terminal::start(&server, SIZE, &live(&server));
    top.until("the server", |text| text.contains("serving")).await;
    server.signal("KILL");
    server.ended().await;
    top.until("that it is gone", |text| {
        text.contains("GONE for ") && text.contains("trying again: 127.0.0.1:")
    })
    .await;
    let _next = Binary::serve(&["--admin", &address.to_string()], &[]);
    top.until("the next one", |text| text.contains("serving") && !text.contains("again")).await;
    top.press("\x03");
    top.expect_end(130).await;
}

#[tokio::test]
async fn a_signal_leaves_the_terminal_as_it_was() {
    let server = serve();
    let line = "top --socket a.sock & pid=$!; echo $pid >top.pid; wait $pid";
    let top = Terminal::start(&server, SIZE, line);
    top.until("the server", |text| text.contains("serving")).await;
    let pid = std::fs::read_to_string(server.path("top.pid")).unwrap();
    assert!(Command::new("kill").args(["-TERM", pid.trim()]).status().unwrap().success());
    top.expect_end(143).await;
}

async fn once(server: &Binary, flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagwire"));
    command.arg("top").args(flags).current_dir(server.path("")).env_clear();
    command.stdin(Stdio::null());
    spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_script_gets_plain_text_once() {
    let server = serve();
    let _people = people(&server).await;
    let address = server.admin.unwrap().to_string();
    for flags in [
        &["--admin", &address, "--once", "--interval", "100ms"][..],
        // There is no terminal.
        &["--socket", "a.sock", "--interval", "100ms"],
    ] {
        let output = once(&server, flags).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(line(&text, "peers")[..3], ["peers", "3", "open"], "{text}");
        // The second look makes rates of it.
        assert!(line(&text, "traffic/s")[1].parse::<f64>().is_ok(), "{text}");
        assert_eq!(line(&text, "lobby")[1], "2", "{text}");
        let row = line(&text, "cid");
        assert!(row.last().unwrap().contains('-') && row.len() == 15, "{text}");
    }
}

#[tokio::test]
async fn nobody_there_is_said_with_what_to_do() {
    let server = serve();
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (flags, code) in [
        (["--admin", free.as_str()], 69),
        (["--socket", "none.sock"], 69),
        (["--admin", "nowhere"], 2),
        (["--interval", "1ms"], 2),
    ] {
        let output = once(&server, &flags).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(code != 69 || said.contains("say --admin ADDR, or --socket PATH"), "{said}");
        assert!(output.stdout.is_empty());
    }
    // What answers is no admin listener.
    let address = server.address.to_string();
    let output = once(&server, &["--admin", &address]).await;
    assert_eq!(output.status.code(), Some(76));
}
