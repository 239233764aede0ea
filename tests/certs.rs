//! Goal: issued certificates satisfy software that is not ours. Method: a small TLS server on port
//! 0 with fresh certificates, and each client as a person would start it. A client that is not
//! installed fails its test and names the package.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end here")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustls::{ServerConnection, StreamOwned};
use tagwire::tls::{DevCerts, Options, PeerTls, ServerTls};
use tempfile::TempDir;

/// A server that answers one line, or one HTTP request, with what the handshake settled.
struct Server {
    dir: TempDir,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        DevCerts::issue(&Options::default()).unwrap().write_to(dir.path(), false).unwrap();
        let file = |name: &str| dir.path().join(name);
        let tls = ServerTls::from_files(file("server.pem"), file("server.key")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tls = tls.clone();
                // Who does not trust the certificate goes away in the middle.
                thread::spawn(move || answer(stream, &tls).unwrap_or_default());
            }
        });
        Self { dir, address }
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }

    fn file(&self, name: &str) -> String {
        path(self.dir.path().join(name))
    }
}

fn path(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

fn answer(stream: TcpStream, tls: &ServerTls) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(&tls.config())).unwrap();
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let peer = PeerTls::of(&reader.get_ref().conn).unwrap();
    let alpn = peer.alpn.map_or("none", |alpn| alpn.as_str());
    let facts = format!("settled {} {} {alpn}\n", peer.version, peer.key_exchange);
    if line.starts_with("GET ") {
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close";
        let length = facts.len();
        write!(reader.get_mut(), "{head}\r\nContent-Length: {length}\r\n\r\n{facts}")?;
    } else {
        reader.get_mut().write_all(facts.as_bytes())?;
    }
    reader.get_mut().conn.send_close_notify();
    reader.get_mut().flush()?;
    // Until the peer has closed, so that nothing is lost to a reset.
    reader.into_inner().sock.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Runs a client to its end, and returns whether it succeeded and all it said.
