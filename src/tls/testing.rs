//! Certificates that are wrong on purpose, and handshakes in memory, for this module's tests.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end here")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{ClientConnection, ServerConnection};

/// A certificate in PEM with its key, able to issue further ones.
pub(super) struct Made {
    pub(super) cert: String,
    pub(super) key: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Made {
    /// An authority, or with `false` a leaf for `localhost`, that signs itself.
    pub(super) fn alone(name: &str, ca: bool) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = params(name, ca);
        let cert = params.self_signed(&key).unwrap().pem();
        Self { cert, key: key.serialize_pem(), issuer: Issuer::new(params, key) }
    }

    /// One that this one signs.
    pub(super) fn issue(&self, name: &str, ca: bool) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = params(name, ca);
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { cert, key: key.serialize_pem(), issuer: Issuer::new(params, key) }
    }

    /// A leaf that signs itself, valid between two times since 1970.
    pub(super) fn between(from: Duration, until: Duration) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params("dated", false);
        params.not_before = date_time_ymd(1970, 1, 1) + from;
        params.not_after = date_time_ymd(1970, 1, 1) + until;
        let cert = params.self_signed(&key).unwrap().pem();
        Self { cert, key: key.serialize_pem(), issuer: Issuer::new(params, key) }
    }

    /// A leaf that signs itself, for a key in PKCS#8 made elsewhere.
    pub(super) fn with_key(key: &str) -> String {
        let key = KeyPair::from_pem(key).unwrap();
        params("keyed", false).self_signed(&key).unwrap().pem()
    }
}

fn params(name: &str, ca: bool) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

/// What `openssl` answers to some input.
pub(super) fn openssl(args: &[&str], input: &str) -> String {
    let mut child = Command::new("openssl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test needs the openssl program: install the package openssl");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {args:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Carries bytes both ways until nobody has more to say.
///
/// On a failure the other side still gets the alert, and both sides' errors come back.
pub(super) fn shake(
    client: &mut ClientConnection,
    server: &mut ServerConnection,
) -> (Result<(), rustls::Error>, Result<(), rustls::Error>) {
    let (mut at_client, mut at_server) = (Ok(()), Ok(()));
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while at_server.is_ok() && !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            at_server = server.process_new_packets().map(drop);
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while at_client.is_ok() && !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            at_client = client.process_new_packets().map(drop);
        }
    }
    (at_client, at_server)
}
