//! Goal: every mistake with certificates and keys has its own error, whose message names the place
//! and what to do. Method: make each mistake, compare the variant, look for the words.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end here")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::testing::{Made, openssl};
use super::{ClientTls, Date, Origin, PemFault, ServerTls, TlsError, What, since_epoch};

const DAY: Duration = Duration::from_secs(86_400);

fn load(cert: &str, key: &str) -> Result<ServerTls, TlsError> {
    ServerTls::from_pem(cert.as_bytes(), key.as_bytes())
}

fn refusal(cert: &str, key: &str) -> TlsError {
    load(cert, key).unwrap_err()
}

fn says(error: &TlsError, words: &[&str]) {
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "no {word:?} in: {message}");
    }
    assert!(!message.ends_with('.') && message.starts_with(|c: char| !c.is_uppercase()));
}

fn cert() -> Origin {
    Origin::Bytes(What::Certificate)
}

fn key() -> Origin {
    Origin::Bytes(What::Key)
}

/// A directory with a good `server.pem` and `server.key`.
fn files() -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("server.pem"), dir.path().join("server.key"));
    let made = Made::alone("leaf", false);
    fs::write(&cert, made.cert).unwrap();
    fs::write(&key, made.key).unwrap();
    chmod(&key, 0o600);
    (dir, cert, key)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn keys_come_as_pkcs8_sec1_and_pkcs1() {
    let made = Made::alone("leaf", false);
    let sec1 = openssl(&["pkey", "-traditional"], &made.key);
    assert!(sec1.contains("BEGIN EC PRIVATE KEY"), "{sec1}");
    let rsa = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "");
    let pkcs1 = openssl(&["pkey", "-traditional"], &rsa);
    assert!(pkcs1.contains("BEGIN RSA PRIVATE KEY"), "{pkcs1}");
    let of_rsa = Made::with_key(&rsa);

    load(&made.cert, &made.key).unwrap();
    load(&made.cert, &sec1).unwrap();
    load(&of_rsa, &rsa).unwrap();
    load(&of_rsa, &pkcs1).unwrap();
}

#[test]
fn a_key_file_may_have_its_certificate_and_parameters_beside_it() {
    let made = Made::alone("leaf", false);
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let both = format!("{parameters}{}{}", made.cert, made.key);
    load(&both, &both).unwrap();
}

#[test]
fn what_openssl_signs_itself_is_accepted() {
    let (dir, _, _) = files();
    let file = |name: &str| dir.path().join(name).into_os_string().into_string().unwrap();
    let (cert, key) = (file("own.pem"), file("own.key"));
    for kind in [&["-newkey", "rsa:2048"][..], &["-newkey", "ed25519"]] {
        let args = ["req", "-x509", "-nodes", "-subj", "/CN=localhost", "-keyout", &key];
        openssl(&[&args, &["-out", &*cert][..], kind].concat(), "");
        ServerTls::from_files(&cert, &key).unwrap();
        fs::remove_file(&key).unwrap();
    }
}

#[test]
fn a_chain_of_three_is_accepted_and_the_leaf_says_when_it_ends() {
    let root = Made::alone("root", true);
    let middle = root.issue("middle", true);
    let leaf = middle.issue("leaf", false);
    let tls = load(&[&*leaf.cert, &middle.cert, &root.cert].concat(), &leaf.key).unwrap();
    // rcgen's default: the start of the year 4096.
    assert_eq!(Date(tls.not_after()).to_string(), "4096-01-01 00:00:00 UTC");
}

#[test]
fn missing_files_name_the_command_that_makes_them() {
    let (dir, cert, key) = files();
    let no = dir.path().join("no.pem");
    let error = ServerTls::from_files(&no, &key).unwrap_err();
    assert_eq!(error, TlsError::Missing { what: What::Certificate, path: no.clone() });
    says(&error, &["no.pem", "tagwire certs"]);
    let error = ServerTls::from_files(&cert, &no).unwrap_err();
    assert_eq!(error, TlsError::Missing { what: What::Key, path: no.clone() });
    let error = ClientTls::with_ca_file(&no).unwrap_err();
    assert_eq!(error, TlsError::Missing { what: What::Authorities, path: no });
}

