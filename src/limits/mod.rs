//! Every bound, its default and the reason for the number. Values come in; nothing here reads a file.

mod rules;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
pub use ipnet::IpNet;

pub use self::rules::{RoomPattern, RoomPolicy, RoomRule};

use crate::id::RoomName;

/// Everything that can be set about a server, each with a default that is safe on the open internet.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Bounds on what peers may hold.
    pub limits: Limits,
    /// Load balancers in front of the server.
    pub proxy: ProxySettings,
    /// Bounds on how long peers may take.
    pub timeouts: Timeouts,
    /// How the server finds out who is alive.
    pub heartbeat: Heartbeat,
    /// What rooms keep and say.
    pub rooms: RoomSettings,
    /// Options of each accepted socket.
    pub socket: SocketSettings,
}

/// Settings that may be exchanged while the server runs: whoever reads them reads the newest.
#[derive(Debug)]
pub struct Live {
    settings: ArcSwap<Settings>,
    generation: AtomicU64,
}

impl Live {
    /// Settings to begin with.
    pub fn new(settings: Settings) -> Self {
        Self { settings: ArcSwap::from_pointee(settings), generation: AtomicU64::new(1) }
    }

    /// The newest settings; to be read now, not to be kept.
    #[inline]
    pub fn get(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// A number from 1 that rises with every exchange. Who keeps what the settings come to reads it first,
    /// then the settings, and looks again when it has changed.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Exchanges them. What was begun under the old ones goes on under those: a timer, a socket's options.
    pub fn set(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

/// Bounds on what peers may hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections in all. 15,000: three quarters of a common limit of 20,000 descriptors.
    pub connections: usize,
    /// Connections of one source: an IPv4 address, or an IPv6 /64. 256: more than an office behind one
    /// address has.
    pub connections_per_ip: usize,
    /// Connections that are accepted per second, as many of them at once; 0 for no bound. 0: a bound in all
    /// refuses the good with the bad, and how many handshakes a machine can make depends on its cores.
    pub accepts_per_second: u32,
    /// The same of one source; 0 for no bound. 512: twice the connections that it may have, so that all who
    /// share an address can come back at once; their handshakes take a tenth of a core at most.
    pub accepts_per_second_per_ip: u32,
    /// Sources that the bounds per source leave alone. Loopback: everybody behind a local proxy is one.
    pub exempt: Vec<IpNet>,
    /// Only counts and logs what the bounds per source and per second would refuse; that in all holds. False.
    pub dry_run: bool,
    /// TLS handshakes whose cryptography is due at once; others wait. 256: at 100 us each, 25 ms of work.
    pub handshakes: usize,
    /// Payload bytes of a frame from a client; `max_frame` on the wire. 1 MiB.
    pub frame: u32,
    /// Bytes of begun frames, all connections together. 64 MiB: 64 whole frames of the largest kind.
    pub unfinished: usize,
    /// Rooms in all. 100,000: an empty room costs about 1 KiB.
    pub rooms: usize,
    /// Rooms that one connection may be in. 64: each is looked at when the connection wakes.
    pub rooms_per_connection: usize,
    /// Members of one room. 100,000.
    pub members_per_room: usize,
    /// Requests to application handlers of one connection that are not answered yet. 64.
    pub in_flight: usize,
    /// Frames, or lines, of one connection per second, with a burst of one second; over it, the connection
    /// is not read from for a while. 0 is off: what is much differs too much between applications.
    pub messages_per_second: u32,
    /// Bytes of one connection per second, inside TLS. 0 is off.
    pub bytes_per_second: u32,
    /// Frames of one user per second, on all connections together; a guest is a user of its own. 0 is off.
    pub user_messages_per_second: u32,
    /// Bytes of one user per second, on all connections together. 0 is off.
    pub user_bytes_per_second: u32,
    /// Errors within any 10 s after which a connection is closed. 100 (docs/protocol.md, section 2).
    pub errors: u32,
}

const LOOPBACK: [IpNet; 2] = [
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 15_000,
            connections_per_ip: 256,
            accepts_per_second: 0,
            accepts_per_second_per_ip: 512,
            exempt: LOOPBACK.to_vec(),
            dry_run: false,
            handshakes: 256,
            frame: 1 << 20,
            unfinished: 64 << 20,
            rooms: 100_000,
            rooms_per_connection: 64,
            members_per_room: 100_000,
            in_flight: 64,
            messages_per_second: 0,
            bytes_per_second: 0,
            user_messages_per_second: 0,
            user_bytes_per_second: 0,
            errors: 100,
        }
    }
}

/// Load balancers in front of the server.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// Sources whose connections begin with a PROXY header, which is believed. None: anybody could write one.
    pub from: Vec<IpNet>,
}

