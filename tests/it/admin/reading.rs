//! Health, lists, and who may ask.

use std::process::{Command, Stdio};

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::http::{Scrape, exchange, get, request};
use crate::support::{Binary, DEADLINE, RawPeer, alone, body, eventually};

#[tokio::test]
async fn a_server_that_drains_is_alive_and_not_ready() {
    let _alone = alone().await;
    let mut server = Binary::serve(&["--admin", "127.0.0.1:0"], &["timeouts.write=60s"]);
    assert_eq!(get(&server, "/readyz").await.status, 200);
    // Who is owed much and takes nothing yet holds up the end.
    let mut slow = server.connect().small_buffer().open().await;
    slow.join("r", "slow").await;
    let mut fast = server.peer().await;
    fast.join("r", "fast").await;
    for number in 0..600 {
        fast.say(body(number, 16 << 10)).await;
        fast.hear().await;
    }
    server.signal("TERM");
    fast.expect("goaway").await;
    let flipped = async {
        loop {
            let ready = get(&server, "/readyz").await;
            if ready.status == 503 {
                return ready;
            }
        }
    };
    let ready = timeout(DEADLINE, flipped).await.expect("it says that it drains");
    assert!(ready.head.contains("application/problem+json"), "{}", ready.head);
    assert!(ready.json()["detail"].as_str().unwrap().starts_with("draining"));
    assert_eq!(get(&server, "/livez").await.status, 200);
    let scrape = Scrape::of(&server).await;
    assert_eq!(scrape.value("tagwire_draining"), 1.0);
    while slow.poll().await.is_ok() {}
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
    assert!(TcpStream::connect(server.admin.unwrap()).await.is_err());
}

#[tokio::test]
async fn who_asks_by_a_strange_name_or_to_act_is_refused() {
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &["admin.hosts=[\"metrics.example\"]"]);
    let address = server.admin.unwrap();
    let asked = async |request: String| {
        exchange(TcpStream::connect(address).await.unwrap(), &request).await
    };
    for host in ["localhost", &address.to_string(), "[::1]:1", "metrics.example:9433"] {
        assert_eq!(asked(request("GET", "/livez", host)).await.status, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:9433", "localhost.evil.example", "192.0.2.1"] {
        let refused = asked(request("GET", "/metrics", host)).await;
        assert_eq!(refused.status, 421, "{host}");
        assert_eq!(refused.json()["status"], 421);
        assert!(!refused.body.contains("tagwire_"));
    }
    let none = "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned();
    let two = request("GET", "/livez", "localhost\r\nHost: evil.example");
    let absolute = request("GET", "http://evil.example/livez", "localhost");
    for request in [none, two, absolute] {
        assert_eq!(asked(request.clone()).await.status, 421, "{request}");
    }
    for path in ["/v1/drain", "/v1/connections/x-1/kick"] {
        assert_eq!(asked(request("POST", path, "localhost")).await.status, 403, "{path}");
    }
    assert_eq!(asked(request("POST", "/metrics", "localhost")).await.status, 405);
    assert_eq!(asked(request("GET", "/nowhere", "localhost")).await.status, 404);
    assert_eq!(asked(request("GET", "/v1/rooms?limit=-1", "localhost")).await.status, 400);
    let long = format!("/livez?{}", "x".repeat(64 << 10));
    let answer = asked(request("GET", &long, "localhost")).await;
    assert!([414, 431].contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn lists_are_pages_of_what_there_is() {
    let server = Binary::serve(&["--admin", "127.0.0.1:0"], &[]);
    let mut peers: Vec<RawPeer> = Vec::new();
    for user in ["ann", "bob", "cid"] {
        let mut peer = server.peer().await;
        peer.join("lobby", user).await;
        peers.push(peer);
    }
    peers[0].say("hello").await;
    peers[0].hear().await;
    let first = get(&server, "/v1/connections?limit=2").await.json();
    let connection = &first["connections"][0];
    assert_eq!(connection["tls"]["version"], "TLSv1.3", "{first}");
    assert_eq!(connection["tls"]["alpn"], "tagwire/1");
    assert_eq!((&connection["protocol"], &connection["frames_in"]), (&"frames".into(), &2.into()));
    assert_eq!(connection["rooms"][0]["room_id"], "lobby");
    assert_eq!(connection["rooms"][0]["lag"]["messages"], 0);
    assert_eq!((first["connections"].as_array().unwrap().len(), &first["silent"]), (2, &0.into()));
    let after = first["next"].as_str().unwrap();
    let rest = get(&server, &format!("/v1/connections?limit=2&after={after}")).await.json();
    assert_eq!(rest["connections"][0]["rooms"][0]["user_id"], "cid", "{rest}");
    assert!(rest["next"].is_null());
    assert_eq!(get(&server, "/v1/connections?after=nonsense").await.status, 400);

    let rooms = get(&server, "/v1/rooms").await.json();
    let room = &rooms["rooms"][0];
    let (members, next) = (room["members"].as_u64(), room["next_seq"].as_u64());
    assert_eq!((&room["room_id"], members, next), (&"lobby".into(), Some(3), Some(2)), "{rooms}");
    let members = get(&server, "/v1/rooms/lobby/members?limit=2").await.json();
    assert_eq!(members["members"][1]["user_id"], "bob", "{members}");
    assert_eq!(members["members"][1]["lag"]["bytes"], 0);
    assert_eq!(members["next"], "bob");
    assert_eq!(get(&server, "/v1/rooms/nowhere/members").await.status, 404);
    assert_eq!(get(&server, "/version").await.json()["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn it_can_be_off_and_its_default_may_be_taken_but_not_what_was_asked_for() {
    let off = Binary::serve(&["--admin", "off"], &[]);
    assert_eq!(off.admin, None);
    // Whether this takes it or somebody else has it: it is taken.
    let _taken = TcpStream::connect("127.0.0.1:9433")
        .await
        .is_err()
        .then(|| std::net::TcpListener::bind("127.0.0.1:9433"));
    let without = Binary::serve(&[], &[]);
    assert_eq!(without.admin, None);
    eventually("it says so", || without.stderr().contains("no admin listener")).await;
    without.peer().await.expect_alive().await;

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_tagwire"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", &address])
        .current_dir(dir.path())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains(&format!("cannot listen on the admin address {address}")), "{said}");
    assert!(refused.stdout.is_empty());
}
