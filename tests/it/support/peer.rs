//! A TLS peer that sends what it is told, also what nobody should, and expects frames.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

#[cfg(feature = "cli")]
use super::pong;
use super::{DEADLINE, Frame, PlainPeer, control, data, ping};

/// How to connect.
pub(crate) struct Connect {
    address: SocketAddr,
    config: ClientConfig,
    name: ServerName<'static>,
    receive_buffer: Option<u32>,
    source: [u8; 4],
    preface: Vec<u8>,
}

impl Connect {
    /// With ALPN `tagwire/1`, by the name `localhost`.
    pub(crate) fn to(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let name = "localhost".try_into().unwrap();
        Self {
            address,
            config: ClientConfig::clone(config),
            name,
            receive_buffer: None,
            source: [127, 0, 0, 1],
            preface: Vec::new(),
        }
    }

    /// Offers these protocols instead; none for no ALPN.
    pub(crate) fn alpn(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        self
    }

    /// Asks for another name.
    pub(crate) fn name(self, name: ServerName<'static>) -> Self {
        Self { name, ..self }
    }

    /// Changes the TLS configuration.
    pub(crate) fn tls(mut self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Takes little at once, so that it is soon behind when it stops to read.
    pub(crate) fn small_buffer(self) -> Self {
        Self { receive_buffer: Some(16 << 10), ..self }
    }

    /// From an address of loopback, each of which is a source of its own.
    pub(crate) fn source(self, source: [u8; 4]) -> Self {
        Self { source, ..self }
    }

    /// Sends these bytes before its handshake.
    pub(crate) fn preface(self, bytes: impl AsRef<[u8]>) -> Self {
        Self { preface: bytes.as_ref().to_vec(), ..self }
    }

    /// Connects without TLS.
    pub(crate) async fn plain(self) -> PlainPeer {
        PlainPeer::connect(self.address).await
    }

    /// Connects; an error is the handshake's.
    pub(crate) async fn try_open(self) -> Result<RawPeer> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind((self.source, 0).into())?;
        let socket = timeout(DEADLINE, socket.connect(self.address)).await;
        self.handshake(socket.map_err(|_| ErrorKind::TimedOut)??).await
    }

    /// Makes the handshake over a socket that is connected.
    async fn handshake(self, mut socket: TcpStream) -> Result<RawPeer> {
        socket.set_nodelay(true)?;
        socket.write_all(&self.preface).await?;
        let handshake = TlsConnector::from(Arc::new(self.config)).connect(self.name, socket);
        let stream = timeout(DEADLINE, handshake).await.map_err(|_| ErrorKind::TimedOut)??;
        Ok(RawPeer { stream, read: Vec::new() })
    }

    /// Talks over a socket that was connected before.
    #[cfg(feature = "cli")]
    pub(crate) async fn over(self, socket: TcpStream) -> RawPeer {
        self.handshake(socket).await.unwrap()
    }

    pub(crate) async fn open(self) -> RawPeer {
        self.try_open().await.unwrap()
    }
}

/// How the server's bytes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By `close_notify`.
    Goodbye,
    /// By FIN alone.
    Truncated,
    /// By RST, or by an alert.
    Reset,
}

/// A peer after its handshake. It does nothing by itself: it answers no pings and reads only when asked.
pub(crate) struct RawPeer {
    stream: TlsStream<TcpStream>,
    read: Vec<u8>,
}

