//! The binary by its files, with and without SIGHUP.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use tagwire::tls::{ClientTls, Options};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::{Made, shown};
use crate::support::{Binary, Connect, DEADLINE, alone, eventually};

/// What a client is configured with that trusts the authorities of all of them.
fn trusting(all: &[&Made]) -> Arc<ClientConfig> {
    let authorities: String = all.iter().map(|made| made.certs.ca.cert.as_str()).collect();
    ClientTls::with_ca_pem(authorities.as_bytes()).unwrap().config()
}

/// Writes certificate and key where they lie, one after the other, as careless programs do.
fn write(made: &Made, dir: &Path) {
    fs::write(dir.join("server.pem"), &made.certs.server.cert).unwrap();
    write_key(&made.certs.server.key, dir);
}

fn write_key(key: &str, dir: &Path) {
    let path = dir.join("server.key");
    fs::write(&path, key).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// An empty directory with certificates in `certs/`.
fn with_certs(made: &Made) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    made.certs.write_to(dir.path().join("certs"), false).unwrap();
    dir
}

/// Connects until that certificate is shown.
async fn wait_shown(binary: &Binary, client: &Arc<ClientConfig>, leaf: &CertificateDer<'_>) {
    let start = Instant::now();
    while shown(&mut Connect::to(binary.address, client).open().await) != *leaf {
        assert!(
            start.elapsed() < DEADLINE,
            "the old certificate is still shown: {}",
            binary.stderr()
        );
    }
}

async fn wait_said(binary: &Binary, words: &str) {
    eventually(words, || binary.stderr().contains(words)).await;
}

#[tokio::test]
async fn at_100_handshakes_a_second_none_fails_while_certificates_are_exchanged() {
    let _alone = alone().await;
    let all = [Made::new(), Made::new(), Made::new()];
    let client = trusting(&all.each_ref());
    let binary = Binary::within(with_certs(&all[0]), &[]);
    let (stop, stopped) = watch::channel(());
    let begun = Arc::new(AtomicUsize::new(0));
    let (address, config, count) = (binary.address, client.clone(), begun.clone());
    let load = tokio::spawn(async move {
        let mut tick = interval(Duration::from_millis(10));
        let mut handshakes = JoinSet::new();
        while !stopped.has_changed().unwrap() {
            tick.tick().await;
            count.fetch_add(1, Ordering::Relaxed);
            let connect = Connect::to(address, &config);
            handshakes.spawn(async { connect.try_open().await.map(|mut peer| shown(&mut peer)) });
        }
        handshakes.join_all().await
    });
    let mut member = Connect::to(binary.address, &client).open().await;
    member.join("r", "ann").await;
    for (turn, made) in [&all[1], &all[2], &all[0]].into_iter().enumerate() {
        eventually("a second of handshakes", || begun.load(Ordering::Relaxed) > 100 * (turn + 1))
            .await;
        write(made, &binary.path("certs"));
        binary.signal("HUP");
        wait_shown(&binary, &client, &made.leaf()).await;
    }
    stop.send(()).unwrap();
    let shown = load.await.unwrap();
    for made in &all {
        let leaf = made.leaf();
        assert!(shown.iter().any(|shown| *shown.as_ref().unwrap() == leaf), "one was never shown");
    }
    member.expect_alive().await;
    assert!(!binary.stderr().contains("ERROR"), "{}", binary.stderr());
}

#[tokio::test]
async fn what_is_bad_changes_nothing_and_is_told() {
    let (made, next) = (Made::new(), Made::new());
    let client = trusting(&[&made, &next]);
    let binary = Binary::within(with_certs(&made), &[]);
    let dir = binary.path("certs");
    let (cert, key) = (dir.join("server.pem"), dir.join("server.key"));
    let server = &next.certs.server;
    let truncated = &server.cert[..server.cert.len() / 2];
    let put = |text: &str| fs::write(&cert, text).unwrap();
    let memory = binary.rss();
    let bad: [(&str, &dyn Fn()); 7] = [
        ("damaged PEM", &|| put(truncated)),
        ("does not belong to the certificate", &|| put(&server.cert)),
        ("is empty", &|| put("")),
        ("is larger than", &|| put(&"x".repeat(20 << 20))),
        ("no certificate at", &|| fs::remove_file(&cert).unwrap()),
        ("is not a file", &|| {
            assert!(Command::new("mkfifo").arg(&cert).status().unwrap().success());
        }),
        ("every user may read", &|| {
            fs::remove_file(&cert).unwrap();
            put(&server.cert);
            write_key(&server.key, &dir);
            fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        }),
    ];
    for (words, make) in bad {
        make();
        binary.signal("HUP");
        wait_said(&binary, words).await;
        assert_eq!(shown(&mut Connect::to(binary.address, &client).open().await), made.leaf());
    }
    assert!(binary.peak() < memory + (16 << 10), "{} KiB, {memory} before", binary.peak());
    // What is mended counts, without another word.
    write(&next, &dir);
    wait_shown(&binary, &client, &next.leaf()).await;
}