/// Bounds on how long peers may take.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From accept to the end of the TLS handshake, a PROXY header included. 5 s.
    pub handshake: Duration,
    /// From the handshake to the end of the first thing said. 60 s: a person is slower than a program.
    pub identify: Duration,
    /// From the first byte of a frame to its last. 30 s.
    ///
    /// Who is slow has less: a sixth of it (5 s), and a second for each KiB that has arrived
    /// ([`FRAME_GRACE`], [`FRAME_FLOOR`]).
    pub frame: Duration,
    /// How long a peer may leave unread what was sent, if nothing arrives from it either. 10 s.
    pub write: Duration,
    /// From the shutdown signal to the end. 25 s: below the 30 s that supervisors grant.
    pub drain: Duration,
    /// Over how long connections are closed once the server drains, and never over more than half of
    /// `drain`. 5 s: 15,000 who come back at once would be a second and a half of handshakes. 0 closes all
    /// at once; few take 5 ms each.
    pub drain_spread: Duration,
    /// How long an application handler may take. 30 s.
    pub handler: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            identify: Duration::from_secs(60),
            frame: Duration::from_secs(30),
            write: Duration::from_secs(10),
            drain: Duration::from_secs(25),
            drain_spread: Duration::from_secs(5),
            handler: Duration::from_secs(30),
        }
    }
}

/// How the server finds out who is alive.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Between two pings. 15 s: with two misses, a dead peer is gone after 45 s.
    pub interval: Duration,
    /// Pings in a row without an answer, or anything else, after which a peer is dead. 2.
    pub misses: u32,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval: Duration::from_secs(15), misses: 2 }
    }
}

/// What rooms keep and say.
#[derive(Clone, Debug)]
pub struct RoomSettings {
    /// The room that a first DATA frame joins; `None` for none. `lobby`.
    pub default: Option<RoomName>,
    /// Bytes of records that a room keeps. 4 MiB.
    pub keep_bytes: usize,
    /// Records that a room keeps. 100,000.
    pub keep_count: usize,
    /// How long a room keeps a record. 1 h.
    pub keep_age: Duration,
    /// Bytes of records that all rooms keep together. 256 MiB.
    pub keep_total: usize,
    /// What happens to a subscriber that falls behind further than the room keeps.
    pub slow: SlowPolicy,
    /// How long the slowest reader of a room with the policy `pause` may hold up its publishers without
    /// reading anything. 30 s: twice what a person's network is away for, and as long as a frame may take.
    pub pause: Duration,
    /// What is different in some rooms; the first rule that matches counts.
    pub rules: Vec<RoomRule>,
    /// Members above which joins and leaves are not announced. 100: presence costs members squared.
    pub presence_limit: usize,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            default: RoomName::new("lobby"),
            keep_bytes: 4 << 20,
            keep_count: 100_000,
            keep_age: Duration::from_secs(3600),
            keep_total: 256 << 20,
            slow: SlowPolicy::Gap,
            pause: Duration::from_secs(30),
            rules: Vec::new(),
            presence_limit: 100,
        }
    }
}

/// What happens to a subscriber that falls behind further than the room keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It is told what it missed, and goes on with the oldest record kept.
    Gap,
    /// It is closed with `slow_consumer`.
    Disconnect,
    /// It does not: who publishes to the room waits for it, for [`RoomSettings::pause`] at most, after
    /// which it is closed with `slow_consumer`. For what must not be lost.
    Pause,
}

/// Options of each accepted socket.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// Idle time before TCP keepalive probes, and four times what is between two of them. 30 s: who is behind
    /// a dead link and is not pinged, as on lines, is gone after 38 s.
    pub keepalive: Duration,
    /// How long sent bytes may stay unacknowledged, or unread, where nobody is pinged: in the handshake, and
    /// on lines (`TCP_USER_TIMEOUT`, RFC 5482). 30 s: what is sent last before the probes would have ended a
    /// dead peer ends it within 75 s.
    pub user_timeout: Duration,
    /// Unsent bytes in the kernel above which a socket is not writable (`TCP_NOTSENT_LOWAT`). 32 KiB:
    /// what is sealed cannot be taken back, so little of it should wait.
    pub notsent_lowat: u32,
    /// `SO_SNDBUF` in bytes; `None` leaves it to the kernel.
    pub send_buffer: Option<usize>,
    /// `SO_RCVBUF` in bytes; `None` leaves it to the kernel.
    pub receive_buffer: Option<usize>,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            keepalive: Duration::from_secs(30),
            user_timeout: Duration::from_secs(30),
            notsent_lowat: 32 << 10,
            send_buffer: None,
            receive_buffer: None,
        }
    }
}

/// Bytes of a ClientHello, its records included. 12 KiB: with keys for a post-quantum exchange it has 2, and
/// a client that resumes sends back the ticket that it got.
pub const HELLO_BYTES: usize = 12 << 10;
/// Bytes of a CONTROL payload (docs/protocol.md, section 2).
pub const CONTROL_BYTES: u32 = 16 << 10;
/// Depth of nesting of a CONTROL payload.
pub const CONTROL_DEPTH: usize = 16;
/// Bytes by which a frame from the server may exceed `max_frame`.
pub const FRAME_EXTRA: u32 = 1024;
/// Bytes of a begun frame that have to arrive in each second after its grace. 1 KiB.
pub const FRAME_FLOOR: u64 = 1 << 10;
/// The part of `timeouts.frame` that is its grace: a sixth, so that a few bytes may be typed.
pub const FRAME_GRACE: u32 = 6;
/// Replies and pongs that a peer may leave unread before the server stops reading from it.
pub const UNREAD_BYTES: usize = 64 << 10;
/// Bytes of a line (docs/protocol.md, section 7).
pub const LINE_BYTES: usize = 64 << 10;
/// Entries of a list.
pub const LIST_ENTRIES: usize = 1000;
