//! Goal: the command line keeps what outsiders script against. Method: run the binary, and look at its exit
//! code and at what it prints, with an environment of our own.

use std::fs;
use std::process::{Command, Output};

/// Runs the binary in an empty directory, without this process' configuration.
fn tagwire(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    command(args).current_dir(dir.path()).output().unwrap()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagwire"));
    command.args(args).env_clear();
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_version_is_the_packages() {
    let output = tagwire(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(out(&output), format!("tagwire {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_line_without_sense_ends_with_2() {
    for args in [
        &[][..],
        &["serv"],
        &["serve", "--prot", "1"],
        &["completions", "tcsh"],
        &["man"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--cert", "a.pem"],
        &["serve", "--engine", "disk:data"],
        &["serve", "--client-ca", "ca.pem"],
        &["--log", "a=loudly", "config", "check"],
    ] {
        let output = tagwire(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", err(&output));
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn what_is_not_honoured_yet_is_refused_by_name() {
    let said = err(&tagwire(&["serve", "--engine", "nats://127.0.0.1:4222"]));
    assert!(said.contains("--engine nats://127.0.0.1:4222: is not in this version"), "{said}");
    let said = err(&tagwire(&["serve", "--client-ca", "ca.pem"]));
    assert!(said.contains("--client-ca: this version does not check"), "{said}");
}

#[test]
fn elsewhere_a_missing_certificate_names_the_command_that_makes_one() {
    let output = tagwire(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("tagwire certs"), "{}", err(&output));
}

#[test]
fn a_good_configuration_is_said_to_be() {
    let output = tagwire(&["config", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "the configuration is good\n");
}

#[test]
fn a_bad_key_ends_with_78_and_names_the_nearest_with_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("t.toml"), "workers = 2\n[limits]\nconections = 3\n").unwrap();
    for sub in [&["config", "check"][..], &["config", "show"], &["serve"]] {
        let args = [sub, &["--config", "t.toml"]].concat();
        let output = command(&args).current_dir(dir.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{args:?}: {}", err(&output));
        let want = "unknown key \"limits.conections\" (t.toml, line 3): the nearest known one is \
                    limits.connections";
        assert!(err(&output).contains(want), "{}", err(&output));
        assert_eq!(out(&output), "");
    }
}

#[test]
fn a_file_that_is_not_there_or_not_toml_ends_with_78() {
    let output = tagwire(&["config", "check", "--config", "t.toml"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(err(&output).contains("cannot read the configuration file t.toml"), "{}", err(&output));

    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("t.toml"), "workers = 2\n[limits\n").unwrap();
    let args = ["config", "check", "--config", "t.toml"];
    let output = command(&args).current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(err(&output).contains("t.toml, line 2: not TOML"), "{}", err(&output));
}

#[test]
fn each_value_says_where_it_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[limits]\nrooms = 1\nframe = \"1KiB\"\n[heartbeat]\ninterval = \"5s\"\n";
    fs::write(dir.path().join("t.toml"), text).unwrap();
    let args = ["config", "show", "--config", "t.toml", "--set", "limits.rooms=3"];
    let output = command(&args)
        .current_dir(dir.path())
        .envs([("TAGWIRE_LIMITS__ROOMS", "2"), ("TAGWIRE_LIMITS__FRAME", "2KiB")])
        .envs([("TAGWIRE_URL", "tagwire://127.0.0.1:1"), ("TAGWIRE_LOG", "warn")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for line in [
        "limits.rooms = 3  # --set limits.rooms",
        "limits.frame = \"2KiB\"  # TAGWIRE_LIMITS__FRAME",
        "heartbeat.interval = \"5s\"  # t.toml, line 5",
        "limits.connections = 15000  # default",
    ] {
        assert!(out(&output).lines().any(|shown| shown == line), "{line}\n{}", out(&output));
    }
}

#[test]
fn set_takes_every_key() {
    let shown = out(&tagwire(&["config", "show"]));
    // Each key set to its own default, all at once.
    let settings: Vec<_> = shown
        .lines()
        .map(|line| line.split("  # ").next().unwrap_or_default().replacen(" = ", "=", 1))
        .collect();
    assert!(settings.len() > 30, "{shown}");
    let mut args = vec!["config", "show"];
    for setting in &settings {
        args.extend(["--set", setting]);
    }
    let output = tagwire(&args);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output).matches("  # --set ").count(), settings.len(), "{}", out(&output));
}

#[test]
fn a_handler_is_set_in_the_shells_quoting() {
    let output =
        tagwire(&["config", "show", "--set", "handlers.0x20.command=python3 'my echo.py'"]);
    let want =
        "handlers.0x20.command = [\"python3\", \"my echo.py\"]  # --set handlers.0x20.command";
    assert!(out(&output).lines().any(|line| line == want), "{}{}", out(&output), err(&output));
}
