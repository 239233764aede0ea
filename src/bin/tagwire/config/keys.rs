//! The table of keys: each with what it allows, where its value goes, and how it is shown. A key that is
//! not here does not exist.

use std::path::PathBuf;
use std::time::Duration;

use figment::value::Value;
use tagwire::id::RoomName;
use tagwire::limits::RoomPattern;

use super::Config;
use super::handlers::{self, Part};
use super::rules;
use super::value::{Count, KernelSize, Networks, Size, Switch, Time, quoted};

/// One key of the configuration.
pub(crate) struct Key {
    /// Its parts, joined by dots.
    pub(crate) name: &'static str,
    /// What it is, and the reason for its default: for the example file and docs/configuration.md.
    pub(crate) doc: &'static str,
    /// Whether its values are text, so that a bare word or number on a command line is one.
    text: bool,
    /// Puts a value into its place, or returns what the key wants.
    pub(crate) set: fn(&mut Config, &Value) -> Result<(), String>,
    /// The value in TOML.
    pub(crate) show: fn(&Config) -> String,
}

/// A key that exists.
#[derive(Clone)]
pub(crate) enum Known {
    /// A key of [`KEYS`].
    Plain(&'static Key),
    /// A key of one application tag's handler.
    Handler(u8, &'static Part),
    /// A key of a rule for some rooms.
    Rule(RoomPattern, &'static rules::Part),
}

impl Known {
    /// Whether its values are text.
    pub(crate) fn is_text(&self) -> bool {
        match self {
            Self::Plain(key) => key.text,
            Self::Handler(_, part) => part.text,
            Self::Rule(_, part) => part.text,
        }
    }

    /// The one way to write it: `handlers.0xAB` and `handlers.0xab` are the same.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Plain(key) => key.name.to_owned(),
            Self::Handler(tag, part) => handlers::name(*tag, part),
            Self::Rule(pattern, part) => rules::name(pattern, part),
        }
    }

    /// Its parts: a room's name is one, whatever dots it has.
    pub(crate) fn path(&self) -> Vec<String> {
        match self {
            Self::Rule(pattern, part) => {
                ["rooms", "rules", pattern.as_str(), part.name].map(str::to_owned).to_vec()
            }
            _ => self.name().split('.').map(str::to_owned).collect(),
        }
    }

    /// Puts a value into its place.
    ///
    /// # Errors
    ///
    /// Returns what the key wants.
    pub(crate) fn set(&self, config: &mut Config, value: &Value) -> Result<(), String> {
        match self {
            Self::Plain(key) => (key.set)(config, value),
            Self::Handler(tag, part) => (part.set)(config.handlers.entry(*tag).or_default(), value),
            Self::Rule(pattern, part) => {
                (part.set)(rules::entry(&mut config.settings.rooms.rules, pattern), value)
            }
        }
    }
}

/// The key with this path.
pub(crate) fn find(path: &[String]) -> Option<Known> {
    if let [first, tag, part] = path
        && first == "handlers"
    {
        let part = handlers::PARTS.iter().find(|known| known.name == part)?;
        return Some(Known::Handler(handlers::tag(tag)?, part));
    }
    if let [first, second, pattern @ .., part] = path
        && (first.as_str(), second.as_str()) == ("rooms", "rules")
    {
        let part = rules::PARTS.iter().find(|known| known.name == part)?;
        return Some(Known::Rule(rules::pattern(pattern)?, part));
    }
    // Parts with dots in them, which TOML allows in quotes, are in no key.
    let name = path.join(".");
    let same = |key: &&Key| key.name == name && key.name.split('.').count() == path.len();
    KEYS.iter().find(same).map(Known::Plain)
}

/// Whether keys begin with this path, so that a table of that name may stand empty.
pub(crate) fn is_section(path: &[String]) -> bool {
    match path {
        [first] => {
            first == "handlers" || KEYS.iter().any(|key| key.name.starts_with(&format!("{first}.")))
        }
        [first, tag] if first == "handlers" => handlers::tag(tag).is_some(),
        [first, second, pattern @ ..]
            if (first.as_str(), second.as_str()) == ("rooms", "rules") =>
        {
            pattern.is_empty() || rules::pattern(pattern).is_some()
        }
        _ => false,
    }
}

/// The known key that is most like an unknown one.
pub(crate) fn nearest(unknown: &str) -> String {
    let distance = |known: &str| {
        // A right name without its section is nearly right, and so is a section without a name.
        let (section, _) = known.split_once('.').unwrap_or((known, ""));
        let (_, last) = known.rsplit_once('.').unwrap_or(("", known));
        let part = |part| strsim::damerau_levenshtein(unknown, part).saturating_add(1);
        strsim::damerau_levenshtein(unknown, known).min(part(section)).min(part(last))
    };
    let handlers = handlers::PARTS.iter().map(|part| format!("handlers.0xNN.{}", part.name));
    let rules = rules::PARTS.iter().map(|part| format!("rooms.rules.ROOM.{}", part.name));
    let all = KEYS.iter().map(|key| key.name.to_owned()).chain(handlers).chain(rules);
    let nearest = match unknown.starts_with("rooms.rules.") {
        // The name may be longer than all else.
        true => all.filter(|known| known.contains("ROOM")).min_by_key(|known| {
            let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
            strsim::damerau_levenshtein(&last(unknown), &last(known))
        }),
        false => all.min_by_key(|known| distance(known)),
    };
    let nearest = nearest.unwrap_or_default();
    if nearest.contains("NN") {
        format!("{nearest}, with NN from 10 to FF")
    } else if nearest.contains("ROOM") {
        format!("{nearest}, with a room's name for ROOM, or the beginning of one and a *")
    } else {
        nearest
    }
}

const ONE_MS: Duration = Duration::from_millis(1);

const fn count(min: u64, why: &'static str) -> Count {
    Count { min, why }
}

const fn size(min: u64, why: &'static str) -> Size {
    Size { min, why }
}

const fn time(min: Duration, why: &'static str) -> Time {
    Time { min, why }
}

/// A key whose kind reads and shows a field of the configuration.
macro_rules! key {
    ($name:literal, $kind:expr, $($field:ident).+, $doc:literal) => {
        Key {
            name: $name,
            doc: $doc,
            text: false,
            set: |config, value| {
                config.$($field).+ = $kind.read(value)?;
                Ok(())
            },
            show: |config| $kind.show(&config.$($field).+),
        }
    };
}

/// Every key but those of handlers, in the order in which they are shown.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    key!("workers", count(1, "somebody has to do the work"), workers,
        "Threads that serve connections. As many as there are cores: a connection stays on one of them."),

    key!("limits.connections", count(1, "with 0 nobody gets in"), settings.limits.connections,
        "Connections in all. Three quarters of a common limit of 20,000 open files."),
    key!("limits.connections_per_ip", count(1, "with 0 nobody gets in"), settings.limits.connections_per_ip,
        "Connections of one source: an IPv4 address, or an IPv6 /64. More than an office behind one address has."),
    key!("limits.accepts_per_second", count(0, ""), settings.limits.accepts_per_second,
        "Connections accepted per second, as many of them at once. 0: no limit; what a machine can take depends on its cores."),
    key!("limits.accepts_per_second_per_ip", count(0, ""), settings.limits.accepts_per_second_per_ip,
        "The same of one source. Twice what it may have: all who share an address can come back at once. 0: no limit."),
    key!("limits.exempt", Networks, settings.limits.exempt,
        "Sources that the limits per source leave alone. Loopback: everybody behind a local proxy is one source."),
    key!("limits.dry_run", Switch, settings.limits.dry_run,
        "Only count and log what the limits per source and per second would refuse. The one on connections in all holds."),
    key!("limits.handshakes", count(1, "with 0 nobody gets in"), settings.limits.handshakes,
        "TLS handshakes whose cryptography is due at once; others wait. At 100 us each, some 25 ms of work in the queue."),
    key!("limits.frame", size(1, "with 0 no frame could carry anything"), settings.limits.frame,
        "Payload bytes of a frame from a client; `max_frame` on the wire."),
    key!("limits.unfinished", size(1, "with 0 no frame could ever arrive"), settings.limits.unfinished,
        "Bytes of begun frames, all connections together: 64 whole frames of the largest kind."),
    key!("limits.rooms", count(1, "with 0 there is nowhere to speak"), settings.limits.rooms,
        "Rooms in all. An empty room costs about 1 KiB."),
    key!("limits.rooms_per_connection", count(1, "with 0 nobody could join"), settings.limits.rooms_per_connection,
        "Rooms that one connection may be in. Each is looked at when the connection wakes."),
    key!("limits.members_per_room", count(1, "with 0 nobody could join"), settings.limits.members_per_room,
        "Members of one room."),
    key!("limits.in_flight", count(1, "with 0 no handler could be called"), settings.limits.in_flight,
        "Requests to application handlers of one connection that are not answered yet; then its reading pauses."),
    key!("limits.errors", count(1, "with 0 the first error would end a connection twice"), settings.limits.errors,
        "Errors within any 10 s after which a connection is closed."),
    key!("limits.messages_per_second", count(0, ""), settings.limits.messages_per_second,
        "Frames of one connection per second, or lines; its reading pauses when it sends more. A burst of one second is free. 0: no limit, for what is much differs between applications."),
    key!("limits.bytes_per_second", size(0, ""), settings.limits.bytes_per_second,
        "Bytes of one connection per second, inside TLS; its reading pauses when it sends more. 0: no limit."),
    key!("limits.user_messages_per_second", count(0, ""), settings.limits.user_messages_per_second,
        "The same for one user on all connections together; who gave no name is a user of its own. 0: no limit."),
    key!("limits.user_bytes_per_second", size(0, ""), settings.limits.user_bytes_per_second,
        "The same for one user's bytes. 0: no limit."),

    key!("proxy.from", Networks, settings.proxy.from,
        "Load balancers that begin each connection with a PROXY header (version 1 or 2), which is then required and believed."),

    key!("timeouts.handshake", time(ONE_MS, "with 0 nobody gets in"), settings.timeouts.handshake,
        "From accept to the end of the TLS handshake."),
    key!("timeouts.identify", time(ONE_MS, "with 0 nobody could say anything"), settings.timeouts.identify,
        "From the handshake to the first thing said. A person is slower than a program."),
    key!("timeouts.authenticate", time(ONE_MS, "with 0 nobody gets in"), later.authenticate,
        "From the handshake to a valid credential, where one is required."),
    key!("timeouts.frame", time(ONE_MS, "with 0 no frame could arrive in pieces"), settings.timeouts.frame,
        "From the first byte of a frame to its last."),
    key!("timeouts.write", time(ONE_MS, "with 0 every reader is too slow"), settings.timeouts.write,
        "How long a peer may leave unread what was sent, if nothing arrives from it either."),
    key!("timeouts.drain", time(Duration::ZERO, ""), settings.timeouts.drain,
        "From the signal to end until the end. Below the 30 s that supervisors grant."),
    key!("timeouts.drain_spread", time(Duration::ZERO, ""), settings.timeouts.drain_spread,
        "Over how long connections are closed when it ends, at most half of timeouts.drain. 0: all at once; few take 5 ms each."),
    key!("timeouts.handler", time(ONE_MS, "with 0 every handler is too slow"), settings.timeouts.handler,
        "How long an application handler may take."),

    key!("heartbeat.interval", time(ONE_MS, "with 0 there would be nothing but pings"), settings.heartbeat.interval,
        "Between two pings. With two misses, a dead peer is gone after three of these."),
    key!("heartbeat.misses", count(1, "with 0 everybody is dead before the first ping"), settings.heartbeat.misses,
        "Pings in a row without an answer, or anything else, after which a peer is dead."),

    Key { name: "rooms.default", text: true, set: set_default_room, show: show_default_room,
        doc: "The room that a first DATA frame joins; \"\" for none." },
    key!("rooms.keep_bytes", size(1, "a room is its log: with 0 nothing could be delivered"), settings.rooms.keep_bytes,
        "Bytes of records that a room keeps."),
    key!("rooms.keep_count", count(1, "a room is its log: with 0 nothing could be delivered"), settings.rooms.keep_count,
        "Records that a room keeps."),
    key!("rooms.keep_age", time(ONE_MS, "a room is its log: with 0 nothing could be delivered"), settings.rooms.keep_age,
        "How long a room keeps a record."),
    key!("rooms.keep_total", size(1, "a room is its log: with 0 nothing could be delivered"), settings.rooms.keep_total,
        "Bytes of records that all rooms keep together; above that the largest are cut."),
    Key { name: "rooms.slow", text: true, set: set_slow, show: show_slow,
        doc: "What happens to a subscriber that falls behind further than its room keeps: it is told a \"gap\", \
              or is closed (\"disconnect\"), or whoever publishes waits for it (\"pause\")." },
    key!("rooms.pause", time(ONE_MS, "with 0 no reader could ever be waited for"), settings.rooms.pause,
        "How long a reader may hold up those who publish to a room that pauses without reading anything; then it is closed. Twice a short outage of its network."),
    key!("rooms.presence_limit", count(0, ""), settings.rooms.presence_limit,
        "Members above which joins and leaves are not announced. Presence costs the square of the members."),

    key!("socket.keepalive", time(Duration::from_secs(1), "the kernel counts it in seconds"), settings.socket.keepalive,
        "Idle time before TCP keepalive probes."),
    key!("socket.user_timeout", time(ONE_MS, "0 would leave it to the kernel, for minutes"), settings.socket.user_timeout,
        "How long sent bytes may stay unacknowledged, or unread, on a connection that is not pinged: lines (RFC 5482)."),
    key!("socket.notsent_lowat", size(1, "with 0 no socket would ever be writable"), settings.socket.notsent_lowat,
        "Unsent bytes in the kernel above which a socket is not writable. What is sealed cannot be taken back."),
    key!("socket.send_buffer", KernelSize, settings.socket.send_buffer,
        "Bytes of the kernel's send buffer (SO_SNDBUF)."),
    key!("socket.receive_buffer", KernelSize, settings.socket.receive_buffer,
        "Bytes of the kernel's receive buffer (SO_RCVBUF)."),

    Key { name: "admin.socket", text: true, set: set_admin_socket, show: show_admin_socket,
        doc: "A Unix socket for what acts or shows payloads: drain, kick, tap. Its owner's alone. \"off\" for none." },
    Key { name: "admin.hosts", text: false, set: set_admin_hosts, show: show_admin_hosts,
        doc: "Names by which one may ask the admin listener, beside addresses and localhost: a web page that has its own name lead here is refused." },
];

