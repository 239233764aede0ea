//! The configuration as a whole: precedence, origins, and what is refused. Values come in as arguments.

use std::path::Path;
use std::time::Duration;

use tagwire::id::RoomName;
use tagwire::limits::SlowPolicy;

use super::*;

/// Merges a file's text, variables and flags.
fn merged(text: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<Config, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let mut given = source::file(Path::new("t.toml"), text).map_err(|e| e.to_string())?;
    given.extend(source::variables(variables.iter().map(owned)));
    given.extend(source::flags(&flags).map_err(|e| ConfigError(e).to_string())?);
    Config::merge(given).map_err(|e| e.to_string())
}

/// What is said about one flag.
fn refused(flag: &str) -> String {
    merged("", &[], &[flag]).expect_err(flag)
}

#[test]
fn a_flag_wins_over_a_variable_over_a_file_over_the_default() {
    let text = "[limits]\nrooms = 1\nconnections = 1\nhandshakes = 1\n";
    let variables = [("TAGWIRE_LIMITS__ROOMS", "2"), ("TAGWIRE_LIMITS__CONNECTIONS", "2")];
    let config = merged(text, &variables, &["limits.rooms=3"]).unwrap();
    let limits = &config.settings.limits;
    assert_eq!((limits.rooms, limits.connections, limits.handshakes), (3, 2, 1));
    assert_eq!(limits.frame, 1 << 20);
    assert_eq!(config.origin("limits.rooms"), "--set limits.rooms");
    assert_eq!(config.origin("limits.connections"), "TAGWIRE_LIMITS__CONNECTIONS");
    assert_eq!(config.origin("limits.handshakes"), "t.toml, line 4");
    assert_eq!(config.origin("limits.frame"), "default");
}

#[test]
fn the_last_of_two_flags_wins() {
    let config = merged("", &[], &["workers=3", "workers=4"]).unwrap();
    assert_eq!(config.workers, 4);
}

#[test]
fn a_list_is_replaced_not_joined() {
    let text =
        "limits.exempt = [\"10.0.0.0/8\", \"::1\"]\nhandlers.0x20.command = [\"cat\", \"-u\"]\n";
    let flags = ["limits.exempt=[\"192.0.2.1\"]", "handlers.0x20.command=cat"];
    let config = merged(text, &[], &flags).unwrap();
    assert!(
        config.show().contains("limits.exempt = [\"192.0.2.1/32\"]  # --set"),
        "{}",
        config.show()
    );
    assert_eq!(config.handlers[&0x20].command, ["cat"]);
    assert!(merged(text, &[], &["limits.exempt=[]"]).unwrap().settings.limits.exempt.is_empty());
}

#[test]
fn handlers_come_from_everywhere() {
    let text = "[handlers.0xAB]\ncommand = [\"cat\"]\ntimeout = \"2s\"\n";
    let flags = ["handlers.0xab.workers=3", "handlers.0x20.command=python3 echo.py"];
    let config = merged(text, &[], &flags).unwrap();
    let want = HandlerConfig {
        command: vec!["cat".into()],
        workers: 3,
        timeout: Some(Duration::from_secs(2)),
    };
    assert_eq!(config.handlers[&0xab], want);
    assert_eq!(config.handlers[&0x20].command, ["python3", "echo.py"]);
}

#[test]
fn rules_for_rooms_come_from_files_and_flags() {
    let text = "[rooms.rules.\"audit-*\"]\nslow = \"gap\"\nkeep_count = 5\n[rooms.rules.\"a.b\"]\nkeep_age = \"1m\"\n";
    let flags = ["rooms.rules.audit-*.slow=pause", "rooms.rules.a.b.presence_limit=0"];
    let config = merged(text, &[], &flags).unwrap();
    let policy = |room| config.settings.rooms.policy(&RoomName::new(room).unwrap());
    assert_eq!((policy("audit-7").slow, policy("audit-7").keep_count), (SlowPolicy::Pause, 5));
    assert_eq!(policy("audit").slow, SlowPolicy::Gap);
    assert_eq!(
        (policy("a.b").keep_age, policy("a.b").presence_limit),
        (Duration::from_secs(60), 0)
    );
    assert_eq!(config.origin("rooms.rules.\"audit-*\".slow"), "--set rooms.rules.audit-*.slow");
    assert_eq!(config.origin("rooms.rules.\"audit-*\".keep_count"), "t.toml, line 3");
}

#[test]
fn an_unknown_key_names_the_nearest_and_the_line() {
    let error = merged("[limits]\nframe = 1\nconections = 2\n", &[], &[]).unwrap_err();
    let want = "bad configuration\n  unknown key \"limits.conections\" (t.toml, line 3): the nearest \
                known one is limits.connections";
    assert_eq!(error, want);
    let error = merged("", &[("TAGWIRE_LIMITS__FRAMES", "1")], &[]).unwrap_err();
    assert!(
        error.contains("(TAGWIRE_LIMITS__FRAMES): the nearest known one is limits.frame"),
        "{error}"
    );
    let error = merged("\n[limitz]\n", &[], &[]).unwrap_err();
    assert!(error.contains("\"limitz\" (t.toml, line 2)"), "{error}");
}

