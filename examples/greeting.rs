//! A handler that acts on rooms: 0x21 says hello, in the peer's name, in every room that it is in.
//!
//! The reply counts the rooms. Here a join comes first, `{"op":"join","room_id":"hall"}` as a CONTROL
//! frame, and then the greeting with the payload `Good day`. The tag 0x21 is a sequence of its own, but
//! sees the rooms that were joined before it:
//!
//! ```text
//! scripts/dev-certs
//! cargo run --example greeting
//! printf '\x01\x00\x00\x00\x1e{"op":"join","room_id":"hall"}\x21\x00\x00\x00\x08Good day' |
//!     openssl s_client -quiet -alpn tagwire/1 -connect 127.0.0.1:4433 -CAfile certs/ca.pem
//! ```

use std::env;
use std::error::Error;
use std::future::pending;

use bytes::Bytes;
use tagwire::Server;
use tagwire::handler::{Context, HandlerError};
use tagwire::tls::ServerTls;

async fn greet(cx: Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
    let words = str::from_utf8(&payload).map_err(HandlerError::failed)?;
    let greeting = format!("{words}, says {}", cx.user_id());
    for room in cx.rooms() {
        cx.publish(room.as_str(), greeting.as_bytes()).map_err(HandlerError::failed)?;
    }
    Ok(Some(format!("greeted {} rooms", cx.rooms().len()).into()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The default port, or what was given, as in `cargo run --example greeting -- 127.0.0.1:0`.
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4433".to_owned());
    let server = Server::builder()
        .tls(ServerTls::from_files("certs/server.pem", "certs/server.key")?)
        .route(0x21, greet)
        .bind(address)
        .await?;
    println!("listening on {}", server.local_addr());
    server.run(pending()).await?;
    Ok(())
}