fn set_default_room(config: &mut Config, value: &Value) -> Result<(), String> {
    let wants = "a room name (1 to 64 of A-Z a-z 0-9 . _ - :), or \"\" for none";
    config.settings.rooms.default = match value.as_str() {
        Some("") => None,
        Some(name) => Some(RoomName::new(name).ok_or(wants)?),
        None => return Err(wants.to_owned()),
    };
    Ok(())
}

fn show_default_room(config: &Config) -> String {
    quoted(config.settings.rooms.default.as_ref().map_or("", RoomName::as_str))
}

fn set_slow(config: &mut Config, value: &Value) -> Result<(), String> {
    config.settings.rooms.slow = rules::slow(value)?;
    Ok(())
}

fn show_slow(config: &Config) -> String {
    rules::show_slow(config.settings.rooms.slow)
}

fn set_admin_socket(config: &mut Config, value: &Value) -> Result<(), String> {
    config.admin_socket = match value.as_str().ok_or("a path, or \"off\"")? {
        "" | "off" => None,
        path => Some(PathBuf::from(path)),
    };
    Ok(())
}

fn show_admin_socket(config: &Config) -> String {
    let path = config.admin_socket.as_deref();
    path.map_or_else(|| quoted("off"), |path| quoted(&path.to_string_lossy()))
}