#[test]
fn a_wrong_value_names_key_value_wish_and_origin() {
    let error = merged("[heartbeat]\ninterval = 15\n", &[], &[]).unwrap_err();
    let want = "heartbeat.interval = 15 (t.toml, line 2): wants a time from 1ms to 365d, such as";
    assert!(error.contains(want), "{error}");
    assert!(
        refused("limits.frame=big").contains("limits.frame = \"big\" (--set limits.frame): wants")
    );
    assert!(refused("limits=5").contains("limits = 5 (--set limits): wants a section"));
}

#[test]
fn every_mistake_is_named_at_once() {
    let error = merged("a = 1\nb = 2\nworkers = 0\n", &[], &["limits.frame=0"]).unwrap_err();
    assert_eq!(error.lines().count(), 5, "{error}");
}

#[test]
fn nonsense_is_refused_with_a_reason() {
    let zeros = ["limits.frame", "limits.handshakes", "limits.connections", "heartbeat.misses"];
    let more = ["workers", "limits.rooms", "rooms.keep_bytes", "limits.rooms_per_connection"];
    for key in zeros.into_iter().chain(more) {
        let error = refused(&format!("{key}=0"));
        assert!(error.contains(key) && error.lines().count() == 2, "{error}");
        assert!(error.matches(": ").count() >= 2, "a reason is missing: {error}");
    }
    assert!(refused("heartbeat.interval=0s").contains("nothing but pings"));
    assert!(refused("timeouts.frame=-1s").contains("wants a time"));
    assert!(refused("limits.frame=5GiB").contains("wants a size"));
    assert!(refused("rooms.default=a b").contains("wants a room name"));
    assert!(refused("rooms.slow=stop").contains("\"gap\", \"disconnect\" or \"pause\""));
    assert!(refused("rooms.rules.a b.slow=gap").contains("with a room's name for ROOM"));
    assert!(refused("rooms.rules.a.keep_bytes=0").contains("rooms.rules.\"a\".keep_bytes = 0"));
    assert!(refused("rooms.rules.a.keep_bytes=1GiB").contains("more than rooms.keep_total"));
    assert!(refused("rooms.rules=5").contains("wants a section"));
    assert!(refused("limits.exempt=[1]").contains("wants a list of networks"));
    assert!(refused("handlers.0x20.command='").contains("wants a program"));
    assert!(refused("handlers.0x0f.command=cat").contains("with NN from 10 to FF"));
}

#[test]
fn what_does_not_go_together_is_refused_with_both_origins() {
    let error = merged("[rooms]\nkeep_total = \"1MiB\"\n", &[], &[]).unwrap_err();
    let want = "rooms.keep_bytes = \"4MiB\" (default) is more than rooms.keep_total = \"1MiB\" \
                (t.toml, line 2)";
    assert!(error.contains(want), "{error}");
    assert!(refused("limits.frame=1GiB").contains("could never arrive"));
    let error = merged("", &[], &["rooms.keep_total=1MiB", "rooms.keep_bytes=1MiB"]).unwrap_err();
    assert!(error.contains("has no room for a record of limits.frame = \"1MiB\""), "{error}");
    let error = merged("", &[], &["limits.frame=2GiB", "limits.unfinished=2GiB"]).unwrap_err();
    assert!(
        error.contains("limits.frame = \"2GiB\" (--set limits.frame) is more than 1GiB"),
        "{error}"
    );
    assert!(refused("handlers.0x20.workers=2").contains("handlers.0x20 has no command"));
}

#[test]
fn the_default_room_may_be_none() {
    let config = merged("", &[], &["rooms.default="]).unwrap();
    assert_eq!(config.settings.rooms.default, None);
}

#[test]
fn keys_without_effect_are_told_when_set() {
    let config = merged("", &[], &["timeouts.authenticate=10s"]).unwrap();
    assert_eq!(config.without_effect().collect::<Vec<_>>(), ["timeouts.authenticate"]);
    assert_eq!(Config::default().without_effect().count(), 0);
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let flags = ["handlers.0x20.command=sh -c 'echo \"a\"'", "rooms.slow=disconnect"];
    let more = [
        "socket.send_buffer=64KiB",
        "rooms.default=",
        "rooms.rules.a.b*.slow=pause",
        "handlers.0x20.timeout=1500ms",
    ];
    let flags: Vec<_> = flags.into_iter().chain(more).collect();
    for flags in [&flags[..], &[]] {
        let config = merged("", &[], flags).unwrap();
        let shown = config.show();
        let again = merged(&shown, &[], &[]).unwrap();
        let values = |text: &str| -> Vec<_> {
            text.lines().map(|line| line.split("  # ").next().unwrap_or("").to_owned()).collect()
        };
        assert_eq!(values(&shown), values(&again.show()));
    }
}

#[test]
fn what_is_shown_says_where_from() {
    let shown = merged("workers = 3", &[], &["limits.frame=64KiB"]).unwrap().show();
    for line in [
        "workers = 3  # t.toml, line 1\n",
        "limits.frame = \"64KiB\"  # --set limits.frame\n",
        "rooms.keep_age = \"1h\"  # default\n",
        "timeouts.authenticate = \"10s\"  # default; no effect yet\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
}
