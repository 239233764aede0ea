//! Goal: whoever starts the program wrongly is told what happened, where, and what to do next. Method: do
//! what strangers do, in an empty directory, and read the last line of what it says.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use super::support::{Server, file, tagwire, texts};

/// Runs the program in `dir` to its end; its exit code, and what it said on standard error.
fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = tagwire(args).current_dir(dir).output().unwrap();
    (output.status.code(), texts(&output).1)
}

/// Each start of `tagwire serve`, its exit code, and parts of what it has to say.
#[track_caller]
fn refused(dir: &Path, args: &[&str], code: i32, parts: &[&str]) {
    let (ended, said) = run(dir, &[&["serve"], args].concat());
    assert_eq!(ended, Some(code), "{args:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{args:?}: no {part:?} in\n{said}");
    }
}

#[test]
fn a_wrong_start_says_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    refused(dir, &["--listen", "localhost:4433"], 2, &["such as 127.0.0.1:4433"]);
    refused(dir, &["--listen", "0.0.0.0:0"], 1, &["no certificate for 0.0.0.0", "`tagwire certs"]);
    refused(dir, &["--cert", "a.pem", "--key", "a.key"], 1, &["a.pem", "`tagwire certs`"]);
    refused(
        dir,
        &["--set", "limits.conections=3"],
        78,
        &["nearest known one is limits.connections"],
    );
    refused(dir, &["--set", "limits.connections=x"], 78, &["a whole number from 1 on"]);
    refused(dir, &["--set", "timeouts.drain=5"], 78, &["such as \"250ms\", \"15s\""]);
    refused(dir, &["--set", "nonsense"], 78, &["wants KEY=VALUE"]);
    refused(dir, &["--set", "handlers.0x05.command=cat"], 78, &["with NN from 10 to FF"]);
    refused(dir, &["--log", "loud"], 2, &["\"loud\" is no level"]);
    // Nothing of that has left anything behind.
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
    refused(dir, &["--set", "handlers.0x20.command=no-such-program"], 78, &["on PATH: install it"]);
}

#[test]
fn a_port_in_use_is_told_with_the_flag_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let parts = [&address[..], "is in use", "`--listen 127.0.0.1:0` takes a free one"];
    refused(dir.path(), &["--listen", &address], 1, &parts);
}

#[test]
fn a_bad_pair_in_certs_is_told_by_file_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("certs"), "not a directory").unwrap();
    refused(dir, &["--listen", "127.0.0.1:0"], 1, &["certs is not a directory: move it away"]);
    fs::remove_file(dir.join("certs")).unwrap();

    let (code, said) = run(dir, &["certs"]);
    assert_eq!((code, said.contains("next: tagwire serve")), (Some(0), true), "{said}");
    let key = dir.join("certs/server.key");
    let good = fs::read(&key).unwrap();
    let authority = fs::read(dir.join("certs/ca.key")).unwrap();
    let anew = "anew with `tagwire certs --force`";
    // Written over, so that the mode stays: a key that everybody may read is another complaint.
    for (content, part) in [
        (&b"garbage"[..], "expected PEM text"),
        (&authority, "does not belong to the certificate in certs/server.pem"),
        (b"", "certs/server.key is empty"),
    ] {
        fs::write(&key, content).unwrap();
        refused(dir, &["--listen", "127.0.0.1:0"], 1, &["certs/server.key", part, anew]);
    }
    fs::remove_file(&key).unwrap();
    let parts = ["certs/server.key is not: put it back", "`tagwire certs --force`"];
    refused(dir, &["--listen", "127.0.0.1:0"], 1, &parts);

    // The way out works, and nothing less was touched.
    assert_eq!(run(dir, &["certs"]).0, Some(1));
    assert_eq!(run(dir, &["certs", "--force"]).0, Some(0));
    assert_ne!(fs::read(&key).unwrap(), good);
    let parts = ["other machines could connect", "--insecure-anonymous"];
    refused(dir, &["--listen", "0.0.0.0:0"], 2, &parts);
}

#[test]
fn an_interrupt_ends_it_in_order() {
    let server = Server::start(&[]);
    let mut ann = server.person();
    ann.say("/join lobby ann");
    ann.line("ann joined the room");
    let Server { running, .. } = &server;
    running.signal("INT");
    ann.line_with("-- the server is about to close: come back in ");
    let (status, said) = server.running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("ending: everyone is told; a second signal ends at once"), "{said}");
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    // Somebody's request is under way for two seconds, which the first one waits for.
    let command = format!("handlers.0x21.command=python3 '{}'", file("tests/clients/slow.py"));
    let mut server = Server::start(&["--set", &command]);
    let connect = format!("-connect {} -CAfile certs/ca.pem", server.address());
    let slow = r"printf '\x05\x00\x00\x00\x05\x00\x00\x00\x01\x21\x02\x00\x00\x00\x02hi'";
    // The DATA frame behind the call comes back: the call has been handed over.
    let line = format!("{slow} | openssl s_client -quiet {connect}");
    let (_, _caller) = server.shell_while(&line, "hi");
    server.running.signal("INT");
    server.running.line_with("ending: ");
    server.running.signal("INT");
    let (status, said) = server.running.end();
    assert_eq!(status.code(), Some(130), "{said}");
}

#[test]
fn decode_says_frames_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let output = tagwire(&["decode", "02", "0000000568656c6c6f"]).output().unwrap();
    assert_eq!(texts(&output).0, "0x02 DATA, 5 bytes: \"hello\"\n");

    // As a program prints it to a pipe: the bytes themselves.
    let mut command = tagwire(&["decode"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\x03\0\0\0\x01\0\x02\0\0\0\x09hi").unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!(out, "0x03 HEARTBEAT, 1 byte: ping \"\"\n");
    assert_eq!(err, "error: byte 6: 0x02 announces 9 bytes, and 2 are there\n");
    assert_eq!(output.status.code(), Some(76));
    assert_eq!(run(dir.path(), &["decode", "xyz"]).0, Some(2));
}