impl RawPeer {
    /// Sends bytes as they are, in as few TLS records as can be.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> Result<()> {
        let send = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(DEADLINE, send).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    /// Sends bytes below TLS, as they are.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.get_mut().0.write_all(bytes).await.unwrap();
    }

    /// Sends as much as is taken before nothing is taken for a while; how much.
    pub(crate) async fn send_until_stuck(&mut self, bytes: &[u8], quiet: Duration) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match timeout(quiet, self.stream.write(&bytes[sent..])).await {
                Ok(taken) => sent += taken.unwrap(),
                Err(_) => break,
            }
        }
        sent
    }

    /// Sends the rest of what was begun, and at the same time reads so many frames.
    pub(crate) async fn exchange(&mut self, bytes: &[u8], frames: usize) -> Vec<Frame> {
        let Self { stream, read } = self;
        let (mut input, mut output) = tokio::io::split(stream);
        let send = async {
            output.write_all(bytes).await.unwrap();
            output.flush().await.unwrap();
        };
        let receive = async {
            let mut taken = Vec::new();
            // What is read is looked at in large parts: a frame is taken off the front of all.
            while taken.len() < frames {
                let mut part = std::mem::take(read);
                let read_now = timeout(DEADLINE, input.read_buf(&mut part)).await;
                assert_ne!(read_now.expect("the server says something in time").unwrap(), 0);
                while let Some(frame) = Frame::take(&mut part) {
                    taken.push(frame);
                }
                *read = part;
            }
            taken
        };
        tokio::join!(send, receive).1
    }

    async fn fill(&mut self) -> std::result::Result<(), End> {
        let mut part = [0; 16 << 10];
        match self.stream.read(&mut part).await {
            Ok(0) => Err(End::Goodbye),
            Ok(read) => {
                self.read.extend_from_slice(&part[..read]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(End::Truncated),
            Err(_) => Err(End::Reset),
        }
    }

    /// Reads what there is, and shows each whole frame where it lies: for who reads very many.
    pub(crate) async fn read_each(&mut self, mut each: impl FnMut(u8, &[u8])) {
        let filled = timeout(DEADLINE, self.fill()).await;
        filled.expect("the server says something in time").expect("bytes, not the end");
        let mut rest = &self.read[..];
        while let Some((&[tag, a, b, c, d], behind)) = rest.split_first_chunk()
            && let Some(frame) = behind.split_at_checked(u32::from_be_bytes([a, b, c, d]) as usize)
        {
            each(tag, frame.0);
            rest = frame.1;
        }
        let taken = self.read.len() - rest.len();
        self.read.drain(..taken);
    }

    /// Reads and answers pings, and does nothing else, until the server's bytes end, however late.
    #[cfg(feature = "cli")]
    pub(crate) async fn stay(&mut self) -> End {
        loop {
            if let Err(end) = self.fill().await {
                return end;
            }
            while let Some(frame) = Frame::take(&mut self.read) {
                if frame.is_ping() && self.try_send(&pong(&frame.payload[1..])).await.is_err() {
                    return End::Reset;
                }
            }
        }
    }

    /// Reads and says nothing, not even that it lives, until the server's bytes end, however late.
    #[cfg(feature = "cli")]
    pub(crate) async fn stay_silent(&mut self) -> End {
        loop {
            if let Err(end) = self.fill().await {
                return end;
            }
            self.read.clear();
        }
    }

    /// The next frame, or how the server's bytes ended.
    pub(crate) async fn poll(&mut self) -> std::result::Result<Frame, End> {
        // The deadline is between two pieces: a large frame takes its time on a busy machine.
        loop {
            match Frame::take(&mut self.read) {
                Some(frame) => return Ok(frame),
                None => {
                    let more = timeout(DEADLINE, self.fill());
                    more.await.expect("the server says something in time")?;
                }
            }
        }
    }

    /// The next frame of any kind.
    pub(crate) async fn next(&mut self) -> Frame {
        self.poll().await.expect("a frame, not the end")
    }

    /// The next frame that is neither presence nor a ping.
    pub(crate) async fn frame(&mut self) -> Frame {
        loop {
            let frame = self.next().await;
            if !frame.is_ping() && !frame.is_presence() {
                return frame;
            }
        }
    }

    /// The next frame, which is CONTROL with this `op`; other presence, and pings, do not count.
    pub(crate) async fn expect(&mut self, op: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame.op() == op {
                return frame.json();
            }
            assert!(frame.is_ping() || frame.is_presence(), "{op} wanted, not {frame:?}");
        }
    }

    /// Presence of that user; other presence, and pings, do not count.
    pub(crate) async fn expect_presence(&mut self, op: &str, user: &str) {
        while self.expect(op).await["user_id"] != user {}
    }

    /// The next frame, which is this error and not fatal.
    pub(crate) async fn expect_error(&mut self, code: &str) -> Value {
        let error = self.expect("error").await;
        assert_eq!(error["code"], code, "{error}");
        assert!(error["fatal"].as_bool().is_none_or(|fatal| !fatal), "{error}");
        error
    }

    /// The last frame, which is this error and fatal; then `close_notify` and FIN.
    pub(crate) async fn expect_fatal(&mut self, code: &str) -> Value {
        let error = self.last_words(code).await;
        self.expect_end().await;
        error
    }

    /// A fatal error, without looking at what follows.
    pub(crate) async fn last_words(&mut self, code: &str) -> Value {
        let frame = self.frame().await;
        let error = frame.json();
        assert_eq!((&error["op"], &error["code"]), (&json!("error"), &json!(code)), "{frame:?}");
        assert_eq!(error["fatal"], true, "{error}");
        assert!(frame.payload.len() + 5 <= 256, "{frame:?}");
        error
    }

    /// Nothing but `close_notify` and FIN.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(self.poll().await, Err(End::Goodbye));
        self.expect_fin().await;
    }

    /// The socket's end, after `close_notify`.
    pub(crate) async fn expect_fin(&mut self) {
        let mut byte = [0];
        let read = timeout(DEADLINE, self.stream.get_mut().0.read(&mut byte)).await;
        assert_eq!(read.expect("a FIN in time").unwrap(), 0, "bytes after close_notify");
    }

    /// All bytes until the end, for what is no frames, and how they ended.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, End) {
        let end = timeout(DEADLINE, async {
            loop {
                if let Err(end) = self.fill().await {
                    return end;
                }
            }
        });
        let end = end.await.expect("the server ends in time");
        (std::mem::take(&mut self.read), end)
    }

    /// A line of text.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(DEADLINE, async {
            loop {
                if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                    return self.read.drain(..=end).collect::<Vec<_>>();
                }
                self.fill().await.expect("a line, not the end");
            }
        });
        String::from_utf8(line.await.expect("a line in time")).unwrap()
    }

    /// Asserts that nothing arrives for a while.
    pub(crate) async fn expect_quiet(&mut self, quiet: Duration) {
        assert_eq!(Frame::take(&mut self.read), None);
        if let Ok(filled) = timeout(quiet, self.fill()).await {
            panic!("{filled:?} {:?}", Frame::take(&mut self.read));
        }
    }

    pub(crate) async fn request(&mut self, request: Value, op: &str) -> Value {
        self.send(control(request)).await;
        self.expect(op).await
    }

    /// Joins a room under a name, and hears of it.
    pub(crate) async fn join(&mut self, room: &str, user: &str) -> Value {
        let request = json!({"op": "join", "room_id": room, "user_id": user});
        self.request(request, "joined").await
    }

    /// Joins a room to get its records as MESSAGE.
    pub(crate) async fn join_for_messages(&mut self, room: &str, user: &str) -> Value {
        let request = json!({"op": "join", "room_id": room, "user_id": user, "deliver": "message"});
        self.request(request, "joined").await
    }

    /// Shows that the connection works: a ping is answered, and nothing else comes before.
    pub(crate) async fn expect_alive(&mut self) {
        self.send(ping("alive?")).await;
        let frame = self.frame().await;
        assert_eq!((frame.tag, &frame.payload[..]), (0x03, &b"\x01alive?"[..]), "{frame:?}");
    }

    /// Publishes to the current room.
    pub(crate) async fn say(&mut self, body: impl AsRef<[u8]>) {
        self.send(data(body)).await;
    }

    /// The body of the next DATA frame.
    pub(crate) async fn hear(&mut self) -> Vec<u8> {
        let frame = self.frame().await;
        assert_eq!(frame.tag, 0x02, "{frame:?}");
        frame.payload
    }

    /// Says goodbye (`close_notify`) without a FIN.
    pub(crate) async fn say_goodbye(&mut self) {
        self.stream.get_mut().1.send_close_notify();
        self.stream.flush().await.unwrap();
    }

    /// Ends its bytes without a goodbye.
    pub(crate) async fn fin(&mut self) {
        self.stream.get_mut().0.shutdown().await.unwrap();
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        let socket = &self.stream.get_ref().0;
        SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn tls(&mut self) -> &mut ClientConnection {
        self.stream.get_mut().1
    }

    /// Sends what TLS wants to.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        timeout(DEADLINE, self.stream.flush())
            .await
            .unwrap_or_else(|_| Err(Error::from(ErrorKind::TimedOut)))
    }
}