#[tokio::test]
async fn half_a_pair_is_waited_for() {
    let (made, next) = (Made::new(), Made::new());
    let client = trusting(&[&made, &next]);
    let binary = Binary::within(with_certs(&made), &["--log", "debug"]);
    let dir = binary.path("certs");
    fs::write(dir.join("server.pem"), &next.certs.server.cert).unwrap();
    binary.signal("HUP");
    wait_said(&binary, "looked at again").await;
    write_key(&next.certs.server.key, &dir);
    wait_shown(&binary, &client, &next.leaf()).await;
}

#[tokio::test]
async fn files_behind_links_are_taken_up_when_the_links_are_swapped() {
    let (made, next) = (Made::new(), Made::new());
    let client = trusting(&[&made, &next]);
    let dir = tempfile::tempdir().unwrap();
    // As Kubernetes mounts a secret.
    let mount = dir.path().join("certs");
    fs::create_dir(&mount).unwrap();
    for (made, name) in [(&made, "..1"), (&next, "..2")] {
        made.certs.write_to(mount.join(name), false).unwrap();
    }
    symlink("..1", mount.join("..data")).unwrap();
    for name in ["ca.pem", "server.pem", "server.key"] {
        symlink(Path::new("..data").join(name), mount.join(name)).unwrap();
    }
    let binary = Binary::within(dir, &[]);
    symlink("..2", binary.path("certs/..new")).unwrap();
    fs::rename(binary.path("certs/..new"), binary.path("certs/..data")).unwrap();
    wait_shown(&binary, &client, &next.leaf()).await;
}

#[tokio::test]
async fn the_configuration_is_read_again_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("t.toml"), "[limits]\nconnections = 1\n").unwrap();
    let args = ["--config", "t.toml", "--set", "limits.rooms=1"];
    let binary = Binary::within(dir, &args);
    let file = binary.path("t.toml");
    let mut first = binary.peer().await;
    assert!(binary.connect().try_open().await.is_err(), "one is the limit");
    fs::write(&file, "workers = 7\n[limits]\nconnections = 3\nrooms = 99\n").unwrap();
    binary.signal("HUP");
    wait_said(&binary, "reloaded the configuration").await;
    wait_said(&binary, "\"keys\":\"workers\"").await;
    let mut second = binary.peer().await;
    // The flag still wins.
    first.join("r", "ann").await;
    second.send(crate::support::control(r#"{"op":"join","room_id":"other"}"#)).await;
    second.expect_error("too_many_rooms").await;
    // Of a bad one, also what is good in it does not count.
    fs::write(&file, "[limits]\nconnections = 2\nconections = 2\n").unwrap();
    binary.signal("HUP");
    wait_said(&binary, "the nearest known one is limits.connections").await;
    let _third = binary.peer().await;
    // Without a signal.
    fs::write(&file, "[limits]\nconnections = 1\n").unwrap();
    eventually("it is in force", || {
        binary.stderr().matches("reloaded the configuration").count() == 2
    })
    .await;
    assert!(binary.connect().try_open().await.is_err());
    first.expect_alive().await;
}

#[tokio::test]
async fn a_reload_that_changes_nothing_is_silent() {
    let made = Made::new();
    let dir = with_certs(&made);
    fs::write(dir.path().join("t.toml"), "[limits]\nrooms = 2\n").unwrap();
    let binary = Binary::within(dir, &["--config", "t.toml", "--log", "info,tagwire=debug"]);
    let done = || binary.stderr().matches("\"message\":\"reloaded\"").count();
    eventually("the first look", || done() == 1).await;
    binary.signal("HUP");
    eventually("the reload is done", || done() == 2).await;
    let said = binary.stderr();
    let loud = said.lines().filter(|line| line.contains("\"level\"") && !line.contains("DEBUG"));
    assert_eq!(loud.count(), 0, "{said}");
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_warned_of() {
    let (made, next) = (Made::with(&Options { days: 3, ..Options::default() }), Made::new());
    let binary = Binary::within(with_certs(&made), &[]);
    wait_said(&binary, "the served certificate ends soon").await;
    let client = trusting(&[&made, &next]);
    write(&next, &binary.path("certs"));
    wait_shown(&binary, &client, &next.leaf()).await;
    assert_eq!(binary.stderr().matches("ends soon").count(), 1);
}