fn set_admin_hosts(config: &mut Config, value: &Value) -> Result<(), String> {
    let name = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let names = value.as_array().and_then(|all| all.iter().map(name).collect());
    config.admin_hosts = names.ok_or("a list of names, such as [\"metrics.example\"]")?;
    Ok(())
}

fn show_admin_hosts(config: &Config) -> String {
    let shown: Vec<_> = config.admin_hosts.iter().map(|name| quoted(name)).collect();
    format!("[{}]", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(key: &str) -> Vec<String> {
        key.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn a_name_stands_once() {
        for (i, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..i].iter().all(|other| other.name != key.name), "{}", key.name);
            assert!(find(&path(key.name)).is_some_and(|known| known.name() == key.name));
        }
    }

    #[test]
    fn handlers_are_application_tags() {
        let name = |key| find(&path(key)).map(|known| known.name());
        assert_eq!(name("handlers.0xAB.command").as_deref(), Some("handlers.0xab.command"));
        assert_eq!(name("handlers.0x10.workers").as_deref(), Some("handlers.0x10.workers"));
        for bad in ["handlers.0x0f.command", "handlers.32.command", "handlers.0x+1.command"] {
            assert_eq!(name(bad), None, "{bad}");
        }
        assert_eq!(name("handlers.0x20.colour"), None);
    }

    #[test]
    fn a_rule_is_for_a_room_whatever_dots_its_name_has() {
        let name = |key| find(&path(key)).map(|known| known.name());
        for key in ["rooms.rules.a.b-*.slow", "rooms.rules.\"a.b-*\".slow"] {
            assert_eq!(name(key).as_deref(), Some("rooms.rules.\"a.b-*\".slow"));
            assert_eq!(find(&path(key)).unwrap().path(), ["rooms", "rules", "a.b-*", "slow"]);
        }
        for bad in ["rooms.rules.slow", "rooms.rules.a b.slow", "rooms.rules.a.colour"] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_part_with_a_dot_is_no_two_parts() {
        assert!(find(&["limits.frame".to_owned()]).is_none());
    }

    #[test]
    fn the_nearest_key_is_the_one_that_was_meant() {
        let pairs = [
            ("limits.conections", "limits.connections"),
            ("limits.fram", "limits.frame"),
            ("keep_bytes", "rooms.keep_bytes"),
            ("hearbeat.interval", "heartbeat.interval"),
            ("handlers.0x20.comand", "handlers.0xNN.command, with NN from 10 to FF"),
            (
                "rooms.rules.a.keep_byte",
                "rooms.rules.ROOM.keep_bytes, with a room's name for ROOM, or the beginning of one and a *",
            ),
            ("worker", "workers"),
            ("limitz", "limits.connections"),
        ];
        for (unknown, meant) in pairs {
            assert_eq!(nearest(unknown), meant, "{unknown}");
        }
    }

    #[test]
    fn sections_may_stand_empty() {
        assert!(is_section(&path("limits")));
        assert!(is_section(&path("handlers.0x20")));
        assert!(!is_section(&path("limitz")));
        assert!(!is_section(&path("workers")));
    }
}
