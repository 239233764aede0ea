//! A handler that computes: the primes below a number, on two threads, while heartbeats and rooms go on.
//!
//! `openssl` asks below for those below 1,000,000 and then, in the same breath, sends a ping (tag 0x03),
//! whose pong comes back first.
//!
//! ```text
//! scripts/dev-certs
//! cargo run --release --example cpu_bound
//! printf '\x23\x00\x00\x00\x071000000\x03\x00\x00\x00\x01\x00' |
//!     openssl s_client -quiet -alpn tagwire/1 -connect 127.0.0.1:4433 -CAfile certs/ca.pem
//! ```

use std::env;
use std::error::Error;
use std::future::pending;

use bytes::Bytes;
use tagwire::Server;
use tagwire::handler::{Blocking, Context, HandlerError};
use tagwire::tls::ServerTls;

// Whatever is not bounded by the sender's word is bounded here.
const MOST: u64 = 1_000_000;

#[expect(clippy::needless_pass_by_value, reason = "a handler owns what it is sent")]
fn count_primes(_cx: Context, payload: Bytes) -> Result<Option<Bytes>, HandlerError> {
    let text = str::from_utf8(&payload).map_err(HandlerError::failed)?;
    let end: u64 = text.trim().parse().map_err(HandlerError::failed)?;
    if end > MOST {
        return Err(HandlerError::failed(format!("{MOST} at most")));
    }
    let is_prime = |n: &u64| (2..*n).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    let primes = (2..end).filter(is_prime).count();
    Ok(Some(format!("{primes} primes below {end}").into()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The default port, or what was given, as in `cargo run --example cpu_bound -- 127.0.0.1:0`.
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4433".to_owned());
    let server = Server::builder()
        .tls(ServerTls::from_files("certs/server.pem", "certs/server.key")?)
        .route(0x23, Blocking::new(2, count_primes))
        .bind(address)
        .await?;
    println!("listening on {}", server.local_addr());
    server.run(pending()).await?;
    Ok(())
}
