//! A handler in another language: two processes of `examples/echo.py` answer the tag 0x20.
//!
//! `openssl` sends a CALL here (tag 0x05: call 1, of the tag 0x20), so exactly one ANSWER comes back,
//! also if a process ends in the middle of it. Without a line of Rust it is
//! `tagwire serve --set handlers.0x20.command='python3 examples/echo.py'`.
//!
//! ```text
//! scripts/dev-certs
//! cargo run --example process_echo
//! printf '\x05\x00\x00\x00\x0a\x00\x00\x00\x01\x20hello' |
//!     openssl s_client -quiet -alpn tagwire/1 -connect 127.0.0.1:4433 -CAfile certs/ca.pem
//! ```

use std::env;
use std::error::Error;
use std::future::pending;

use tagwire::Server;
use tagwire::handler::{ProcessConfig, ProcessPool};
use tagwire::tls::ServerTls;
use tagwire::wire::Tag;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let command = ["python3", "examples/echo.py"];
    let config = ProcessConfig { workers: 2, ..ProcessConfig::new(Tag::from_byte(0x20), command) };
    // A program that is not there is told here, not with the first request.
    let pool = ProcessPool::new(config)?;

    // The default port, or what was given, as in `cargo run --example process_echo -- 127.0.0.1:0`.
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4433".to_owned());
    let server = Server::builder()
        .tls(ServerTls::from_files("certs/server.pem", "certs/server.key")?)
        .route(0x20, pool)
        .bind(address)
        .await?;
    println!("listening on {}", server.local_addr());
    server.run(pending()).await?;
    Ok(())
}