///
/// Its standard input gets a line and stays open until it has finished talking.
fn run(package: &str, command: &mut Command) -> (bool, String) {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(&program).args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    let mut child = limited
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this test needs `timeout`: install the package coreutils");
    let mut input = child.stdin.take().unwrap();
    // A client that has already gone is seen by what it said.
    let _ = input.write_all(b"hello\n");
    let mut errors = child.stderr.take().unwrap();
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        errors.read_to_end(&mut text).map(|_| text)
    });
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    drop(input);
    said.extend(errors.join().unwrap().unwrap());
    let status = child.wait().unwrap();
    assert_ne!(status.code(), Some(127), "{program} is missing: install the package {package}");
    assert_ne!(status.code(), Some(124), "{program} did not end in 60 s");
    (status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn settles(package: &str, command: &mut Command, facts: &str) {
    let (ended_well, said) = run(package, command);
    assert!(ended_well && said.contains(facts), "expected {facts:?}:\n{said}");
}

fn refuses(package: &str, command: &mut Command) {
    let (ended_well, said) = run(package, command);
    assert!(!ended_well && !said.contains("settled"), "trusted a stranger:\n{said}");
}

#[test]
fn openssl_accepts_each_certificate_for_its_purpose_and_its_names_only() {
    let server = Server::start();
    let verify = |args: &str, leaf: &str| {
        let mut command = Command::new("openssl");
        let (ca, leaf) = (server.file("ca.pem"), server.file(leaf));
        command.args(["verify", "-x509_strict", "-CAfile", &ca]).args(args.split(' ')).arg(leaf);
        run("openssl", &mut command)
    };
    for (args, leaf, good) in [
        ("-purpose sslserver", "server.pem", true),
        ("-purpose sslclient", "server.pem", false),
        ("-purpose sslclient", "client.pem", true),
        ("-purpose sslserver -verify_hostname client", "client.pem", false),
        ("-verify_hostname localhost", "server.pem", true),
        ("-verify_hostname example.org", "server.pem", false),
        ("-verify_ip 127.0.0.1", "server.pem", true),
        ("-verify_ip ::1", "server.pem", true),
        ("-verify_ip 10.0.0.1", "server.pem", false),
    ] {
        let (accepted, said) = verify(args, leaf);
        assert_eq!(accepted, good, "{args} {leaf}: {said}");
    }
}

#[test]
fn openssl_s_client_connects() {
    let server = Server::start();
    let command = |ca: String, version: &str| {
        let mut command = Command::new("openssl");
        let address = server.address.to_string();
        command.args(["s_client", "-connect", &address, "-verify_hostname", "localhost"]);
        command.args(["-verify_return_error", "-x509_strict", "-quiet", version, "-CAfile", &ca]);
        command
    };
    let ca = server.file("ca.pem");
    settles("openssl", &mut command(ca.clone(), "-tls1_3"), "settled TLSv1.3 X25519");
    settles("openssl", &mut command(ca, "-tls1_2"), "settled TLSv1.2 X25519 none");
    refuses("openssl", &mut command(Server::start().file("ca.pem"), "-tls1_3"));
}

#[test]
fn curl_connects() {
    let server = Server::start();
    for host in ["localhost", "127.0.0.1"] {
        let command = |ca: String| {
            let mut command = Command::new("curl");
            let url = format!("https://{host}:{}/", server.port());
            command.args(["--silent", "--show-error", "--ipv4", "--noproxy", "*"]);
            command.args(["--cacert", &ca, &url]);
            command
        };
        settles("curl", &mut command(server.file("ca.pem")), "http/1.1");
        refuses("curl", &mut command(Server::start().file("ca.pem")));
    }
}

#[test]
fn python_connects() {
    const SCRIPT: &str = "
import socket, ssl, sys
port, ca, host = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT
context.set_alpn_protocols(['tagwire/1'])
with socket.create_connection(('127.0.0.1', int(port))) as tcp:
    with context.wrap_socket(tcp, server_hostname=host) as tls:
        tls.sendall(b'hello\\n')
        print(tls.recv(1000).decode())
";
    let server = Server::start();
    for host in ["localhost", "127.0.0.1"] {
        let command = |ca: String| {
            let mut command = Command::new("python3");
            command.args(["-c", SCRIPT, &server.port(), &ca, host]);
            command
        };
        settles("python3", &mut command(server.file("ca.pem")), "tagwire/1");
        refuses("python3", &mut command(Server::start().file("ca.pem")));
    }
}

#[test]
fn node_connects() {
    const SCRIPT: &str = "
const [port, ca] = process.argv.slice(1)
const options = { host: '127.0.0.1', port, servername: 'localhost', ALPNProtocols: ['tagwire/1'] }
const socket = require('tls').connect({ ...options, ca: require('fs').readFileSync(ca) })
socket.on('secureConnect', () => socket.write('hello\\n'))
socket.on('data', data => { console.log(String(data)); socket.end() })
";
    let server = Server::start();
    let command = |ca: String| {
        let mut command = Command::new("node");
        command.args(["-e", SCRIPT, &server.port(), &ca]);
        command
    };
    settles("nodejs", &mut command(server.file("ca.pem")), "tagwire/1");
    refuses("nodejs", &mut command(Server::start().file("ca.pem")));
}

#[test]
fn gnutls_connects() {
    let server = Server::start();
    let command = |ca: String| {
        let mut command = Command::new("gnutls-cli");
        command.args(["--x509cafile", &ca, "--port", &server.port()]);
        command.args(["--verify-hostname", "localhost", "127.0.0.1"]);
        command
    };
    settles("gnutls-bin", &mut command(server.file("ca.pem")), "settled TLSv1.3");
    refuses("gnutls-bin", &mut command(Server::start().file("ca.pem")));
}

#[test]
fn chromium_loads_a_page_with_a_post_quantum_key_exchange() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let page = || {
        let mut command = Command::new("chromium");
        command.env("HOME", home.path()).args(["--headless", "--no-sandbox", "--disable-gpu"]);
        command.args(["--disable-quic", "--no-first-run", "--disable-background-networking"]);
        command.args(["--disable-component-update", "--disable-sync", "--no-proxy-server"]);
        let profile = tempfile::tempdir_in(home.path()).unwrap().keep();
        command.arg(format!("--user-data-dir={}", path(profile)));
        command.arg("--dump-dom").arg(format!("https://localhost:{}/", server.port()));
        run("chromium", &mut command).1
    };
    let before = page();
    assert!(!before.contains("settled"), "trusted a stranger:\n{before}");

    let database = home.path().join(".pki/nssdb");
    std::fs::create_dir_all(&database).unwrap();
    let database = format!("sql:{}", path(database));
    let certutil = |args: &[&str]| {
        let mut command = Command::new("certutil");
        let (ended_well, said) = run("libnss3-tools", command.args(["-d", &database]).args(args));
        assert!(ended_well, "certutil {args:?}: {said}");
    };
    certutil(&["-N", "--empty-password"]);
    certutil(&["-A", "-t", "C,,", "-n", "tagwire", "-i", &server.file("ca.pem")]);
    let after = page();
    assert!(after.contains("settled TLSv1.3 X25519MLKEM768 http/1.1"), "{after}");
}