#[test]
fn a_directory_is_not_a_certificate() {
    let (dir, _, key) = files();
    let error = ServerTls::from_files(dir.path(), key).unwrap_err();
    let path = dir.path().to_path_buf();
    assert_eq!(error, TlsError::NotAFile { what: What::Certificate, path });
    says(&error, &["is not a file", "certificate"]);
}

#[test]
fn a_fifo_holds_nobody_up() {
    let (dir, cert, _) = files();
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let error = ServerTls::from_files(cert, &fifo).unwrap_err();
    assert_eq!(error, TlsError::NotAFile { what: What::Key, path: fifo });
}

#[test]
fn the_same_certificates_are_known_again() {
    let (_dir, cert, key) = files();
    let load = || ServerTls::from_files(&cert, &key).unwrap();
    let first = load();
    assert!(first.shows_same_as(&load()));
    let other = Made::alone("leaf", false);
    fs::write(&cert, other.cert).unwrap();
    fs::write(&key, other.key).unwrap();
    assert!(!first.shows_same_as(&load()));
}

#[test]
fn a_file_larger_than_any_chain_is_not_read() {
    let (_dir, cert, key) = files();
    fs::write(&cert, vec![b'\n'; (1 << 20) + 1]).unwrap();
    let error = ServerTls::from_files(&cert, key).unwrap_err();
    assert_eq!(error, TlsError::TooLarge { path: cert, limit: 1 << 20 });
    says(&error, &["server.pem", "1048576"]);
    // Nor is what has no end.
    let error = ClientTls::with_ca_file("/dev/zero").unwrap_err();
    assert!(matches!(error, TlsError::NotAFile { .. }), "{error:?}");
}

#[test]
fn a_key_that_everybody_may_read_is_refused_and_one_that_a_group_may_is_not() {
    let (_dir, cert, key) = files();
    for mode in [0o644, 0o604, 0o666] {
        chmod(&key, mode);
        let error = ServerTls::from_files(&cert, &key).unwrap_err();
        assert_eq!(error, TlsError::ReadableByOthers { path: key.clone(), mode });
        says(&error, &[&format!("chmod 600 {}", key.display()), &format!("{mode:04o}")]);
    }
    for mode in [0o600, 0o400, 0o640, 0o440] {
        chmod(&key, mode);
        ServerTls::from_files(&cert, &key).unwrap();
    }
}

#[test]
fn an_empty_file_and_one_without_pem_are_told_apart() {
    let made = Made::alone("leaf", false);
    let error = refusal(" \n", &made.key);
    assert_eq!(error, TlsError::Empty { what: What::Certificate, origin: cert() });
    says(&error, &["empty", "tagwire certs"]);
    assert_eq!(refusal(&made.cert, ""), TlsError::Empty { what: What::Key, origin: key() });
    let error = refusal("\u{30}\u{82}\u{1}", &made.key);
    assert_eq!(error, TlsError::NotPem { what: What::Certificate, origin: cert() });
    says(&error, &["BEGIN CERTIFICATE"]);
    let error = refusal(&made.cert, "hello");
    assert_eq!(error, TlsError::NotPem { what: What::Key, origin: key() });
    says(&error, &["BEGIN PRIVATE KEY"]);
}

#[test]
fn damaged_pem_says_how() {
    let made = Made::alone("leaf", false);
    let whole = &made.cert;
    let cut = &whole[..whole.len() / 2];
    let begin = whole.replacen("CERTIFICATE-----", "CERTIFICATE--", 1);
    let base64 = whole.replacen("\nMII", "\n!!!", 1);
    for (text, fault) in
        [(cut, PemFault::NoEnd), (&begin, PemFault::BadBegin), (&base64, PemFault::BadBase64)]
    {
        let error = refusal(text, &made.key);
        assert_eq!(error, TlsError::BadPem { origin: cert(), fault });
        says(&error, &["damaged"]);
    }
}

#[test]
fn swapped_files_are_recognised() {
    let made = Made::alone("leaf", false);
    let error = refusal(&made.key, &made.key);
    let found = What::Key;
    assert_eq!(error, TlsError::Wrong { what: What::Certificate, origin: cert(), found });
    says(&error, &["swapped"]);
    let error = refusal(&made.cert, &made.cert);
    let found = What::Certificate;
    assert_eq!(error, TlsError::Wrong { what: What::Key, origin: key(), found });
}

