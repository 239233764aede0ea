//! The server speaks first: whoever joins a room is welcomed in it.
//!
//! The built-in handlers stand in the router like any other, so one can be wrapped: this one has CONTROL
//! do its work, and says something more when that was a join.
//!
//! ```text
//! scripts/dev-certs
//! cargo run --example greeting
//! printf '\x01\x00\x00\x00\x1e{"op":"join","room_id":"hall"}' |
//!     openssl s_client -quiet -alpn tagwire/1 -connect 127.0.0.1:4433 -CAfile certs/ca.pem
//! ```

use std::env;
use std::error::Error;
use std::future::pending;

use tagwire::Server;
use tagwire::handler::{Control, InPlace};
use tagwire::router::Route;
use tagwire::session::{Problem, Session};
use tagwire::tls::ServerTls;
use tagwire::wire::{Header, Tag};
use tokio::time::Instant;

#[derive(Debug)]
struct Greeting;

impl InPlace for Greeting {
    fn admit(&self, header: Header) -> Result<(), Problem> {
        Control.admit(header)
    }

    fn handle(&self, session: &mut Session, payload: &[u8], now: Instant) -> Result<(), Problem> {
        let before = session.rooms().len();
        Control.handle(session, payload, now)?;
        if session.rooms().len() > before
            && let Some(room) = session.current_room()
        {
            let welcome = format!("welcome to {room}");
            session.send(Tag::DATA, welcome.as_bytes());
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The default port, or what was given, as in `cargo run --example greeting -- 127.0.0.1:0`.
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4433".to_owned());
    let server = Server::builder()
        .tls(ServerTls::from_files("certs/server.pem", "certs/server.key")?)
        .replace(Tag::CONTROL.as_byte(), Route::in_place(Greeting))
        .bind(address)
        .await?;
    println!("listening on {}", server.local_addr());
    server.run(pending()).await?;
    Ok(())
}
