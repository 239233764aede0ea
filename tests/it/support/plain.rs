//! Below TLS: plain TCP, and a ClientHello made by hand.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{interval, timeout};

use super::DEADLINE;

/// A peer that speaks bytes without TLS.
pub(crate) struct PlainPeer(pub(crate) TcpStream);

impl PlainPeer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_from([127, 0, 0, 1], address).await
    }

    /// From an address of loopback, each of which is a source of its own.
    pub(crate) async fn connect_from(source: [u8; 4], address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        let stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Some bytes.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        let mut part = vec![0; 4096];
        let read = timeout(DEADLINE, self.0.read(&mut part)).await.expect("bytes in time").unwrap();
        part.truncate(read);
        part
    }

    /// Sends a ClientHello at a byte each `pace`, until the server has enough of it.
    pub(crate) async fn drip(mut self, pace: Duration) {
        let hello = ClientHello::new().server_name(b"localhost").records();
        let mut tick = interval(pace);
        let mut read = [0; 64];
        let (mut input, mut output) = self.0.split();
        let send = async {
            for byte in hello {
                tick.tick().await;
                if output.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = send => {}
            _ = input.read(&mut read) => {}
        }
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        SockRef::from(&self.0).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Nothing but the refusal before a handshake.
    pub(crate) async fn expect_refusal(&mut self) {
        assert_eq!(self.rest().await, (ACCESS_DENIED.to_vec(), true));
    }

    /// Whether it is neither answered nor closed so far.
    pub(crate) fn is_open(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let seen = SockRef::from(&self.0).peek(&mut byte);
        seen.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// All bytes until FIN (`true`) or RST.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let end = timeout(DEADLINE, self.0.read_to_end(&mut bytes)).await.expect("an end in time");
        (bytes, end.is_ok())
    }
}

/// `access_denied`, fatal, as a record of TLS: what a refused connection is told.
pub(crate) const ACCESS_DENIED: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 0x31];

/// Connects, sends, and reads until FIN, as the simplest program there is.
pub(crate) fn read_to_end(address: SocketAddr, send: &[u8]) -> Vec<u8> {
    let mut stream = BlockingStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(send).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A ClientHello of TLS 1.3 with extensions that no library would send.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientHello {
    extensions: Vec<u8>,
}

impl ClientHello {
    /// One that a server can answer: X25519, and the usual signatures.
    pub(crate) fn new() -> Self {
        Self::default()
            .extension(43, &[2, 3, 4])
            .extension(10, &[0, 2, 0, 0x1d])
            .extension(13, &[0, 4, 4, 3, 8, 4])
            .extension(51, &[&[0, 36, 0, 0x1d, 0, 32][..], &[9; 32]].concat())
    }

    pub(crate) fn extension(mut self, number: u16, value: &[u8]) -> Self {
        self.extensions.extend(number.to_be_bytes());
        self.extensions.extend(sized(value));
        self
    }

    /// With this server name, whatever it is.
    pub(crate) fn server_name(self, name: &[u8]) -> Self {
        let entry = [&[0][..], &sized(name)].concat();
        self.extension(0, &sized(&entry))
    }

    /// As TLS records.
    pub(crate) fn records(&self) -> Vec<u8> {
        let random = [7; 32];
        let suites = [0x13, 0x01, 0x13, 0x02];
        let hello =
            [&[3, 3][..], &random, &[0], &sized(&suites), &[1, 0], &sized(&self.extensions)];
        let hello = hello.concat();
        let length = u32::try_from(hello.len()).unwrap().to_be_bytes();
        let message = [&[1], &length[1..], &hello].concat();
        let record = |part: &[u8]| [&[0x16, 3, 1][..], &sized(part)].concat();
        message.chunks(16 << 10).flat_map(record).collect()
    }
}

/// Bytes behind their length in two bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut sized = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    sized.extend(bytes);
    sized
}