#[test]
fn several_keys_and_keys_with_a_passphrase_are_refused() {
    let made = Made::alone("leaf", false);
    let error = refusal(&made.cert, &[&*made.key, &made.key].concat());
    assert_eq!(error, TlsError::SeveralKeys { origin: key(), count: 2 });
    says(&error, &["2 private keys"]);

    let pkcs8 = openssl(&["pkcs8", "-topk8", "-passout", "pass:x"], &made.key);
    let sec1 = openssl(&["ec", "-aes128", "-passout", "pass:x"], &made.key);
    assert!(sec1.contains("Proc-Type: 4,ENCRYPTED"), "{sec1}");
    for text in [pkcs8, sec1] {
        let error = refusal(&made.cert, &text);
        assert_eq!(error, TlsError::EncryptedKey { origin: key() });
        says(&error, &["passphrase", "openssl pkey"]);
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused() {
    let made = Made::alone("leaf", false);
    let small = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "");
    let garbage = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into();
    for text in [small, garbage] {
        let error = refusal(&made.cert, &text);
        assert!(matches!(error, TlsError::UnsupportedKey { .. }), "{error:?}");
        assert!(std::error::Error::source(&error).is_some());
        says(&error, &["P-256", "2048"]);
    }
}

#[test]
fn a_section_that_is_no_certificate_is_counted() {
    let made = Made::alone("leaf", false);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = refusal(&[&*made.cert, garbage].concat(), &made.key);
    assert_eq!(error, TlsError::BadCertificate { origin: cert(), number: 2 });
    says(&error, &["certificate 2"]);
    let error = ClientTls::with_ca_pem(garbage.as_bytes()).unwrap_err();
    let origin = Origin::Bytes(What::Authorities);
    assert_eq!(error, TlsError::BadCertificate { origin, number: 1 });
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let error = refusal(&Made::alone("a", false).cert, &Made::alone("b", false).key);
    assert_eq!(error, TlsError::KeyMismatch { cert: cert(), key: key() });
    says(&error, &["does not belong"]);
}

#[test]
fn certificates_that_do_not_follow_each_other_are_refused() {
    let root = Made::alone("root", true);
    let leaf = root.issue("leaf", false);
    let stranger = Made::alone("stranger", true);
    let error = refusal(&[&*leaf.cert, &stranger.cert].concat(), &leaf.key);
    let (issuer, next) = ("CN=root".into(), "CN=stranger".into());
    assert_eq!(error, TlsError::BrokenChain { origin: cert(), number: 1, issuer, next });
    says(&error, &["certificate 1", "CN=root", "CN=stranger"]);

    let namesake = Made::alone("root", true);
    let error = refusal(&[&*leaf.cert, &namesake.cert].concat(), &leaf.key);
    let issuer = "CN=root".into();
    assert_eq!(error, TlsError::ForgedChain { origin: cert(), number: 1, issuer });
    says(&error, &["not signed"]);
}

#[test]
fn certificates_out_of_date_give_the_date() {
    let old = Made::between(DAY, 2 * DAY);
    let error = refusal(&old.cert, &old.key);
    assert_eq!(error, TlsError::Expired { origin: cert(), number: 1, not_after: 172_800 });
    says(&error, &["1970-01-03 00:00:00 UTC", "tagwire certs"]);

    let tomorrow = Duration::from_secs(since_epoch().as_secs()) + DAY;
    let young = Made::between(tomorrow, tomorrow + DAY);
    let error = refusal(&young.cert, &young.key);
    let TlsError::NotYetValid { not_before, now, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(not_before, tomorrow.as_secs() as i64);
    assert!(now < not_before);
    says(&error, &["not valid before", "clock"]);
}

#[test]
fn nothing_of_a_key_is_in_what_debug_prints() {
    let made = Made::alone("leaf", false);
    let tls = load(&made.cert, &made.key).unwrap();
    assert!(format!("{tls:?}").starts_with("ServerTls { not_after: "));
}
