//! Goal: every example does what its first lines say. Method: start each as its own program on a free port,
//! and try it with the Python client; the shell lines in its first lines are run as they stand.

use std::fs;

use super::support::{Running, Server, file, link_examples, program, root, texts};

/// The address that examples are documented with.
const DOCUMENTED: &str = "127.0.0.1:4433";

/// Runs the `printf … | openssl …` of an example's first lines until it has printed this; all of it.
fn documented_line(name: &str, server: &Server, wanted: &str) -> String {
    let source = fs::read_to_string(root().join(format!("examples/{name}.rs"))).unwrap();
    let doc: Vec<_> = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let begin = doc.iter().position(|line| line.starts_with(" printf")).expect("a printf line");
    let end = begin + doc[begin..].iter().position(|line| line.trim() == "```").unwrap();
    let line = doc[begin..end].join("\n").replace(DOCUMENTED, server.address());
    assert!(line.contains(server.address()), "{line}");
    String::from_utf8_lossy(&server.shell_until(&line, wanted)).into_owned()
}

#[test]
fn echo() {
    let server = Server::example("echo");
    let said = server.python(
        "c = Client()\n\
         c.send(frame(0x20, b'hello'))\n\
         print(c.frame(0x20).payload)\n\
         c.send(call(7, 0x20, b'again'))\n\
         a = c.frame(ANSWER); print(a.call_id, a.status, a.body)\n",
    );
    assert_eq!(said, "b'hello'\n7 0 b'again'\n");
    assert_eq!(documented_line("echo", &server, "hello"), " \0\0\0\u{5}hello");
}

#[test]
fn greeting() {
    let server = Server::example("greeting");
    let said = server.python(
        "c = Client()\n\
         c.join('hall', user_id='ann')\n\
         print(c.frame(2).payload)\n\
         c.join('attic', user_id='ann', deliver='message')\n\
         print(c.frame(2).payload)\n\
         c.join('attic')\n\
         c.alive()\n",
    );
    assert_eq!(said, "b'welcome to hall'\nb'welcome to attic'\n");
    documented_line("greeting", &server, "welcome to hall");
}

#[test]
fn layered() {
    let server = Server::example("layered");
    let said = server.python(
        "c = Client()\n\
         c.send(call(1, 0x22, b'cat') + call(2, 0x22, b'hippopotamus'))\n\
         got = sorted((a.call_id, a.status, a.body) for a in (c.frame(ANSWER), c.frame(ANSWER)))\n\
         print(got)\n",
    );
    assert_eq!(said, "[(1, 0, b'a word of 3 letters'), (2, 2, b'')]\n");
    let line = documented_line("layered", &server, "handler_failed");
    assert!(line.contains("a word of 3 letters"), "{line}");
}

#[test]
fn cpu_bound() {
    let server = Server::example("cpu_bound");
    let said = server.python(
        "c = Client()\n\
         c.send(frame(0x23, b'1000'))\n\
         print(c.frame(0x23).payload)\n\
         c.send(call(1, 0x23, b'many') + call(2, 0x23, b'9999999'))\n\
         print(sorted((a.call_id, a.status) for a in (c.frame(ANSWER), c.frame(ANSWER))))\n\
         c.alive()\n",
    );
    assert_eq!(said, "b'168 primes below 1000'\n[(1, 1), (2, 1)]\n");
    // The pong comes first, then the primes.
    let line = documented_line("cpu_bound", &server, "78498 primes below 1000000");
    assert!(line.starts_with("\u{3}\0\0\0\u{1}\u{1}#"), "{line:?}");
}

#[test]
fn process_echo() {
    let server = Server::example("process_echo");
    let said = server.python(
        "c = Client()\n\
         c.send(b''.join(call(n, 0x20, b'%d' % n) for n in range(4)))\n\
         print(sorted((a.call_id, a.status, a.body) for a in [c.frame(ANSWER) for _ in range(4)]))\n",
    );
    assert_eq!(said, "[(0, 0, b'0'), (1, 0, b'1'), (2, 0, b'2'), (3, 0, b'3')]\n");
    let answer = "\u{6}\0\0\0\u{a}\0\0\0\u{1}\0hello";
    assert_eq!(documented_line("process_echo", &server, "hello"), answer);
}

#[test]
fn embedded_chat() {
    let server = Server::example("embedded_chat");
    let said = server.python(
        "c = Client()\n\
         c.join('lobby', user_id='ann', deliver='message')\n\
         r = c.record(); print(r.user, r.body.startswith(b'tick '))\n",
    );
    assert_eq!(said, "clock True\n");
    let mut person = server.person();
    person.say("/join lobby");
    person.line_with("clock: tick ");
}

/// The process handler as `examples/process_echo.rs` names it: in a server without a line of Rust.
#[test]
fn echo_in_python() {
    let flags = "--set handlers.0x20.command='python3 examples/echo.py'";
    let source = fs::read_to_string(root().join("examples/process_echo.rs")).unwrap();
    assert!(source.contains(&format!("`tagwire serve {flags}`")), "{flags}");
    let server = Server::by_shell(flags, link_examples);
    let said = server.python(
        "c = Client()\n\
         c.send(call(7, 0x20, b'hello'))\n\
         a = c.frame(ANSWER); print(a.call_id, a.status, a.body)\n",
    );
    assert_eq!(said, "7 0 b'hello'\n");
}

/// The chat client in Python of the frames, with one at `openssl s_client` on the other side.
#[test]
fn frames_in_python() {
    let source = fs::read_to_string(root().join("examples/frames.py")).unwrap();
    assert!(source.lines().count() <= 60, "an example is short");
    let server = Server::start(&[]);
    let mut command = program("python3");
    command.args(["-u", &file("examples/frames.py"), "--ca", &server.ca(), server.address()]);
    command.args(["lobby", "ann"]);
    let mut bob = server.person();
    bob.say("/join lobby bob");
    bob.line("bob joined the room");
    let mut ann = Running::start(&mut command);
    bob.line("ann joined the room");
    ann.say("hello from Python ✓");
    bob.line("ann: hello from Python ✓");
    ann.line("ann: hello from Python ✓");
    bob.say("hello, Python");
    ann.line("bob: hello, Python");

    // A name that is taken is told, and ends the program.
    let taken = command.output().unwrap();
    let (_, err) = texts(&taken);
    assert_eq!((taken.status.code(), err.starts_with("user_taken: ")), (Some(1), true), "{err}");
}
