//! Goal: two people with `openssl s_client -quiet` and nothing else chat as the README says. Method: two
//! real processes of it, fed and read through pipes; the commands are the ones that the server prints.

use super::support::{Running, Server, shell, tagwire};

/// Somebody who has joined the lobby.
fn joined(server: &Server, name: &str) -> Running {
    let mut person = server.person();
    person.say(&format!("/join lobby {name}"));
    person.line(&format!("{name} joined the room"));
    person
}

#[test]
fn openssl_two_people_chat() {
    let server = Server::start(&[]);
    let mut ann = joined(&server, "ann");
    let mut bob = joined(&server, "bob");
    ann.line("bob joined the room");

    ann.say("hello, bob");
    for person in [&mut ann, &mut bob] {
        person.line("ann: hello, bob");
    }
    bob.say("{\"message\":\"hello, ann ✓\"}");
    for person in [&mut ann, &mut bob] {
        person.line("bob: hello, ann ✓");
    }

    ann.say("/who");
    ann.line("-- in lobby: ann, bob --");
    ann.say("/rooms");
    ann.line("-- rooms: lobby (2) --");
    ann.say("/ping");
    ann.line_with("-- pong: handled in ");
    ann.say("/nonsense");
    ann.line("error: unknown command: try /help");
    ann.say("/help");
    ann.line_with("/join ROOM [NAME]");

    bob.say("/quit");
    bob.line("-- goodbye --");
    ann.line("bob left the room");
    let (status, said) = bob.end();
    assert!(status.success(), "{said}");
}

#[test]
fn openssl_a_name_is_one_persons_own() {
    let server = Server::start(&[]);
    let mut ann = joined(&server, "ann");
    let mut other = server.person();
    other.say("{\"user_id\":\"ann\",\"room_id\":\"lobby\"}");
    other.line("User ID already taken");
    // Who was refused may try again, and has not gone into the room.
    other.say("/join lobby ann2");
    other.line("ann2 joined the room");
    ann.line("ann2 joined the room");
    ann.say("/who");
    ann.line("-- in lobby: ann, ann2 --");
}

#[test]
fn openssl_nobody_drives_anothers_terminal() {
    let server = Server::start(&[]);
    let mut ann = joined(&server, "ann");
    let mut eve = joined(&server, "eve");
    eve.say("red \u{1b}[31m and \u{7} \u{202e}back\u{9b}2J");
    ann.line(r"eve: red \u{1b}[31m and \u{7} \u{202e}back\u{9b}2J");
    // JSON can say what a line cannot: its end.
    eve.say(r#"{"message":"ok\nann: forged\r"}"#);
    ann.line(r"eve: ok\nann: forged\r");
}

/// A second `/join` makes a room current; what was said and not seen yet still comes.
#[test]
fn a_second_join_loses_nothing() {
    let server = Server::start(&[]);
    let said = server.python(
        "ann = Lines(b'/join lobby ann\\n/join hall ann\\nin the hall\\n/join lobby bob\\nin the lobby')\n\
         for line in ('[hall] ann: in the hall', '[lobby] ann: in the lobby'):\n\
         \x20   ann.line(line)\n\
         ann.say('/join hall'); ann.line('-- you are in hall, 1 here --')\n",
    );
    assert_eq!(said, "");
}

#[test]
fn openssl_a_frame_by_printf_reaches_a_member() {
    let server = Server::start(&[]);
    let mut ann = joined(&server, "ann");
    // The line of docs/protocol.md, section 4, with this server's port.
    let connect = format!("-connect {} -CAfile certs/ca.pem", server.address());
    let line = format!(r"printf '\x02\x00\x00\x00\x05hello' | openssl s_client -quiet {connect}");
    // It stays as a member, and the frame comes back to itself.
    server.shell_until(&line, "\u{2}\0\0\0\u{5}hello");
    ann.line_where("a guest's hello", |line| {
        line.starts_with("guest-") && line.ends_with(": hello")
    });
}

#[test]
fn openssl_the_hints_can_be_followed_as_they_are_printed() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["serve", "--listen", "127.0.0.1:0"];
    let mut server = Running::start(tagwire(&args).current_dir(dir.path()));
    let connect = server.line_where("a hint", |line| line.starts_with("  openssl s_client"));
    let join = server.line_where("a hint", |line| line.starts_with("  /join"));
    let printf = server.line_where("a hint", |line| line.starts_with("  printf"));

    let start = |line: &str| Running::start(shell(line).current_dir(dir.path()));
    let mut ann = start(&connect);
    ann.say(join.trim_start());
    ann.line("ann joined the room");
    let _guest = start(&printf);
    ann.line_where("a guest's hello", |line| line.ends_with(": hello"));
}
