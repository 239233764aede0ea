//! Goal: issued certificates carry what strict peers ask for, and their files are safe. Method:
//! read them back, and write into directories in every state.

#![allow(clippy::unwrap_used, reason = "a test may end here")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::X509Certificate;

use super::super::{ServerTls, since_epoch};
use super::{DevCerts, Identity, IssueError, Options};

fn issue(hosts: &[&str], clients: &[&str]) -> Result<DevCerts, IssueError> {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let (hosts, clients) = (texts(hosts), texts(clients));
    DevCerts::issue(&Options { hosts, clients, ..Options::default() })
}

fn with<R>(identity: &Identity, look: impl FnOnce(&X509Certificate<'_>) -> R) -> R {
    let (_, pem) = parse_x509_pem(identity.cert.as_bytes()).unwrap();
    look(&pem.parse_x509().unwrap())
}

fn names(identity: &Identity) -> Vec<String> {
    with(identity, |cert| {
        let names = cert.subject_alternative_name().unwrap().unwrap();
        names.value.general_names.iter().map(GeneralName::to_string).collect()
    })
}

fn listing(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_server_has_local_names_and_those_asked_for_each_once() {
    let certs = issue(&["Example.org", "*.example.org", "10.1.2.3", "localhost"], &[]).unwrap();
    with(&certs.server, |cert| {
        let names = cert.subject_alternative_name().unwrap().unwrap();
        let expected = [
            GeneralName::DNSName("localhost"),
            GeneralName::IPAddress(&[127, 0, 0, 1]),
            GeneralName::IPAddress(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            GeneralName::DNSName("example.org"),
            GeneralName::DNSName("*.example.org"),
            GeneralName::IPAddress(&[10, 1, 2, 3]),
        ];
        assert_eq!(names.value.general_names, expected);
    });
}

#[test]
fn clients_are_named_by_a_uri_and_the_default_one_is_always_there() {
    let certs = issue(&[], &["ann", "client", "ann", "bob-2"]).unwrap();
    let made: Vec<_> = certs.clients.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(made, ["client", "ann", "bob-2"]);
    assert_eq!(names(&certs.clients[1].1), ["URI(tagwire://client/ann)"]);
    with(&certs.clients[1].1, |cert| assert_eq!(cert.subject().to_string(), "CN=ann"));
}

#[test]
fn usages_and_constraints_are_narrow() {
    let certs = issue(&[], &[]).unwrap();
    with(&certs.ca, |cert| {
        let constraints = cert.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(0));
        let usage = cert.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
        assert!(!usage.value.digital_signature());
    });
    for (identity, server) in [(&certs.server, true), (&certs.clients[0].1, false)] {
        with(identity, |cert| {
            assert!(!cert.is_ca());
            let usage = cert.extended_key_usage().unwrap().unwrap().value;
            assert_eq!((usage.server_auth, usage.client_auth), (server, !server));
            assert!(cert.key_usage().unwrap().unwrap().value.digital_signature());
            assert!(cert.iter_extensions().any(|e| e.oid.to_id_string() == "2.5.29.35"));
        });
    }
}

#[test]
fn dates_begin_an_hour_back_and_serials_differ() {
    let certs = DevCerts::issue(&Options { days: 30, ..Options::default() }).unwrap();
    let now = since_epoch().as_secs() as i64;
    let serial = |identity: &Identity| {
        with(identity, |cert| {
            let validity = cert.validity();
            let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
            assert!((now - 3610..=now - 3600).contains(&from), "{from} {now}");
            assert_eq!(until, certs.not_after);
            assert!((now + 30 * 86_400 - 10..=now + 30 * 86_400).contains(&until), "{until}");
            assert_eq!(cert.raw_serial().len(), 16);
            cert.raw_serial().to_vec()
        })
    };
    assert_ne!(serial(&certs.ca), serial(&certs.server));
    assert_ne!(serial(&certs.server), serial(&certs.clients[0].1));
}

#[test]
fn what_cannot_be_issued_is_named() {
    for host in ["", "a b", "https://x", "x:4433", "[::1]", "\u{43f}\u{440}", "*.", "a.*.b"] {
        let error = issue(&[host], &[]).unwrap_err();
        assert_eq!(error, IssueError::Host { host: host.into() });
        assert!(error.to_string().contains("xn--"));
    }
    for name in ["", "ca", "Server", "../x", ".x", "-x", "a/b", "a b", &"x".repeat(65)] {
        let error = issue(&[], &[name]).unwrap_err();
        assert_eq!(error, IssueError::Client { name: name.into() });
    }
    for days in [0, 36_526, u32::MAX] {
        let error = DevCerts::issue(&Options { days, ..Options::default() }).unwrap_err();
        assert_eq!(error, IssueError::Days { days, limit: 36_525 });
    }
    for days in [1, 36_525] {
        DevCerts::issue(&Options { days, ..Options::default() }).unwrap();
    }
}

#[test]
fn files_are_made_with_their_directory_and_keys_are_the_owners() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("a/b");
    let written = issue(&[], &["ann"]).unwrap().write_to(&dir, false).unwrap();
    let expected = [
        "ann.key",
        "ann.pem",
        "ca.key",
        "ca.pem",
        "client.key",
        "client.pem",
        "server.key",
        "server.pem",
    ];
    assert_eq!(listing(&dir), expected);
    assert_eq!(written.len(), expected.len());
    for path in written {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.extension().unwrap() == "key" {
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    ServerTls::from_files(dir.join("server.pem"), dir.join("server.key")).unwrap();
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("client.key");
    fs::write(&path, "mine").unwrap();
    let certs = issue(&[], &[]).unwrap();
    let error = certs.write_to(dir.path(), false).unwrap_err();
    assert_eq!(error, IssueError::Exists { path: path.clone() });
    assert!(error.to_string().contains("--force"));
    assert_eq!(listing(dir.path()), ["client.key"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");

    certs.write_to(dir.path(), true).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), certs.clients[0].1.key);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(listing(dir.path()).len(), 6);
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    // A directory cannot be replaced by a file, and it is the last one's name.
    fs::create_dir(dir.path().join("client.key")).unwrap();
    let error = issue(&[], &[]).unwrap().write_to(dir.path(), true).unwrap_err();
    assert!(matches!(error, IssueError::Write { .. }), "{error:?}");
    assert_eq!(listing(dir.path()), ["client.key"]);

    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = issue(&[], &[]).unwrap().write_to(&file, false).unwrap_err();
    assert!(matches!(error, IssueError::Write { .. }), "{error:?}");
}

#[test]
fn of_many_at_once_one_writes_and_its_files_belong_together() {
    let dir = tempfile::tempdir().unwrap();
    let certs: Vec<_> = (0..8).map(|_| issue(&[], &[]).unwrap()).collect();
    let written = thread::scope(|scope| {
        let threads: Vec<_> =
            certs.iter().map(|certs| scope.spawn(|| certs.write_to(dir.path(), false))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).filter(Result::is_ok).count()
    });
    assert_eq!(written, 1);
    assert_eq!(listing(dir.path()).len(), 6);
    ServerTls::from_files(dir.path().join("server.pem"), dir.path().join("server.key")).unwrap();
}

#[test]
fn debug_output_has_no_keys() {
    let certs = issue(&[], &[]).unwrap();
    assert!(!format!("{certs:?} {:?}", certs.ca).contains("PRIVATE"));
}
