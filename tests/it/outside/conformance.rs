//! Goal: clients that were written from the protocol's text alone, in two languages, get along with the
//! server. Method: run their scenarios (tests/clients) against the real binary; what they say of each
//! scenario is this test's output.

use std::process::Command;

use super::support::{Server, file, program, run, texts};

/// As many scenarios as both clients have.
const SCENARIOS: usize = 50;

/// Runs the scenarios of a client against a server of its own.
fn conform(client: &mut Command) {
    let echo = format!("handlers.0x20.command=python3 '{}'", file("examples/echo.py"));
    let slow = format!("handlers.0x21.command=python3 '{}'", file("tests/clients/slow.py"));
    let server = Server::start(&["--set", &echo, "--set", &slow]);
    client.args(["--addr", server.address(), "--ca", &server.ca()]);
    client.args(["--echo-tag", "0x20", "--slow-tag", "0x21"]);
    let output = run(client);
    let (out, err) = texts(&output);
    let failed: Vec<_> = out.lines().filter(|line| line.starts_with("FAILED ")).collect();
    assert!(failed.is_empty() && output.status.success(), "{}\n{err}", failed.join("\n"));
    // A scenario that is skipped, or was lost, is a failure too.
    let ok = out.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(ok, SCENARIOS, "{out}{err}");
}

#[test]
fn python() {
    conform(program("python3").arg("-B").arg(file("tests/clients/conformance.py")));
}

#[test]
fn node() {
    conform(program("node").arg(file("tests/clients/conformance.mjs")));
}

/// What comes in one piece with the byte that chooses the protocol is acted on to its end: members are
/// woken and publishes acknowledged without another byte from the peer.
#[test]
fn what_comes_with_the_first_byte_is_delivered_and_acknowledged() {
    let server = Server::start(&[]);
    let said = server.python(
        "ann = Client()\n\
         channel = ann.join('lobby', user_id='ann', deliver='message')['channel']\n\
         bob = Client(alpn=None)\n\
         bob.send(control('join', room_id='lobby', deliver='none') + record(channel, 7, b'hello'))\n\
         print(bob.op('ack')['publish_id'], ann.record().body)\n",
    );
    assert_eq!(said, "7 b'hello'\n");
}
